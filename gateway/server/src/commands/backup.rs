//! `coppice backup` and `coppice restore`: a copy of the embedded store, and a store out of one.

use std::io::{self, Write};
use std::path::Path;

use crate::backup::{self, BackupError, Manifest};
use crate::config::{Settings, StoreConfig};
use crate::verification::Verified;
use crate::{logging, registry};

/// Takes a backup beside the node, if one runs, and prints where it ends.
///
/// # Errors
/// [`BackupError`].
pub async fn backup(settings: &Settings, to: &Path) -> Result<(), BackupError> {
    logging::start(settings.config.log);
    let data = embedded(&settings.config.store)?;
    let taken = backup::take(data, to, &registry::replay_all()).await?;
    say("backed up", to, &taken)
}

/// Restores a backup and prints where it ends.
///
/// # Errors
/// [`BackupError`].
pub async fn restore(settings: &Settings, from: &Path) -> Result<(), BackupError> {
    logging::start(settings.config.log);
    let data = embedded(&settings.config.store)?;
    let restored = backup::restore(from, data, &registry::replay_all()).await?;
    say("restored", data, &restored)
}

fn embedded(config: &StoreConfig) -> Result<&Path, BackupError> {
    if config.database.expose().is_empty() { Ok(&config.data) } else { Err(BackupError::Postgres) }
}

fn say(
    done: &str,
    place: &Path,
    (manifest, verified): &(Manifest, Verified),
) -> Result<(), BackupError> {
    let batch = &manifest.last_batch;
    let line = format!(
        "coppice {done} {} entities, {} events, {} batches, {} snapshots; batch {} has hash {}",
        verified.entities,
        verified.events,
        verified.batches,
        verified.snapshots,
        batch.number,
        batch.hash
    );
    let written = writeln!(io::stdout().lock(), "{line}");
    written.map_err(|source| BackupError::File {
        path: place.to_path_buf(),
        during: "writing to stdout",
        source,
    })
}
