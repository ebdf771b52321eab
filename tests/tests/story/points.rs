//! How far the journal is, read beside the node out of its store, and a process that is killed at
//! one of its points.
//!
//! The process runs in slices and stands still between them, so that it is killed where its journal
//! has exactly so many events: a slice is about as long as the commit of a small transaction.

use std::path::Path;
use std::thread;
use std::time::Duration;

use coppice_persistence::SqlStore;
use coppice_testkit::Sandbox;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{PgPool, SqlitePool};

/// How long the process runs between two looks.
const SLICE: Duration = Duration::from_micros(150);

/// Only a look: who finds the file locked by a process that stands still tries again later.
const BUSY: Duration = Duration::from_millis(1);

/// The journal of a node, to be read beside it. Clones share a connection.
#[derive(Debug, Clone)]
pub(crate) enum Journal {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Journal {
    pub(crate) async fn open(data: &Path, database: Option<&str>) -> Self {
        match database {
            None => {
                let file = SqliteConnectOptions::new().filename(data.join(SqlStore::JOURNAL_FILE));
                let file = file.read_only(true).busy_timeout(BUSY);
                let pool = SqlitePoolOptions::new().max_connections(1);
                Self::Sqlite(pool.connect_with(file).await.unwrap())
            }
            Some(url) => {
                let pool = PgPoolOptions::new().max_connections(1);
                Self::Postgres(pool.connect(url).await.unwrap())
            }
        }
    }

    /// A number by a query; none where it can't be had just now.
    async fn number(&self, query: &'static str) -> Option<i64> {
        let number = match self {
            Self::Sqlite(pool) => sqlx::query_scalar(query).fetch_one(pool).await,
            Self::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await,
        };
        number.ok()
    }

    /// The position of the last event.
    pub(crate) async fn last(&self) -> Option<i64> {
        self.number("SELECT coalesce(max(position), 0) FROM events").await
    }

    /// Whether a failure of the step `second` is recorded.
    pub(crate) async fn has_failure(&self) -> Option<bool> {
        let query = "SELECT count(*) FROM events WHERE event_type = 'workflow.step_failed.v1' \
                     AND payload LIKE '%\"step\":\"second\"%'";
        self.number(query).await.map(|count| count > 0)
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Lets the process run until its journal ends at a position or behind it, and kills it there; the
/// position.
pub(crate) async fn kill_at(sandbox: &mut Sandbox, journal: &Journal, position: i64) -> i64 {
    loop {
        // The process runs, and a wait of the timer's would be many times as long.
        thread::sleep(SLICE);
        sandbox.suspend().unwrap();
        if let Some(last) = journal.last().await
            && last >= position
        {
            sandbox.kill().unwrap();
            return journal.last().await.unwrap();
        }
        sandbox.resume().unwrap();
    }
}
