//! The embedded store: three SQLite files in one directory, each with one writer connection.
//!
//! **Invariants:** the journal is written with `synchronous=FULL` in WAL mode, so that a commit
//! that was answered survives a power cut; whoever opens the directory holds its lock, so that the
//! appender may keep the journal's tail in memory.

mod append;
mod checkpoint;
mod copy;
mod recent;
mod room;
mod script;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlitePool};

pub(super) use self::append::SqliteAppender;
pub(super) use self::copy::copy;
pub(super) use self::room::Room;
use super::SqlStore;
use super::db::Db;
use super::migrations::{self, Source};
use crate::error::StoreError;

/// Limits of the embedded store.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Connections that read the journal, and as many that read the read side. Each is a thread.
    /// Default 4: twice the cores of a small machine, since a reader waits for the disk.
    pub readers: u32,
    /// Page cache of each connection, KiB. Default 4,096: the operating system has the other pages,
    /// and more costs more than it saves, for after a commit that has split a page SQLite goes
    /// through the writer's whole cache (`pcache1TruncateUnsafe`).
    pub cache_kib: u32,
    /// The largest the journal file may become, in bytes; 0 for no limit of ours.
    pub bytes_max: u64,
    /// Appends are refused where the disk has less room than this, in bytes; 0 for never. Default 0:
    /// whoever only looks at a store needs none.
    pub free_min_bytes: u64,
    /// How long a statement waits for another process that holds the file, such as a backup.
    /// Default 5 s.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 4,
            cache_kib: 4_096,
            bytes_max: 0,
            free_min_bytes: 0,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// Prepared statements kept per writer connection: the append's scripts differ by their row counts,
/// up to [`script::ROWS_MAX`] for each of its parts.
const STATEMENTS_MAX: usize = 512;

/// Bytes of a page. Every page that a commit touches is written whole, and one of a workflow's step is
/// about a page of events: smaller pages are more writes, larger ones are more bytes where the
/// entities of a commit lie apart (docs/performance.md). Fixed when a file is made.
pub(crate) const PAGE_BYTES: u32 = 2_048;

/// Page cache of each connection to the keys, KiB: the index pages of some ten thousand subjects.
const KEYS_CACHE_KIB: u32 = 2_048;

/// Bytes of write-ahead log after which it is copied into the database: 64 MiB.
const WAL_BYTES_MAX: u64 = 64 * 1_024 * 1_024;

/// A pool for checkpoints of the journal, beside its writer.
pub(super) async fn open_checkpoints(
    directory: &Path,
    options: &SqliteOptions,
) -> Result<SqlitePool, StoreError> {
    let connect = SqliteConnectOptions::new()
        .filename(directory.join(SqlStore::JOURNAL_FILE))
        .busy_timeout(options.busy_timeout)
        .synchronous(SqliteSynchronous::Full)
        .thread_name(|_| "sqlite-checkpoint".to_owned())
        .disable_statement_logging();
    let opened = pool(1).connect_with(connect).await;
    opened.map_err(|error| classify("opening the database", error))
}

pub(super) async fn open_journal(
    directory: &Path,
    options: &SqliteOptions,
) -> Result<Db, StoreError> {
    let made = Made { deleted: Deleted::Left, by: migrations::SQLITE };
    let file = directory.join(SqlStore::JOURNAL_FILE);
    open(&file, SqliteSynchronous::Full, made, options).await
}

/// The read side can be made again from the journal, so it need not wait for the disk.
pub(super) async fn open_read_side(
    directory: &Path,
    options: &SqliteOptions,
) -> Result<Db, StoreError> {
    let options = SqliteOptions { bytes_max: 0, ..options.clone() };
    let file = directory.join(SqlStore::READ_SIDE_FILE);
    let made = Made { deleted: Deleted::Left, by: migrations::SQLITE_READ_SIDE };
    open(&file, SqliteSynchronous::Normal, made, &options).await
}

/// The keys of personal data, which must leave nothing behind where they are destroyed.
pub(super) async fn open_keys(directory: &Path, options: &SqliteOptions) -> Result<Db, StoreError> {
    // A full journal must not stand in the way of an erasure, and a key is some hundred bytes.
    let options =
        SqliteOptions { bytes_max: 0, readers: 1, cache_kib: KEYS_CACHE_KIB, ..options.clone() };
    let file = directory.join(SqlStore::KEYS_FILE);
    let made = Made { deleted: Deleted::Overwritten, by: migrations::SQLITE_KEYS };
    let db = open(&file, SqliteSynchronous::Full, made, &options).await?;
    // The last process may have ended between an erasure and this.
    cut_log(&db).await?;
    Ok(db)
}

