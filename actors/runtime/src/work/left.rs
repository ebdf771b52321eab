//! Where something was left undone: the lease had run out under it, or its entity couldn't be
//! woken. Whoever looks again asks here, so that nothing waits for a change of ownership that never
//! comes: a lease that runs out and is renewed after all has the same epoch as before.

use std::collections::BTreeSet;
use std::sync::Arc;

use coppice_core::{Epoch, ShardId, StreamKey};
use parking_lot::Mutex;

use crate::lease::Lease;

/// The shards in which something was left. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    shards: Arc<Mutex<BTreeSet<ShardId>>>,
    lease: Arc<dyn Lease>,
}

impl Left {
    /// Nothing was left yet.
    pub(crate) fn new(lease: Arc<dyn Lease>) -> Self {
        Self { shards: Arc::default(), lease }
    }

    /// The epoch under which this node owns an entity, if it does.
    pub(crate) fn epoch(&self, key: &StreamKey) -> Option<Epoch> {
        self.owned(key).map(|(_, epoch)| epoch)
    }

    /// The shard of an entity and the epoch under which this node owns it, if it does.
    pub(crate) fn owned(&self, key: &StreamKey) -> Option<(ShardId, Epoch)> {
        let shard = key.shard(self.lease.shard_count());
        self.lease.epoch(shard).map(|epoch| (shard, epoch))
    }

    /// Something of this entity was left.
    pub(crate) fn note(&self, key: &StreamKey) {
        self.shards.lock().insert(key.shard(self.lease.shard_count()));
    }

    /// Whether something was left in a shard that this node owns now; it is forgotten by that.
    pub(crate) fn take_owned(&self) -> bool {
        let mut shards = self.shards.lock();
        let before = shards.len();
        shards.retain(|shard| self.lease.epoch(*shard).is_none());
        shards.len() < before
    }
}
