//! Who may speak for which entities, and until when.
//!
//! **Invariant:** [`Lease::epoch`] answers with an epoch only while this node certainly owns the
//! shard, measured on a clock that counts suspended time. A node that was frozen and wakes after
//! its lease finds `None` and answers nothing from its old state; its appends are refused by the
//! store in any case.

use std::collections::BTreeMap;
use std::fmt;

use coppice_core::{Epoch, ShardId, StreamKey};

/// Ownership of shards, as the runtime asks for it: before a decision and again after it.
pub trait Lease: fmt::Debug + Send + Sync + 'static {
    /// How many shards there are.
    fn shard_count(&self) -> u16;

    /// The epoch of a shard that this node owns right now.
    fn epoch(&self, shard: ShardId) -> Option<Epoch>;

    /// The shard of an entity and its epoch, where this node owns it right now.
    fn owned(&self, key: &StreamKey) -> Option<(ShardId, Epoch)> {
        let shard = key.shard(self.shard_count());
        self.epoch(shard).map(|epoch| (shard, epoch))
    }
}

/// A lease that nobody can take away: the node holds the only lock on its embedded store.
#[derive(Debug)]
pub struct ExclusiveLease {
    epochs: BTreeMap<ShardId, Epoch>,
    count: u16,
}

impl ExclusiveLease {
    /// Of all shards, under the epochs that the store granted.
    #[must_use]
    pub fn new(epochs: BTreeMap<ShardId, Epoch>) -> Self {
        let count = u16::try_from(epochs.len()).unwrap_or(u16::MAX);
        Self { epochs, count }
    }
}

impl Lease for ExclusiveLease {
    fn shard_count(&self) -> u16 {
        self.count
    }

    fn epoch(&self, shard: ShardId) -> Option<Epoch> {
        self.epochs.get(&shard).copied()
    }
}
