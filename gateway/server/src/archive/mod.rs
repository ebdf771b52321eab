//! The journal's past as files: whole commit batches, with the hashes that chain them.
//!
//! A file holds batches in order, as lines of JSON ([`mod@format`] has them all). **Invariants:** a
//! file comes into being whole, by its name; the first batch of a file continues the last of the one
//! before it; what was archived is never written again.
//!
//! **Deliberately absent:** removing from the database what was archived. A snapshot is a cache: it
//! is ignored where its layout is another build's, and then the entity is made again from its first
//! event. While that is so, a journal without its beginning is one that can't be recovered from.

mod check;
mod export;
pub mod format;
mod read;
mod walk;

use std::io;
use std::path::PathBuf;

use coppice_persistence::StoreError;
use thiserror::Error;

use crate::verification::Unverified;

pub use self::check::{Checked, check};
pub use self::export::{Exported, export};
pub(crate) use self::walk::{Comparison, Step, Walk};

/// Why nothing was archived, or an archive isn't sound.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// A file can't be read or written.
    #[error("{path} can not be used while {during}")]
    File {
        /// Which.
        path: PathBuf,
        /// What was being done.
        during: &'static str,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// The database can't be read.
    #[error("the store can not be read")]
    Store(#[source] StoreError),
    /// The first thing in the archive, or between it and the database, that isn't as it must be.
    #[error("{0}")]
    Fault(String),
}

impl From<StoreError> for ArchiveError {
    fn from(error: StoreError) -> Self {
        // What is a fault of the journal is one wherever it is met.
        match Unverified::from(error) {
            Unverified::Store(error) => Self::Store(error),
            Unverified::Fault(fault) => Self::Fault(fault),
        }
    }
}
