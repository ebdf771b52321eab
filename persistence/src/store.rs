//! The seam between the runtime and a database: what every store must do, in terms of the house.
//!
//! SQLite, PostgreSQL and the testkit's in-memory store implement it and pass one conformance
//! suite. A store decides nothing about entities; it checks fences and keeps rows.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use coppice_core::{
    CommandId, Epoch, EventRecord, Hash, Position, Sequence, ShardId, StoredEvent, StreamHead,
    StreamId, StreamKey, TenantId, Timestamp,
};
use uuid::Uuid;

use crate::error::StoreError;

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

    /// Of the `limit` command records that were written first, drops those decided before a time;
    /// how many went.
    async fn drop_commands(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;

    /// Up to `limit` entity rows after a stream id, in order of stream id; `None` starts.
    async fn entities(
        &self,
        after: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError>;

    /// As [`Journal::entities`], of those that have effects outstanding.
    async fn owing(
        &self,
        after: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError>;

    /// Up to `limit` entities with a timer due at `now`, earliest first.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<EntityRow>, StoreError>;

    /// Up to `limit` batches after a number, in order.
    async fn batches(&self, after: u64, limit: usize) -> Result<Vec<BatchRow>, StoreError>;
}

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

/// A change of one document of a read model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChange {
    /// The read model.
    pub model: Box<str>,
    /// The tenant that the document belongs to.
    pub tenant: TenantId,
    /// The document within model and tenant.
    pub id: Box<str>,
    /// The new body, JSON text; `None` removes the document.
    pub body: Option<Box<str>>,
}

/// An event that a subscription couldn't digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The event's position.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Why it was parked.
    pub reason: Box<str>,
    /// When.
    pub parked_at: Timestamp,
}

/// One step of a subscription: everything in it is written in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The offset that the step starts from; refused where the stored one differs.
    pub from: Position,
    /// The offset after it.
    pub to: Position,
    /// Changes of read models, in order.
    pub changes: Vec<DocumentChange>,
    /// Events parked in this step.
    pub parked: Vec<ParkedEvent>,
    /// Positions of parked events that are done with.
    pub released: Vec<Position>,
}

/// Subscriptions' offsets and parked events, and the documents that projections write.
#[async_trait]
pub trait ReadModels: Send + Sync {
    /// The offset of a subscription: the position of the last event it is done with; 0 at first.
    async fn offset(&self, subscription: &str) -> Result<Position, StoreError>;

    /// Writes a step and its offset in one transaction; false, and nothing written, where the
    /// stored offset is not `from`.
    async fn advance(&self, subscription: &str, step: &Progress) -> Result<bool, StoreError>;

    /// Up to `limit` parked events after a position, in order.
    async fn parked(
        &self,
        subscription: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, StoreError>;

    /// Which of these streams have a parked event in the subscription.
    async fn parked_streams(
        &self,
        subscription: &str,
        streams: &[StreamId],
    ) -> Result<Vec<StreamId>, StoreError>;

    /// One document.
    async fn document(
        &self,
        model: &str,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<String>, StoreError>;

    /// Up to `limit` documents of a model and tenant with ids after `after`, as (id, body).
    async fn documents(
        &self,
        model: &str,
        tenant: &TenantId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError>;
}

/// An API key as it is stored; the key itself is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Names the key in lists and revocations.
    pub id: Uuid,
    /// Whose key.
    pub tenant: TenantId,
    /// The first eight characters of the random part; not unique.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: Hash,
    /// Space-separated scopes.
    pub scopes: String,
    /// What its owner calls it.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being valid.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Tenants and their API keys.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Whether any tenant exists.
    async fn has_tenants(&self) -> Result<bool, StoreError>;

    /// Adds a tenant (left as it is where it exists) and a key (ignored where its id exists), in
    /// one transaction.
    async fn add_tenant(
        &self,
        tenant: &TenantId,
        name: &str,
        key: &ApiKeyRow,
    ) -> Result<(), StoreError>;

    /// Every key with this prefix, whatever its state.
    async fn api_keys(&self, prefix: &str) -> Result<Vec<ApiKeyRow>, StoreError>;

    /// Revokes a key at a time; false where the tenant has no such key.
    async fn revoke_api_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// Everything that the runtime needs of a database.
pub trait Store: Journal + Leases + Snapshots + ReadModels + Directory + 'static {}

impl<T: Journal + Leases + Snapshots + ReadModels + Directory + 'static> Store for T {}
