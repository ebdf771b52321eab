//! How often messages were tried.
//!
//! A try that ends the whole process leaves nothing in memory to learn from; a count that was
//! durable before the try does. It is kept apart from the journal: it says nothing about what
//! happened, and losing one costs a few tries more.

use async_trait::async_trait;
use coppice_core::{Epoch, StreamId, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;

/// A message to an entity that the system itself delivers again until it is digested: a timer, an
/// effect, the outcome of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageRef {
    /// The entity.
    pub stream: StreamId,
    /// The message within it.
    pub message: Uuid,
}

/// A message and the epoch under which it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// The message.
    pub message: MessageRef,
    /// The epoch that its entity's owner holds.
    pub epoch: Epoch,
}

/// How often messages were tried, so that one whose try ends the whole process is found out.
#[async_trait]
pub trait Attempts: Send + Sync {
    /// Counts one more try of each message; the counts with it, in the order asked. Durable before
    /// it answers. A message that stands twice is counted twice, and both have the last count.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: some of them, all or none may be counted. A caller that asks
    /// again may count one try twice, never one too few.
    async fn count_attempts(
        &self,
        messages: &[Tried],
        at: Timestamp,
    ) -> Result<Vec<u32>, StoreError>;

    /// Forgets messages that are done with; those without a count are passed over, and so are those
    /// that were tried under a later epoch since: a former owner's word, however often and late it
    /// is repeated, takes no count of its successor's away.
    async fn drop_attempts(&self, messages: &[Tried]) -> Result<(), StoreError>;

    /// Forgets up to `limit` messages last tried before a time whose entities have neither effects
    /// nor timers outstanding; how many went.
    async fn drop_stale_attempts(&self, before: Timestamp, limit: usize)
    -> Result<u64, StoreError>;
}
