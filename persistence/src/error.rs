//! What a caller of a store can act on.

use coppice_core::invariants::ChainFault;
use thiserror::Error;

/// An error of a store; one variant per thing that a caller can do about it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database can't be reached or gave no answer. Of a write it isn't known whether it
    /// happened; hand in the same again.
    #[error("the store is unavailable while {during}")]
    Unavailable {
        /// What was being done.
        during: &'static str,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The disk or the database's size limit is reached; nothing was written.
    #[error("the store is full")]
    Full,
    /// A stored row isn't what its chain or its own type says.
    #[error("stream {stream} is damaged")]
    Damaged {
        /// The stream, as tenant/kind/id.
        stream: String,
        /// What is wrong with it.
        #[source]
        fault: ChainFault,
    },
    /// A row that doesn't read as what it should be.
    #[error("a row does not read while {during}: {problem}")]
    Unreadable {
        /// What was being done.
        during: &'static str,
        /// What doesn't read.
        problem: String,
    },
    /// The database belongs to a newer build.
    #[error(
        "the database is at migration {found}, newer than {known}, the newest this build knows"
    )]
    TooNew {
        /// The newest migration applied to the database.
        found: i64,
        /// The newest migration that this build knows.
        known: i64,
    },
    /// A migration that can't be applied.
    #[error("the database could not be migrated")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The caller broke a rule of the store, such as a stream twice in one batch.
    #[error("the store was handed something invalid: {0}")]
    Invalid(&'static str),
}
