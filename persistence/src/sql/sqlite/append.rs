//! The append on SQLite.
//!
//! The common case is one script that writes everything or fails. When it fails on a guard or a
//! unique index, each append is judged on its own, outside any hurry, and the rest is written by
//! a second script. Between the two nothing can move: this process holds the directory's lock and
//! the pool has one writer connection, which stays acquired throughout.

use std::time::{SystemTime, UNIX_EPOCH};

use coppice_core::{EventRecord, Hash, Position, StreamHead};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use super::checkpoint::Checkpoints;
use super::classify;
use super::recent::Recent;
use super::script::{BatchHeader, Script, Scripts};
use crate::chain::batch_hash;
use crate::error::StoreError;
use crate::sql::db::numbered;
use crate::sql::rows::{self, COMMAND_COLUMNS, CommandTuple};
use crate::store::{Refusal, StreamAppend, Unit, UnitOutcome};

/// How often a batch is written as one and judged: the second script leaves out what was refused,
/// so it fails only where something is wrong that no judgement sees.
const JUDGEMENTS_MAX: usize = 2;

/// Where the journal ends, as the next batch continues it.
#[derive(Debug, Clone, Copy)]
struct Tail {
    position: Position,
    batch: u64,
    hash: Hash,
}

#[derive(Debug, Default)]
struct Appending {
    /// `None` after any error: it is read again rather than trusted.
    tail: Option<Tail>,
    scripts: Scripts,
}

/// Appends batches through the one writer connection.
#[derive(Debug)]
pub(in crate::sql) struct SqliteAppender {
    pool: SqlitePool,
    state: Mutex<Appending>,
    recent: Recent,
    checkpoints: Checkpoints,
    checkpoint_pool: SqlitePool,
}

impl SqliteAppender {
    pub(in crate::sql) fn new(pool: SqlitePool, checkpoint_pool: SqlitePool) -> Self {
        let checkpoints = Checkpoints::start(checkpoint_pool.clone());
        let (state, recent) = (Mutex::default(), Recent::default());
        Self { pool, state, recent, checkpoints, checkpoint_pool }
    }

    /// The events that were appended last.
    pub(in crate::sql) fn recent(&self) -> &Recent {
        &self.recent
    }

    pub(in crate::sql) async fn close(&self) {
        self.checkpoint_pool.close().await;
    }

    pub(in crate::sql) async fn append(
        &self,
        units: &[Unit],
    ) -> Result<Vec<UnitOutcome>, StoreError> {
        let mut state = self.state.lock().await;
        let acquired = self.pool.acquire().await;
        let mut connection = acquired.map_err(|error| classify("appending", error))?;
        let outcome = append_on(&mut state, &self.recent, &mut connection, units).await;
        self.checkpoints.appended(units);
        if let Err(StoreError::Unavailable { .. }) = &outcome {
            // Whatever broke, a fresh connection reads the file as it is.
            state.tail = None;
            drop(connection.detach().close().await);
        }
        outcome
    }
}

async fn append_on(
    state: &mut Appending,
    recent: &Recent,
    connection: &mut SqliteConnection,
    units: &[Unit],
) -> Result<Vec<UnitOutcome>, StoreError> {
    let mut outcomes = vec![UnitOutcome::Committed; units.len()];
    let mut writing: Vec<usize> = (0..units.len()).collect();
    for _ in 0..JUDGEMENTS_MAX {
        let appends = appends_of(units, &writing);
        if appends.iter().all(|append| begins_at_genesis(append)) {
            match write(state, recent, connection, &appends).await {
                Ok(()) => return Ok(outcomes),
                Err(error) if !is_refusal(&error) => return Err(classify("appending", error)),
                Err(_) => {}
            }
        }
        writing.clear();
        for (index, unit) in units.iter().enumerate() {
            match judge(connection, unit).await? {
                Judgement::Write => writing.push(index),
                Judgement::Written => {}
                Judgement::Refused(refusals) => outcomes[index] = UnitOutcome::Refused(refusals),
            }
        }
    }
    // Each was found fit and the database still refuses them: some stream holds what contradicts
    // its row. One by one, so that it stops nobody else.
    for index in writing {
        match write(state, recent, connection, &appends_of(units, &[index])).await {
            Ok(()) => {}
            Err(error) if is_refusal(&error) => {
                let refusals = (0..units[index].appends.len()).map(|at| (at, Refusal::Damaged));
                outcomes[index] = UnitOutcome::Refused(refusals.collect());
            }
            // Others may be written by now, so not even a full store may say that nothing was.
            Err(source) => return Err(StoreError::Unavailable { during: "appending", source }),
        }
    }
    Ok(outcomes)
}

