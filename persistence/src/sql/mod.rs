//! The store on a SQL database: the same text on SQLite and PostgreSQL wherever it can be.
//!
//! What differs is in [`sqlite`] and [`postgres`]: how to connect, and the append, which each
//! database does in the way that costs it least.

mod attempts;
mod commands;
mod db;
mod dead_letters;
mod directory;
mod following;
mod journal;
mod leases;
mod migrations;
mod postgres;
mod read_models;
mod rows;
mod snapshots;
mod sqlite;
mod subject_keys;

use std::path::Path;

pub use self::postgres::PostgresOptions;
pub use self::sqlite::SqliteOptions;

use self::db::Db;
use self::sqlite::{Room, SqliteAppender};
use crate::error::StoreError;

/// A [`Store`](crate::Store) on SQLite or PostgreSQL.
#[derive(Debug)]
pub struct SqlStore {
    journal: Db,
    /// Snapshots, subscriptions and documents; on SQLite in a file of their own.
    read_side: Db,
    /// Keys of personal data; on SQLite in a file of their own.
    keys: Db,
    appender: Appender,
}

#[derive(Debug)]
enum Appender {
    Sqlite(Box<SqliteAppender>, Room),
    Postgres,
    /// Of a store that is only looked at.
    None,
}

impl SqlStore {
    /// The embedded store's journal in its directory.
    pub const JOURNAL_FILE: &'static str = "journal.db";
    /// Its snapshots and read models, beside the journal.
    pub const READ_SIDE_FILE: &'static str = "read.db";

    /// The embedded store's keys of personal data in its directory. Whoever copies the journal
    /// copies this after it: what is sealed in the journal has its key there by then.
    pub const KEYS_FILE: &'static str = "keys.db";

    /// Opens (and creates or migrates) the embedded store in a directory. The caller holds the
    /// directory's lock: SQLite has one writer, and it is this process.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] for a database of a newer build, [`StoreError::Migration`] and
    /// [`StoreError::Unavailable`].
    pub async fn open_sqlite(directory: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let journal = sqlite::open_journal(directory, &options).await?;
        let read_side = sqlite::open_read_side(directory, &options).await?;
        let keys = sqlite::open_keys(directory, &options).await?;
        let checkpoints = sqlite::open_checkpoints(directory, &options).await?;
        let appender = SqliteAppender::new(journal.write_pool_sqlite()?, checkpoints);
        let appender =
            Appender::Sqlite(Box::new(appender), Room::new(directory, options.free_min_bytes));
        Ok(Self { journal, read_side, keys, appender })
    }

    /// Copies the embedded store of one directory into another, also while a node works on it. Each
    /// copy is its file as it was at one moment, the journal's at a later one than the read side's.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and [`StoreError::Full`]; what was copied until then is to be
    /// thrown away.
    pub async fn copy_sqlite(from: &Path, to: &Path) -> Result<(), StoreError> {
        sqlite::copy(from, to).await
    }

    /// Opens the embedded store of a directory to look at it, also beside the node that works on it.
    /// Nothing is made, migrated or locked, and every write fails.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], also where there is no store.
    pub async fn look_sqlite(directory: &Path) -> Result<Self, StoreError> {
        let journal = sqlite::look(&directory.join(Self::JOURNAL_FILE)).await?;
        let read_side = sqlite::look(&directory.join(Self::READ_SIDE_FILE)).await?;
        // A store of a build that had no keys is looked at as well; whoever asks for one is refused.
        let keys = directory.join(Self::KEYS_FILE);
        let keys = if keys.exists() { sqlite::look(&keys).await? } else { journal.clone() };
        Ok(Self { journal, read_side, keys, appender: Appender::None })
    }

    /// Connects to a PostgreSQL database to look at it, as [`SqlStore::look_sqlite`]. Appends fail;
    /// what else is written isn't kept from it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn look_postgres(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let db = Db::Postgres(postgres::connect(url, &options).await?);
        Ok(Self { journal: db.clone(), read_side: db.clone(), keys: db, appender: Appender::None })
    }

    /// Connects to a PostgreSQL database (15 or newer) and migrates it.
    ///
    /// # Errors
    /// As [`SqlStore::open_sqlite`].
    pub async fn open_postgres(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let pool = postgres::connect(url, &options).await?;
        migrations::run_postgres(&pool).await?;
        let db = Db::Postgres(pool);
        Ok(Self {
            journal: db.clone(),
            read_side: db.clone(),
            keys: db,
            appender: Appender::Postgres,
        })
    }

    /// Closes every connection; what is running is finished first.
    pub async fn close(&self) {
        if let Appender::Sqlite(appender, _) = &self.appender {
            appender.close().await;
        }
        self.journal.close().await;
        self.read_side.close().await;
        self.keys.close().await;
    }
}
