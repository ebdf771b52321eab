//! The store: journal, entity rows, command records, snapshots, subscriptions, read models, counts
//! of tries, dead letters and the keys of personal data.
//!
//! **Owns:** the [`Store`] seam and its SQL implementations. **Invariants:** an append is accepted
//! only where the stream ends at the expected sequence and hash and the shard's epoch is the
//! writer's; positions are dense and a reader that tails them misses nothing; snapshots and read
//! models can be made again from the journal.
//!
//! **Deliberately absent:** entities and their rules. A store compares hashes and keeps bytes.

#![warn(missing_docs)]

pub mod chain;
pub mod error;
pub mod snapshot;
mod sql;
pub mod store;

pub use error::StoreError;
pub use sql::{PostgresOptions, SqlStore, SqliteOptions};
pub use store::{
    ApiKeyRow, Attempts, BatchRow, ClaimOutcome, CommandRecord, DeadLetter, DeadLetters, Destroyed,
    Directory, DocumentChange, DocumentRef, EntityRow, EventScope, FollowedEvent, Journal,
    JournalPiece, JournalRead, LATER_RECORDS_MAX, Leases, LetterKind, LetterReason, MessageRef,
    ParkedEvent, Progress, ReadModels, Refusal, ShardClaim, Snapshot, Snapshots, Store,
    StreamAppend, SubjectKeyRow, SubjectKeys, Tried, Unit, UnitOutcome, UnreadableEvent,
    WrappedKey,
};