/// What the script doesn't look at: a stream without a row continues its own genesis only.
fn begins_at_genesis(append: &StreamAppend) -> bool {
    append.expected.sequence.0 > 0 || append.expected == StreamHead::genesis(&append.key)
}

fn appends_of<'a>(units: &'a [Unit], indexes: &[usize]) -> Vec<&'a StreamAppend> {
    indexes.iter().flat_map(|index| &units[*index].appends).collect()
}

/// Whether a script failed on one of its own guards or on a unique index, and not on the machine.
fn is_refusal(error: &sqlx::Error) -> bool {
    const SQLITE_ERROR: i32 = 1;
    const SQLITE_CONSTRAINT: i32 = 19;
    matches!(super::primary_code(error), Some(SQLITE_ERROR | SQLITE_CONSTRAINT))
}

async fn write(
    state: &mut Appending,
    recent: &Recent,
    connection: &mut SqliteConnection,
    appends: &[&StreamAppend],
) -> Result<(), sqlx::Error> {
    let tail = match state.tail {
        Some(tail) => tail,
        None => read_tail(connection).await?,
    };
    state.tail = None;
    let header = header(tail, appends);
    if appends.is_empty() {
        state.tail = Some(tail);
        return Ok(());
    }
    let Script { text, arguments } = state.scripts.append(appends, header)?;
    let writing = recent.writing();
    let written = sqlx::query_with(text, arguments).execute(&mut *connection).await;
    if let Err(error) = written {
        // Some errors have ended the transaction already; then there is nothing to roll back.
        drop(sqlx::query("ROLLBACK").execute(&mut *connection).await);
        return Err(error);
    }
    writing.committed(tail.position, appends);
    state.tail = Some(header.map_or(tail, |header| Tail {
        position: header.last,
        batch: header.number,
        hash: header.hash,
    }));
    Ok(())
}

async fn read_tail(connection: &mut SqliteConnection) -> Result<Tail, sqlx::Error> {
    let text = "SELECT number, last_position, hash FROM batches ORDER BY number DESC LIMIT 1";
    let row = sqlx::query(text).fetch_optional(connection).await?;
    let Some(row) = row else {
        return Ok(Tail { position: Position(0), batch: 0, hash: Hash::ZERO });
    };
    let hash: Vec<u8> = row.try_get(2)?;
    let hash = rows::hash("batches", &hash).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Tail {
        position: Position::from_i64(row.try_get(1)?),
        batch: row.try_get::<i64, _>(0)?.cast_unsigned(),
        hash,
    })
}

/// The batch's own row; `None` where only command records are written.
fn header(tail: Tail, appends: &[&StreamAppend]) -> Option<BatchHeader> {
    let events = || appends.iter().flat_map(|append| &append.events);
    let count = events().count() as u64;
    if count == 0 {
        return None;
    }
    let number = tail.batch + 1;
    let first = tail.position.next();
    let last = Position(tail.position.0 + count);
    let hashes = events().map(|event: &EventRecord| event.hash);
    let committed_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(BatchHeader {
        number,
        first,
        last,
        previous_hash: tail.hash,
        hash: batch_hash(tail.hash, number, first, last, hashes),
        committed_at: i64::try_from(committed_at.as_micros()).unwrap_or(i64::MAX),
    })
}

