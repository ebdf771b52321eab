//! A copy of the embedded store, taken beside the node that works on it.
//!
//! **Invariants:** each file is read in one read transaction, so its copy is the file as it was at
//! one moment between two commits; the read side is copied before the journal, so it may be behind
//! the journal and never ahead; the keys of personal data are copied after it, so that what is sealed
//! in the journal has its key, unless its subject was erased meanwhile. Nothing is written to the store: the connections are read-only, and
//! a reader of a write-ahead log stops neither its writer nor other readers. While a copy lasts, the
//! log can't be reset and grows by what is committed meanwhile.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::classify;
use crate::error::StoreError;
use crate::sql::SqlStore;

/// Copies the files from one directory into another that has none of them. The copies are compact and
/// not yet synced to the disk; a copy that was cut off is no database.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    // In this order; see above. The read side is a cache and may have been deleted.
    if from.join(SqlStore::READ_SIDE_FILE).exists() {
        copy_file(from, to, SqlStore::READ_SIDE_FILE, "copying the read side").await?;
    }
    copy_file(from, to, SqlStore::JOURNAL_FILE, "copying the journal").await?;
    if from.join(SqlStore::KEYS_FILE).exists() {
        copy_file(from, to, SqlStore::KEYS_FILE, "copying the keys").await?;
    }
    Ok(())
}

async fn copy_file(
    from: &Path,
    to: &Path,
    name: &str,
    during: &'static str,
) -> Result<(), StoreError> {
    let target = to.join(name);
    let target = target.to_str().ok_or(StoreError::Invalid("a path that is not UTF-8"))?;
    let options = SqliteConnectOptions::new()
        .filename(from.join(name))
        .read_only(true)
        .disable_statement_logging();
    let failed = |error| classify(during, error);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    // One statement and so one read transaction. The online backup of SQLite would begin anew
    // whenever another process writes, which under load is always.
    let copied = sqlx::query("VACUUM INTO ?").bind(target).execute(&mut connection).await;
    let closed = connection.close().await;
    copied.map_err(failed)?;
    closed.map_err(failed)
}
