//! The latest snapshot of each entity.

use async_trait::async_trait;
use coppice_core::{Hash, StreamHead, StreamKey, Timestamp};

use crate::error::StoreError;

/// A state as it was at one point of its stream. A cache: losing one costs a longer replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose.
    pub key: StreamKey,
    /// The point in the stream; the journal must agree, or the snapshot is ignored.
    pub head: StreamHead,
    /// The kind's layout tag when it was taken.
    pub layout: u32,
    /// SHA-256 of the canonical JSON of the state, or of its sealed form.
    pub digest: Hash,
    /// The state; see [`crate::snapshot`].
    pub state: Vec<u8>,
    /// When it was taken.
    pub taken_at: Timestamp,
}

/// The latest snapshot of each entity.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// The snapshot of an entity.
    async fn snapshot(&self, key: &StreamKey) -> Result<Option<Snapshot>, StoreError>;

    /// Keeps snapshots, each in place of its entity's older one; a stored one that is newer stays.
    async fn save_snapshots(&self, snapshots: &[Snapshot]) -> Result<(), StoreError>;
}
