//! What a backup says of itself.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BackupError;
use super::files::{read, write_synced};
use crate::verification::Verified;

/// The manifest within a backup. Written last.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The format that this build writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the build that took it.
    pub coppice: String,
    /// When it was begun, in microseconds since 1970. What was acknowledged before is in it.
    pub begun_at: i64,
    /// The journal's last position.
    pub last_position: u64,
    /// The last commit.
    pub last_batch: LastBatch,
    /// Everything beside the manifest.
    pub files: Vec<ManifestFile>,
}

/// The last commit that is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastBatch {
    /// Its number; 0 for a journal without events.
    pub number: u64,
    /// Its hash, which covers every event before it.
    pub hash: String,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name, without a directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

impl LastBatch {
    /// Where a walk ended.
    #[must_use]
    pub fn of(verified: &Verified) -> Self {
        Self { number: verified.batches, hash: verified.last_hash.to_string() }
    }
}

impl Manifest {
    /// Writes it into a directory and waits for the disk.
    ///
    /// # Errors
    /// [`BackupError::File`].
    pub(super) fn write(&self, directory: &Path) -> Result<(), BackupError> {
        // Numbers and text always serialize.
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        write_synced(&directory.join(MANIFEST_FILE), &text)
    }

    /// Reads it, and refuses what this build doesn't know.
    ///
    /// # Errors
    /// [`BackupError::File`] where there is none, [`BackupError::Damaged`].
    pub(super) fn read(directory: &Path) -> Result<Self, BackupError> {
        /// Of any format, whatever else it says.
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let bytes = read(&directory.join(MANIFEST_FILE))?;
        let unreadable = |error: serde_json::Error| {
            BackupError::Damaged(format!("{MANIFEST_FILE} does not read: {error}"))
        };
        let Versioned { format } = serde_json::from_slice(&bytes).map_err(unreadable)?;
        if format != FORMAT {
            let problem = format!("it has format {format}, and this build reads {FORMAT}");
            return Err(BackupError::Damaged(problem));
        }
        serde_json::from_slice(&bytes).map_err(unreadable)
    }
}
