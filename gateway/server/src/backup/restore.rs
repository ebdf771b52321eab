//! Laying a backup out as a data directory.

use std::path::Path;

use coppice_persistence::{SqlStore, SqliteOptions};

use super::files::{Unfinished, copy_checked, is_empty, sync};
use super::manifest::{LastBatch, Manifest};
use super::{BackupError, of_copy};
use crate::verification::{Kinds, Verified, verify};

/// Copies a backup into a data directory that is empty or not there, moves its epochs on, and walks
/// it. The node's id is not restored: the first start makes up another.
///
/// # Errors
/// [`BackupError`]; then the data directory is as it was.
pub async fn restore(
    from: &Path,
    data: &Path,
    kinds: &Kinds,
) -> Result<(Manifest, Verified), BackupError> {
    if !is_empty(data)? {
        return Err(BackupError::Exists(data.to_path_buf()));
    }
    let manifest = Manifest::read(from)?;
    check_names(&manifest)?;
    let unfinished = Unfinished::make(data)?;
    match fill(&manifest, from, unfinished.place(), kinds).await {
        Ok(verified) => unfinished.finish().map(|()| (manifest, verified)),
        Err(error) => {
            unfinished.discard();
            Err(error)
        }
    }
}

/// A manifest names the store's files and nothing else, above all no path out of its directory.
fn check_names(manifest: &Manifest) -> Result<(), BackupError> {
    let mut names: Vec<_> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    names.sort_unstable();
    if names == [SqlStore::JOURNAL_FILE, SqlStore::KEYS_FILE, SqlStore::READ_SIDE_FILE] {
        return Ok(());
    }
    Err(BackupError::Damaged(format!("its manifest names the files {names:?}")))
}

async fn fill(
    manifest: &Manifest,
    from: &Path,
    place: &Path,
    kinds: &Kinds,
) -> Result<Verified, BackupError> {
    for file in &manifest.files {
        copy_checked(file, from, place)?;
    }
    let store = SqlStore::open_sqlite(place, SqliteOptions::default()).await;
    let store = store.map_err(|error| of_copy(place, error))?;
    let verified = match store.fence().await {
        Ok(()) => verify(&store, kinds).await.map_err(BackupError::from),
        Err(error) => Err(of_copy(place, error)),
    };
    store.close().await;
    let verified = verified?;
    let ends = (manifest.last_position, &manifest.last_batch);
    if ends != (verified.last.0, &LastBatch::of(&verified)) {
        return Err(BackupError::Damaged(format!(
            "its manifest ends at position {} with batch {}, its journal at {} with {}",
            manifest.last_position, manifest.last_batch.number, verified.last, verified.batches
        )));
    }
    for file in &manifest.files {
        sync(&place.join(&file.name))?;
    }
    Ok(verified)
}
