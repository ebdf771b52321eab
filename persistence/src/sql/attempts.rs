//! Counts of tries, in the journal's database: they wait for the disk as appends do.
//!
//! Each call hands its messages over in order and each of them once, so that calls that meet on
//! PostgreSQL lock rows in the same order, and none updates a row twice in one statement, which it
//! refuses.

use std::collections::BTreeMap;

use async_trait::async_trait;
use coppice_core::{Epoch, Timestamp};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

use super::db::{Db, limit_of, writing};
use super::{SqlStore, postgres, rows, sqlite};
use crate::error::StoreError;
use crate::store::{Attempts, MessageRef, Tried};

/// The most messages of one statement. On SQLite each number of rows is a statement of its own in
/// the writer's cache, so there are no more of them than the append has of each of its steps.
const MESSAGES_MAX: usize = 64;

/// Stream, message, count.
type CountTuple = (Vec<u8>, Vec<u8>, i64);

/// Deletes the oldest counts of entities that wait for nothing; the words lock what is found.
macro_rules! drop_stale {
    ($locking:literal) => {
        concat!(
            "DELETE FROM attempts WHERE touched_at < $1 AND (stream, message) IN ",
            "(SELECT a.stream, a.message FROM attempts a WHERE a.touched_at < $1 AND NOT COALESCE(",
            "(SELECT e.owes OR e.wake_at IS NOT NULL FROM entities e WHERE e.stream = a.stream), ",
            "FALSE) ORDER BY a.stream, a.message LIMIT $2",
            $locking,
            ")"
        )
    };
}

#[async_trait]
impl Attempts for SqlStore {
    async fn count_attempts(
        &self,
        messages: &[Tried],
        at: Timestamp,
    ) -> Result<Vec<u32>, StoreError> {
        let tries = once_each(messages);
        let mut counts = BTreeMap::new();
        for chunk in tries.chunks(MESSAGES_MAX) {
            for row in self.count(chunk, at).await? {
                let (message, count) = counted(&row)?;
                counts.insert(message, count);
            }
        }
        messages
            .iter()
            .map(|tried| counts.get(&tried.message).copied())
            .collect::<Option<_>>()
            .ok_or_else(|| rows::unreadable("attempts", "a count is missing"))
    }

    async fn drop_attempts(&self, messages: &[Tried]) -> Result<(), StoreError> {
        for chunk in once_each(messages).chunks(MESSAGES_MAX) {
            let during = "dropping counts of tries";
            match &self.journal {
                Db::Sqlite { write, .. } => drop_on_sqlite(write, chunk)
                    .await
                    .map_err(|error| sqlite::classify(during, error))?,
                Db::Postgres(pool) => drop_on_postgres(pool, chunk)
                    .await
                    .map_err(|error| postgres::classify(during, error))?,
            }
        }
        Ok(())
    }

    async fn drop_stale_attempts(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        // PostgreSQL deletes in whatever order it finds them, which is not that of a statement that
        // counts them: so they are locked first, and left where somebody counts them just now.
        let text = match &self.journal {
            Db::Sqlite { .. } => drop_stale!(""),
            Db::Postgres(_) => drop_stale!(" FOR UPDATE OF a SKIP LOCKED"),
        };
        writing!(&self.journal, "dropping stale counts of tries", pool => {
            sqlx::query(text)
                .bind(before.as_micros())
                .bind(limit_of(limit))
                .execute(pool)
                .await
                .map(|result| result.rows_affected())
        })
    }
}

/// A message as one row of a statement: how often it stands, and the latest epoch of it.
struct Row {
    message: MessageRef,
    times: i64,
    epoch: Epoch,
}

/// Each message once, in order.
fn once_each(messages: &[Tried]) -> Vec<Row> {
    let mut rows: BTreeMap<MessageRef, (i64, Epoch)> = BTreeMap::new();
    for tried in messages {
        let (times, epoch) = rows.entry(tried.message).or_insert((0, tried.epoch));
        *times += 1;
        *epoch = tried.epoch.max(*epoch);
    }
    let row = |(message, (times, epoch))| Row { message, times, epoch };
    rows.into_iter().map(row).collect()
}

impl SqlStore {
    async fn count(&self, tries: &[Row], at: Timestamp) -> Result<Vec<CountTuple>, StoreError> {
        let during = "counting tries";
        match &self.journal {
            Db::Sqlite { write, .. } => count_on_sqlite(write, tries, at)
                .await
                .map_err(|error| sqlite::classify(during, error)),
            Db::Postgres(pool) => count_on_postgres(pool, tries, at)
                .await
                .map_err(|error| postgres::classify(during, error)),
        }
    }
}

