//! Keeps the disk from filling up: appends are refused while there is still room for what can't be
//! refused.
//!
//! **Invariant:** the look comes right before the append, in its path, so no append begins on a disk
//! that is known to have too little room. It costs some microseconds beside a commit that waits for
//! the disk. A look by a clock would be late by as much as the node writes in between.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::statvfs;
use tracing::{info, warn};

use crate::error::StoreError;

/// The room that appends must leave.
#[derive(Debug)]
pub(crate) struct Room {
    directory: PathBuf,
    free_min: u64,
    refusing: AtomicBool,
}

impl Room {
    pub(crate) fn new(directory: &Path, free_min: u64) -> Self {
        Self { directory: directory.to_path_buf(), free_min, refusing: AtomicBool::new(false) }
    }

    /// Refuses where there is too little. A disk that doesn't say how much it has refuses nothing:
    /// the append will find out.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.free_min == 0 {
            return Ok(());
        }
        let Ok(disk) = statvfs(&self.directory) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let refuses = free < self.free_min;
        if self.refusing.swap(refuses, Ordering::Relaxed) != refuses {
            let free_min = self.free_min;
            if refuses {
                warn!(free, free_min, "disk is nearly full, refusing writes");
            } else {
                info!(free, free_min, "disk has room again, taking writes");
            }
        }
        if refuses { Err(StoreError::Full) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_compared_with_what_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let check = |free_min| Room::new(directory.path(), free_min).check();
        assert!(check(0).is_ok() && check(1).is_ok());
        assert!(matches!(check(u64::MAX), Err(StoreError::Full)));
        assert!(Room::new(&directory.path().join("gone"), u64::MAX).check().is_ok());
    }
}
