//! Taking a backup.

use std::path::Path;

use coppice_persistence::{SqlStore, SqliteOptions};
use coppice_runtime::{Clock, SystemClock};

use super::files::{Unfinished, described};
use super::manifest::{FORMAT, LastBatch, Manifest};
use super::{BackupError, of_copy};
use crate::verification::{Kinds, Verified, verify};

/// Copies the embedded store of a data directory, walks the copy, and gives it its name. The node
/// that works on the directory goes on meanwhile.
///
/// # Errors
/// [`BackupError`]; then nothing is there under the name.
pub async fn take(
    data: &Path,
    to: &Path,
    kinds: &Kinds,
) -> Result<(Manifest, Verified), BackupError> {
    if !data.join(SqlStore::JOURNAL_FILE).exists() {
        return Err(BackupError::NoStore(data.to_path_buf()));
    }
    if std::fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Exists(to.to_path_buf()));
    }
    let begun_at = SystemClock.now().as_micros();
    let unfinished = Unfinished::make(to)?;
    match fill(data, unfinished.place(), begun_at, kinds).await {
        Ok(taken) => unfinished.finish().map(|()| taken),
        Err(error) => {
            unfinished.discard();
            Err(error)
        }
    }
}

async fn fill(
    data: &Path,
    place: &Path,
    begun_at: i64,
    kinds: &Kinds,
) -> Result<(Manifest, Verified), BackupError> {
    let failed = |error| of_copy(place, error);
    SqlStore::copy_sqlite(data, place).await.map_err(failed)?;
    // This build's migrations are applied to the copy, as they are at any start; the running node's
    // files stay as they are.
    let store = SqlStore::open_sqlite(place, SqliteOptions::default()).await;
    let store = store.map_err(failed)?;
    let verified = verify(&store, kinds).await;
    // Closing puts everything into the files themselves: only then are they hashed.
    store.close().await;
    let verified = verified?;
    let files = [SqlStore::JOURNAL_FILE, SqlStore::KEYS_FILE, SqlStore::READ_SIDE_FILE];
    let files = files.iter().map(|name| described(place, name)).collect::<Result<_, _>>()?;
    let manifest = Manifest {
        format: FORMAT,
        coppice: env!("CARGO_PKG_VERSION").to_owned(),
        begun_at,
        last_position: verified.last.0,
        last_batch: LastBatch::of(&verified),
        files,
    };
    manifest.write(place)?;
    Ok((manifest, verified))
}
