//! Shard ownership: who may append to which entities.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use coppice_core::{Epoch, ShardId};

use crate::error::StoreError;

/// A node's wish to own shards `0..count`.
#[derive(Debug, Clone)]
pub struct ShardClaim {
    /// The node.
    pub owner: String,
    /// How many shards there are; the same on every node of a database.
    pub count: u16,
    /// How long the lease lasts from the database's present time; `None` never expires.
    pub duration: Option<Duration>,
    /// Whether a lease of the same owner may be succeeded before it expires. Only a node that
    /// holds its data directory's lock may say so: its predecessor is certainly gone.
    pub succeed_own: bool,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The shards are the claimant's, each under a new epoch.
    Granted(BTreeMap<ShardId, Epoch>),
    /// Another owner's lease lasts for this long yet.
    Held {
        /// Who holds it.
        owner: String,
        /// By the database's clock; `None` where it never expires.
        remaining: Option<Duration>,
    },
}

/// Shard ownership.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes all shards under new epochs, or none.
    async fn claim(&self, claim: &ShardClaim) -> Result<ClaimOutcome, StoreError>;

    /// Extends the lease of every shard that the owner still holds under the given epochs, by
    /// `duration` from the database's present time; false where one of them is lost, and then
    /// nothing is extended.
    async fn renew(
        &self,
        owner: &str,
        epochs: &BTreeMap<ShardId, Epoch>,
        duration: Duration,
    ) -> Result<bool, StoreError>;

    /// Ends the leases of an owner now, so that another need not wait.
    async fn release(&self, owner: &str) -> Result<(), StoreError>;
}
