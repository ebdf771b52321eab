//! One handle for both databases, and the macros that run the same text on either.

use sqlx::{PgPool, SqlitePool};

use crate::error::StoreError;

/// A database and its pools.
#[derive(Debug, Clone)]
pub(super) enum Db {
    /// SQLite: one connection that writes, several that read.
    Sqlite {
        read: SqlitePool,
        write: SqlitePool,
        /// Whether events are found by the number of their entity. A store that is only looked at may
        /// be of a build that found them by their stream.
        by_number: bool,
    },
    /// PostgreSQL: one pool for both.
    Postgres(PgPool),
}

/// Runs an expression with `$pool` bound to the pool for reading, once per database.
macro_rules! reading {
    ($db:expr, $during:literal, $pool:ident => $body:expr) => {
        match $db {
            crate::sql::db::Db::Sqlite { read: $pool, .. } => {
                $body.map_err(|error| crate::sql::sqlite::classify($during, error))
            }
            crate::sql::db::Db::Postgres($pool) => {
                $body.map_err(|error| crate::sql::postgres::classify($during, error))
            }
        }
    };
}

/// Runs an expression with `$pool` bound to the pool for writing, once per database.
macro_rules! writing {
    ($db:expr, $during:literal, $pool:ident => $body:expr) => {
        match $db {
            crate::sql::db::Db::Sqlite { write: $pool, .. } => {
                $body.map_err(|error| crate::sql::sqlite::classify($during, error))
            }
            crate::sql::db::Db::Postgres($pool) => {
                $body.map_err(|error| crate::sql::postgres::classify($during, error))
            }
        }
    };
}

pub(super) use {reading, writing};

impl Db {
    pub(super) fn write_pool_sqlite(&self) -> Result<SqlitePool, StoreError> {
        match self {
            Self::Sqlite { write, .. } => Ok(write.clone()),
            Self::Postgres(_) => Err(StoreError::Invalid("the database is not SQLite")),
        }
    }

    /// The text of an expression for the database's present time, in microseconds since 1970.
    pub(super) const fn now(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
            Self::Postgres(_) => {
                "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
            }
        }
    }

    /// The text of a condition on events `e`: that they are of the stream that is bound to a
    /// parameter.
    pub(super) fn of_stream(&self, parameter: &str) -> String {
        match self {
            Self::Sqlite { by_number: true, .. } => numbered(parameter),
            Self::Sqlite { by_number: false, .. } | Self::Postgres(_) => {
                format!("e.stream = {parameter}")
            }
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { read, write, .. } => {
                read.close().await;
                // The last connection to close checkpoints the write-ahead log.
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// [`Db::of_stream`] where events are found by the number of their entity; where its row is gone, by
/// that of the stream's first event.
pub(super) fn numbered(parameter: &str) -> String {
    format!(
        "e.entity = COALESCE((SELECT number FROM entities WHERE stream = {parameter}), \
         (SELECT entity FROM events WHERE stream = {parameter} AND sequence = 1))"
    )
}

/// A limit as a database takes it.
pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