async fn count_on_sqlite(
    pool: &SqlitePool,
    tries: &[Row],
    at: Timestamp,
) -> Result<Vec<CountTuple>, sqlx::Error> {
    let text = format!(
        "INSERT INTO attempts (stream, message, count, touched_at, epoch) VALUES {} \
         ON CONFLICT (stream, message) DO UPDATE SET count = count + excluded.count, \
         touched_at = excluded.touched_at, epoch = MAX(epoch, excluded.epoch) \
         RETURNING stream, message, count",
        vec!["(?,?,?,?,?)"; tries.len()].join(",")
    );
    let mut query = sqlx::query_as(AssertSqlSafe(text));
    for row in tries {
        query = query
            .bind(row.message.stream.0.as_bytes().to_vec())
            .bind(row.message.message.as_bytes().to_vec())
            .bind(row.times)
            .bind(at.as_micros())
            .bind(row.epoch.to_i64());
    }
    query.fetch_all(pool).await
}

async fn count_on_postgres(
    pool: &PgPool,
    tries: &[Row],
    at: Timestamp,
) -> Result<Vec<CountTuple>, sqlx::Error> {
    let (streams, ids, epochs) = columns(tries);
    let times: Vec<i64> = tries.iter().map(|row| row.times).collect();
    sqlx::query_as(
        "INSERT INTO attempts (stream, message, count, touched_at, epoch) \
         SELECT v.stream, v.message, v.times, $5, v.epoch \
         FROM unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[], $4::BIGINT[]) \
         AS v (stream, message, epoch, times) \
         ON CONFLICT (stream, message) DO UPDATE SET count = attempts.count + excluded.count, \
         touched_at = excluded.touched_at, epoch = GREATEST(attempts.epoch, excluded.epoch) \
         RETURNING stream, message, count",
    )
    .bind(streams)
    .bind(ids)
    .bind(epochs)
    .bind(times)
    .bind(at.as_micros())
    .fetch_all(pool)
    .await
}

async fn drop_on_sqlite(pool: &SqlitePool, messages: &[Row]) -> Result<(), sqlx::Error> {
    // From a subquery: SQLite doesn't look bare VALUES up in an index, but reads the whole table.
    let text = format!(
        "DELETE FROM attempts WHERE (stream, message) IN \
         (SELECT a.stream, a.message FROM (VALUES {}) AS v JOIN attempts AS a \
         ON a.stream = v.column1 AND a.message = v.column2 AND a.epoch <= v.column3)",
        vec!["(?,?,?)"; messages.len()].join(",")
    );
    let mut query = sqlx::query(AssertSqlSafe(text));
    for row in messages {
        query = query
            .bind(row.message.stream.0.as_bytes().to_vec())
            .bind(row.message.message.as_bytes().to_vec())
            .bind(row.epoch.to_i64());
    }
    query.execute(pool).await.map(drop)
}

async fn drop_on_postgres(pool: &PgPool, messages: &[Row]) -> Result<(), sqlx::Error> {
    let (streams, ids, epochs) = columns(messages);
    // Locked in order first: a deletion by itself takes rows as they lie.
    sqlx::query(
        "DELETE FROM attempts WHERE (stream, message) IN (SELECT a.stream, a.message \
         FROM attempts a JOIN unnest($1::BYTEA[], $2::BYTEA[], $3::BIGINT[]) \
         AS v (stream, message, epoch) \
         ON a.stream = v.stream AND a.message = v.message AND a.epoch <= v.epoch \
         ORDER BY a.stream, a.message FOR UPDATE OF a)",
    )
    .bind(streams)
    .bind(ids)
    .bind(epochs)
    .execute(pool)
    .await
    .map(drop)
}

/// Stream, message and epoch as PostgreSQL takes them: an array per column.
type Columns = (Vec<[u8; 16]>, Vec<[u8; 16]>, Vec<i64>);

fn columns(rows: &[Row]) -> Columns {
    let streams = rows.iter().map(|row| row.message.stream.0.into_bytes()).collect();
    let messages = rows.iter().map(|row| row.message.message.into_bytes()).collect();
    (streams, messages, rows.iter().map(|row| row.epoch.to_i64()).collect())
}

fn counted(row: &CountTuple) -> Result<(MessageRef, u32), StoreError> {
    let message = MessageRef {
        stream: rows::stream("attempts", &row.0)?,
        message: rows::uuid("attempts", &row.1)?,
    };
    let count = u32::try_from(row.2).map_err(|error| rows::unreadable("attempts", error))?;
    Ok((message, count))
}
