//! Everything of a node that can be looked at, in one handle.

use std::sync::Arc;

use coppice_core::{ShardId, StreamKey};
use coppice_persistence::{LetterReason, StoreError};
use coppice_supervisors::SupervisorHandle;

use crate::clock::Clock;
use crate::registry::Registry;
use crate::services::Services;
use crate::work::office::DeadLetterOffice;
use crate::work::pool::Pools;
use crate::work::timers::Timers;
use crate::writer::WriterHandle;

/// A look into a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inspector {
    pub(crate) services: Arc<Services>,
    pub(crate) registry: Registry,
    pub(crate) supervisor: SupervisorHandle,
    pub(crate) office: DeadLetterOffice,
}

impl Inspector {
    /// The entities.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The node's tree.
    #[must_use]
    pub const fn supervisor(&self) -> &SupervisorHandle {
        &self.supervisor
    }

    /// The dead letters.
    #[must_use]
    pub const fn dead_letters(&self) -> &DeadLetterOffice {
        &self.office
    }

    /// Group commit.
    #[must_use]
    pub fn writer(&self) -> &WriterHandle {
        &self.services.writer
    }

    /// The pools of effects.
    #[must_use]
    pub fn pools(&self) -> &Pools {
        &self.services.pools
    }

    /// What was taken out of delivery since the start, by reason.
    pub fn dead_letters_total(&self) -> impl Iterator<Item = (LetterReason, u64)> {
        self.services.quarantine.put_total()
    }

    /// How many follow the journal.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.services.feed.followers()
    }

    /// The timers of entities in memory.
    #[must_use]
    pub fn timers(&self) -> &Timers {
        &self.services.timers
    }

    /// How many shards the node may speak for right now.
    #[must_use]
    pub fn shards_held(&self) -> u16 {
        let lease = self.services.lease.as_ref();
        let held = (0..lease.shard_count()).filter(|shard| lease.epoch(ShardId(*shard)).is_some());
        u16::try_from(held.count()).unwrap_or(u16::MAX)
    }

    /// How many shards there are.
    #[must_use]
    pub fn shard_count(&self) -> u16 {
        self.services.lease.shard_count()
    }

    /// The node's clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.services.clock.as_ref()
    }

    /// Whether an entity has rows: one that isn't in memory is passivated then.
    ///
    /// # Errors
    /// The store's.
    pub async fn exists(&self, key: &StreamKey) -> Result<bool, StoreError> {
        Ok(self.services.store.entity(key).await?.is_some())
    }

    /// Whether an entity is out of service.
    #[must_use]
    pub fn is_quarantined(&self, key: &StreamKey) -> bool {
        self.services.quarantine.holds_entity(key.stream())
    }
}
