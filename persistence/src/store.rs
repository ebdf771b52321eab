//! The seam between the runtime and a database: what every store must do, in terms of the house.
//!
//! SQLite, PostgreSQL and the testkit's in-memory store implement it and pass one conformance
//! suite. A store decides nothing about entities; it checks fences and keeps rows.

mod attempts;
mod dead_letters;
mod directory;
mod following;
mod journal;
mod leases;
mod read_models;
mod snapshots;
mod subject_keys;

pub use self::attempts::{Attempts, MessageRef, Tried};
pub use self::dead_letters::{DeadLetter, DeadLetters, LetterKind, LetterReason};
pub use self::directory::{ApiKeyRow, Directory};
pub use self::following::{EventScope, FollowedEvent, JournalPiece, JournalRead, UnreadableEvent};
pub use self::journal::{
    BatchRow, CommandRecord, EntityRow, Journal, LATER_RECORDS_MAX, Refusal, StreamAppend, Unit,
    UnitOutcome,
};
pub use self::leases::{ClaimOutcome, Leases, ShardClaim};
pub use self::read_models::{DocumentChange, DocumentRef, ParkedEvent, Progress, ReadModels};
pub use self::snapshots::{Snapshot, Snapshots};
pub use self::subject_keys::{Destroyed, SubjectKeyRow, SubjectKeys, WrappedKey};

/// Everything that the runtime needs of a database.
pub trait Store:
    Journal
    + Leases
    + Snapshots
    + ReadModels
    + Directory
    + Attempts
    + DeadLetters
    + SubjectKeys
    + 'static
{
}

impl<T> Store for T where
    T: Journal
        + Leases
        + Snapshots
        + ReadModels
        + Directory
        + Attempts
        + DeadLetters
        + SubjectKeys
        + 'static
{
}
