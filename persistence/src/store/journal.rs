//! The append-only part: events, entity rows, command records, batches.

use async_trait::async_trait;
use coppice_core::{
    CommandId, EntityKind, Epoch, EventRecord, Hash, Position, Sequence, ShardId, StoredEvent,
    StreamHead, StreamId, StreamKey, TenantId, Timestamp,
};

use super::following::{JournalPiece, JournalRead};
use crate::error::StoreError;

/// So many command records in a row that were decided too late end a [`Journal::drop_commands`].
/// Times are nearly in the order of writing, so what comes behind is later still; a record that
/// isn't goes once those before it are old. A thousand: more than clocks that differ by a moment mix
/// up under load, and a few milliseconds to read.
pub const LATER_RECORDS_MAX: usize = 1_000;

/// Events and records of one entity, to be appended where its stream ends as expected.
#[derive(Debug, Clone)]
pub struct StreamAppend {
    /// Whose stream.
    pub key: StreamKey,
    /// The shard that owns the entity.
    pub shard: ShardId,
    /// The epoch that the writer holds of that shard.
    pub epoch: Epoch,
    /// Where the stream must end for the append to be accepted.
    pub expected: StreamHead,
    /// Chained on `expected`. May be empty where only command records are added.
    pub events: Vec<EventRecord>,
    /// Answers to commands that carry an idempotency key.
    pub commands: Vec<CommandRecord>,
    /// When the entity's first timer is due, after these events.
    pub wake_at: Option<Timestamp>,
    /// Whether effects are outstanding, after these events.
    pub owes: bool,
    /// Whether the row of the entity says the same of both where its stream ends at `expected`. A
    /// store may then leave them, and what is indexed by them, alone. False where it isn't known.
    pub waits_as_before: bool,
}

impl StreamAppend {
    /// Where the stream ends once this is in it.
    #[must_use]
    pub fn resulting_head(&self) -> StreamHead {
        self.events.last().map_or(self.expected, EventRecord::head)
    }
}

/// Appends that commit together or not at all.
#[derive(Debug, Clone)]
pub struct Unit {
    /// At least one. A stream stands at most once in a whole batch of units.
    pub appends: Vec<StreamAppend>,
}

/// What became of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitOutcome {
    /// Durable.
    Committed,
    /// Nothing of the unit was written; the appends at fault and why.
    Refused(Vec<(usize, Refusal)>),
}

/// Why an append was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The stream does not end at the expected sequence and hash.
    Head,
    /// The shard's epoch is not the writer's.
    Epoch,
    /// These commands were answered before.
    Duplicate(Vec<CommandId>),
    /// What the store holds of the stream contradicts its row: the append can never succeed.
    Damaged,
}

/// The answer to a command, kept so that a repeat gets the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRecord {
    /// Which command.
    pub command_id: CommandId,
    /// SHA-256 of its body; the same id with another body is an error of the caller.
    pub body_hash: Hash,
    /// The stream's sequence once the command was applied.
    pub sequence: Sequence,
    /// The reply, JSON text.
    pub reply: Box<str>,
    /// When it was decided.
    pub recorded_at: Timestamp,
    /// The entity that sent the command as an effect. Its record is kept for as long as the
    /// sender has effects outstanding, since it may send the command again until then.
    pub sender: Option<StreamId>,
}

/// The one row that says where an entity stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityRow {
    /// Which entity.
    pub key: StreamKey,
    /// Where its stream ends.
    pub head: StreamHead,
    /// The epoch of the last append.
    pub epoch: Epoch,
    /// When its first timer is due.
    pub wake_at: Option<Timestamp>,
    /// Whether effects are outstanding.
    pub owes: bool,
}

/// One commit that wrote events, in the chain over commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    /// Dense, from 1.
    pub number: u64,
    /// The first position written.
    pub first: Position,
    /// The last position written.
    pub last: Position,
    /// The hash of the batch before; zero for the first.
    pub previous_hash: Hash,
    /// [`crate::chain::batch_hash`] of this batch.
    pub hash: Hash,
}

/// The append-only part: events, entity rows, command records, batches.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Commits units as one transaction; each is accepted or refused on its own, and the outcomes
    /// come in the order of the units.
    ///
    /// Idempotent: a unit whose events (or, without events, whose command records) are in the
    /// journal already is `Committed`. So a caller that lost the answer hands in the same units
    /// again and learns what became of them, without a race against its own first try.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it isn't known whether anything was written; hand in the same
    /// again. [`StoreError::Full`]: nothing was written.
    async fn append(&self, units: &[Unit]) -> Result<Vec<UnitOutcome>, StoreError>;

    /// The entity's row; `None` for one that has no events.
    async fn entity(&self, key: &StreamKey) -> Result<Option<EntityRow>, StoreError>;

    /// Up to `limit` events of a stream after a sequence, in order.
    async fn read_stream(
        &self,
        key: &StreamKey,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// Up to `limit` events of the journal after a position, in order, gapless: an event that
    /// commits later never gets a lower position than one that was readable before.
    async fn read_journal(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// A piece of the journal for somebody who follows it. An event that can't be read stands among
    /// the others as one, so that it stops nobody whose it isn't.
    async fn follow(&self, read: &JournalRead) -> Result<JournalPiece, StoreError>;

    /// The record of a command of this stream.
    async fn command(
        &self,
        key: &StreamKey,
        id: CommandId,
    ) -> Result<Option<CommandRecord>, StoreError>;

    /// Up to `limit` of the latest command records of this stream, latest first.
    async fn recent_commands(
        &self,
        key: &StreamKey,
        limit: usize,
    ) -> Result<Vec<CommandRecord>, StoreError>;

    /// Drops up to `limit` command records that were decided before a time, those written first
    /// first; how many went. A record stays while its sender has effects outstanding.
    ///
    /// Looks no further than [`LATER_RECORDS_MAX`] records in a row that were decided later.
    async fn drop_commands(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;

    /// Up to `limit` entity rows after a stream id, in order of stream id; `None` starts.
    async fn entities(
        &self,
        after: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError>;

    /// Up to `limit` entities of a tenant and kind with ids after `after`, in bytewise order of
    /// their ids; the empty text starts.
    async fn entities_of(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError>;

    /// The position of the last event; 0 in an empty journal.
    async fn last_position(&self) -> Result<Position, StoreError>;

    /// As [`Journal::entities`], of those that have effects outstanding.
    async fn owing(
        &self,
        after: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError>;

    /// Up to `limit` entities with a timer due at `now`, in order of when it is due and then of
    /// stream id, after such a place; `None` starts.
    async fn due(
        &self,
        now: Timestamp,
        after: Option<(Timestamp, StreamId)>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError>;

    /// Up to `limit` batches after a number, in order.
    async fn batches(&self, after: u64, limit: usize) -> Result<Vec<BatchRow>, StoreError>;
}