/// Writes a database's log into its file and cuts it to nothing, so that no older form of a row is
/// left in it. PostgreSQL has no such thing.
///
/// # Errors
/// [`StoreError::Unavailable`], also where a reader was in the way for too long.
pub(super) async fn cut_log(db: &Db) -> Result<(), StoreError> {
    let Db::Sqlite { write, .. } = db else { return Ok(()) };
    let during = "cutting the log of the keys";
    let (busy, ..): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(write)
        .await
        .map_err(|error| classify(during, error))?;
    if busy != 0 {
        let source = sqlx::Error::Protocol("a reader stands in the way".to_owned());
        return Err(StoreError::Unavailable { during, source });
    }
    Ok(())
}

/// What becomes of bytes that are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deleted {
    /// They stay in the file until others take their place.
    Left,
    /// They are overwritten with zeros, in the pages that stay and in those that are freed.
    Overwritten,
}

/// How a file is made.
struct Made {
    deleted: Deleted,
    by: &'static [Source],
}

async fn open(
    file: &Path,
    synchronous: SqliteSynchronous,
    made: Made,
    options: &SqliteOptions,
) -> Result<Db, StoreError> {
    let failed = |error| classify("opening the database", error);
    let mut common = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(options.busy_timeout)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .pragma("cache_size", format!("-{}", options.cache_kib))
        .page_size(PAGE_BYTES)
        .pragma("journal_size_limit", "134217728")
        .disable_statement_logging();
    if made.deleted == Deleted::Overwritten {
        common = common.pragma("secure_delete", "ON");
    }
    // On a connection of its own, for a migration may write everything anew: without the limit of the
    // file, and with what it sorts in files in place of the memory. It stays until another is there, or
    // the log would be taken down with it.
    let first = common.clone().create_if_missing(true);
    let mut migrating = first.connect().await.map_err(failed)?;
    migrations::run(&mut migrating, made.by).await?;
    let page_bytes: i64 =
        sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut migrating).await.map_err(failed)?;
    // An older file has pages of another size.
    let pages = |bytes: u64| bytes.div_ceil(page_bytes.cast_unsigned().max(1)).to_string();
    let mut writer = common
        .clone()
        .pragma("wal_autocheckpoint", pages(WAL_BYTES_MAX))
        .statement_cache_capacity(STATEMENTS_MAX)
        // Else a statement of many rows that may fail halfway makes a file to undo itself with.
        .pragma("temp_store", "MEMORY")
        .thread_name(|_| "sqlite-writer".to_owned());
    if options.bytes_max > 0 {
        writer = writer.pragma("max_page_count", pages(options.bytes_max));
    }
    let write = pool(1).connect_with(writer).await.map_err(failed)?;
    migrating.close().await.map_err(failed)?;
    let reader = common.read_only(true).thread_name(|id| format!("sqlite-reader-{id}"));
    let read = pool(options.readers).connect_with(reader).await.map_err(failed)?;
    Ok(Db::Sqlite { read, write, by_number: true })
}

/// A file to be looked at: two connections, both of which only read.
pub(super) async fn look(file: &Path) -> Result<Db, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(SqliteOptions::default().busy_timeout)
        .disable_statement_logging();
    let failed = |error| classify("opening the database", error);
    let read = pool(2).connect_with(options).await.map_err(failed)?;
    let by_number =
        "SELECT EXISTS (SELECT 1 FROM pragma_table_info('events') WHERE name = 'entity')";
    let by_number = sqlx::query_scalar(by_number).fetch_one(&read).await.map_err(failed)?;
    Ok(Db::Sqlite { write: read.clone(), read, by_number })
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        // A connection to a file does not go stale; the check would be a round trip to its thread.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// The primary result code, without what SQLite adds in the higher bits.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|extended| extended & 0xff)
}

const SQLITE_FULL: i32 = 13;

/// What a caller can do about a driver's error.
pub(super) fn classify(during: &'static str, error: sqlx::Error) -> StoreError {
    if let Some(unreadable) = super::rows::undecodable(during, &error) {
        return unreadable;
    }
    match primary_code(&error) {
        Some(SQLITE_FULL) => StoreError::Full,
        Some(_) | None => StoreError::Unavailable { during, source: error },
    }
}
