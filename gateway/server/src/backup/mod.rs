//! Backups of the embedded store: taken beside a running node, and laid out again elsewhere.
//!
//! A backup is a directory with the store's files and a manifest. **Invariants:** it comes into
//! being whole, by a rename, once everything in it has been walked and synced; the same holds for a
//! restored data directory. So a directory with the name that was asked for is never half of
//! anything, however the process ends.
//!
//! **Deliberately absent:** a signature. The manifest shows damage, not forgery: whoever can write
//! to the backup can write a manifest that fits. The hash of the last batch is told to whoever took
//! the backup, and kept elsewhere it shows forgery too.

mod files;
mod manifest;
mod restore;
mod take;

use std::io;
use std::path::{Path, PathBuf};

use coppice_persistence::StoreError;
use thiserror::Error;

pub use self::manifest::{FORMAT, LastBatch, MANIFEST_FILE, Manifest, ManifestFile};
pub use self::restore::restore;
pub use self::take::take;
use crate::verification::Unverified;

/// Why a backup was not taken, or not restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The store is PostgreSQL, which has tools of its own.
    #[error("the store is PostgreSQL: back it up with its own tools, see docs/operations.md")]
    Postgres,
    /// There is nothing to back up.
    #[error("there is no store in the directory {0}")]
    NoStore(PathBuf),
    /// What should be made is there already.
    #[error("{0} is there already and is left as it is")]
    Exists(PathBuf),
    /// A directory without a parent can't come into being by a rename.
    #[error("{0} does not name a directory that can be made")]
    Unnamed(PathBuf),
    /// A file or a directory can't be read or written.
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
    /// The disk that the copy is for has no room for it.
    #[error("there is no room for the copy beside {0}")]
    NoRoom(PathBuf),
    /// The store can't be copied, opened or read.
    #[error("the store can not be read")]
    Store(#[source] StoreError),
    /// What is to be restored isn't a backup that this build knows, or isn't whole.
    #[error("the backup is not restored: {0}")]
    Damaged(String),
    /// The walk through the copy found a fault.
    #[error("the journal is damaged: {0}")]
    Fault(String),
}

impl BackupError {
    /// Whether the work was done and found that what it was done on is not sound.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Fault(_))
    }
}

/// An error of the copy: only the copy is written to.
fn of_copy(place: &Path, error: StoreError) -> BackupError {
    match error {
        StoreError::Full => BackupError::NoRoom(place.to_path_buf()),
        StoreError::Damaged { .. } | StoreError::Unreadable { .. } => {
            BackupError::Fault(error.to_string())
        }
        StoreError::Unavailable { .. }
        | StoreError::TooNew { .. }
        | StoreError::Migration(_)
        | StoreError::Invalid(_) => BackupError::Store(error),
    }
}

impl From<Unverified> for BackupError {
    fn from(error: Unverified) -> Self {
        match error {
            Unverified::Store(error) => Self::Store(error),
            Unverified::Fault(fault) => Self::Fault(fault),
        }
    }
}