enum Judgement {
    Write,
    Written,
    Refused(Vec<(usize, Refusal)>),
}

async fn judge(connection: &mut SqliteConnection, unit: &Unit) -> Result<Judgement, StoreError> {
    let mut written = true;
    for append in &unit.appends {
        written &= is_written(connection, append).await?;
    }
    if written {
        return Ok(Judgement::Written);
    }
    let mut refusals = Vec::new();
    for (index, append) in unit.appends.iter().enumerate() {
        if let Some(refusal) = refusal(connection, append).await? {
            refusals.push((index, refusal));
        }
    }
    Ok(if refusals.is_empty() { Judgement::Write } else { Judgement::Refused(refusals) })
}

/// Whether an append is in the journal already, from a try whose answer was lost.
async fn is_written(
    connection: &mut SqliteConnection,
    append: &StreamAppend,
) -> Result<bool, StoreError> {
    let stream = append.key.stream().0.as_bytes().to_vec();
    if let Some(last) = append.events.last() {
        let text = format!("SELECT hash FROM events e WHERE {} AND sequence = ?2", numbered("?1"));
        let found: Option<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(text))
            .bind(stream)
            .bind(last.sequence.to_i64())
            .fetch_optional(connection)
            .await
            .map_err(|error| classify("judging an append", error))?;
        return Ok(found.as_deref() == Some(last.hash.as_bytes().as_slice()));
    }
    for command in &append.commands {
        let text =
            format!("SELECT {COMMAND_COLUMNS} FROM commands WHERE stream = ? AND command_id = ?");
        let found: Option<CommandTuple> = sqlx::query_as(AssertSqlSafe(text))
            .bind(stream.clone())
            .bind(command.command_id.0.as_bytes().to_vec())
            .fetch_optional(&mut *connection)
            .await
            .map_err(|error| classify("judging an append", error))?;
        let same = found.is_some_and(|(_, body, sequence, reply, recorded_at, sender)| {
            body == command.body_hash.0
                && sequence == command.sequence.to_i64()
                && reply == *command.reply
                && recorded_at == command.recorded_at.as_micros()
                && sender.as_deref() == command.sender.as_ref().map(|sent| &sent.0.as_bytes()[..])
        });
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn refusal(
    connection: &mut SqliteConnection,
    append: &StreamAppend,
) -> Result<Option<Refusal>, StoreError> {
    let failed = |error| classify("judging an append", error);
    let epoch: Option<i64> = sqlx::query_scalar("SELECT epoch FROM shards WHERE shard = ?")
        .bind(i64::from(append.shard.0))
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    if epoch != Some(append.epoch.to_i64()) {
        return Ok(Some(Refusal::Epoch));
    }
    let stream = append.key.stream().0.as_bytes().to_vec();
    let head: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT sequence, hash FROM entities WHERE stream = ?")
            .bind(stream.clone())
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed)?;
    let as_expected = match head {
        None => append.expected == StreamHead::genesis(&append.key),
        Some((sequence, hash)) => {
            sequence == append.expected.sequence.to_i64() && hash == append.expected.hash.0
        }
    };
    if !as_expected {
        return Ok(Some(Refusal::Head));
    }
    let mut duplicates = Vec::new();
    for command in &append.commands {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT number FROM commands WHERE stream = ? AND command_id = ?")
                .bind(stream.clone())
                .bind(command.command_id.0.as_bytes().to_vec())
                .fetch_optional(&mut *connection)
                .await
                .map_err(failed)?;
        if found.is_some() {
            duplicates.push(command.command_id);
        }
    }
    Ok((!duplicates.is_empty()).then_some(Refusal::Duplicate(duplicates)))
}
