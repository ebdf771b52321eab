//! Reading the journal, and the append's front door.

use std::collections::HashSet;

use async_trait::async_trait;
use coppice_core::{
    CommandId, EntityKind, Position, Sequence, StoredEvent, StreamId, StreamKey, TenantId,
    Timestamp,
};
use sqlx::{AssertSqlSafe, PgPool};

use super::db::{limit_of, reading};
use super::rows::{
    COMMAND_COLUMNS, CommandTuple, ENTITY_COLUMNS, EVENT_COLUMNS, EntityTuple, EventTuple,
    JournalTuple,
};
use super::{Appender, Db, SqlStore, postgres, rows};
use crate::error::StoreError;
use crate::store::{
    BatchRow, CommandRecord, EntityRow, Journal, JournalPiece, JournalRead, Refusal, Unit,
    UnitOutcome,
};

#[async_trait]
impl Journal for SqlStore {
    async fn append(&self, units: &[Unit]) -> Result<Vec<UnitOutcome>, StoreError> {
        check_units(units)?;
        if units.is_empty() {
            return Ok(Vec::new());
        }
        match (&self.appender, &self.journal) {
            (Appender::Sqlite(appender, room), _) => {
                room.check()?;
                appender.append(units).await
            }
            (Appender::Postgres, Db::Postgres(pool)) => append_postgres(pool, units).await,
            (Appender::None, _) => Err(StoreError::Invalid("the store is only looked at")),
            (Appender::Postgres, Db::Sqlite { .. }) => {
                Err(StoreError::Invalid("the appender is not the database's"))
            }
        }
    }

    async fn entity(&self, key: &StreamKey) -> Result<Option<EntityRow>, StoreError> {
        let text = format!("SELECT {ENTITY_COLUMNS} FROM entities WHERE stream = $1");
        let row: Option<EntityTuple> = reading!(&self.journal, "reading an entity", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(key.stream().0.as_bytes().as_slice())
                .fetch_optional(pool)
                .await
        })?;
        row.as_ref().map(rows::entity).transpose()
    }

    async fn read_stream(
        &self,
        key: &StreamKey,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let text = format!(
            "SELECT {EVENT_COLUMNS} FROM events e WHERE {} AND sequence > $2 \
             ORDER BY sequence LIMIT $3",
            self.journal.of_stream("$1")
        );
        let found: Vec<EventTuple> = reading!(&self.journal, "reading a stream", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(key.stream().0.as_bytes().as_slice())
                .bind(after.to_i64())
                .bind(limit_of(limit))
                .fetch_all(pool)
                .await
        })?;
        found.into_iter().map(|row| rows::event(key.clone(), row)).collect()
    }

    async fn read_journal(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let text = "SELECT e.position, e.sequence, e.event_type, e.payload, e.recorded_at, \
             e.causation, e.correlation, e.workflow, e.policy_bundle, e.subject, e.key_id, \
             e.previous_hash, e.hash, n.tenant || '/' || n.kind || '/' || n.id \
             FROM events e JOIN entities n ON n.stream = e.stream \
             WHERE e.position > $1 ORDER BY e.position LIMIT $2";
        let found: Vec<JournalTuple> = reading!(&self.journal, "reading the journal", pool => {
            sqlx::query_as(text)
                .bind(after.to_i64())
                .bind(limit_of(limit))
                .fetch_all(pool)
                .await
        })?;
        found.into_iter().map(rows::journal_event).collect()
    }

    async fn follow(&self, read: &JournalRead) -> Result<JournalPiece, StoreError> {
        self.piece(read).await
    }

    async fn command(
        &self,
        key: &StreamKey,
        id: CommandId,
    ) -> Result<Option<CommandRecord>, StoreError> {
        let text =
            format!("SELECT {COMMAND_COLUMNS} FROM commands WHERE stream = $1 AND command_id = $2");
        let row: Option<CommandTuple> = reading!(&self.journal, "reading a command", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(key.stream().0.as_bytes().as_slice())
                .bind(id.0.as_bytes().as_slice())
                .fetch_optional(pool)
                .await
        })?;
        row.map(rows::command).transpose()
    }

    async fn recent_commands(
        &self,
        key: &StreamKey,
        limit: usize,
    ) -> Result<Vec<CommandRecord>, StoreError> {
        let text = format!(
            "SELECT {COMMAND_COLUMNS} FROM commands WHERE stream = $1 \
             ORDER BY number DESC LIMIT $2"
        );
        let found: Vec<CommandTuple> = reading!(&self.journal, "reading commands", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(key.stream().0.as_bytes().as_slice())
                .bind(limit_of(limit))
                .fetch_all(pool)
                .await
        })?;
        found.into_iter().map(rows::command).collect()
    }

    async fn drop_commands(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.drop_old_commands(before, limit).await
    }

    async fn entities(
        &self,
        after: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        self.entity_page("TRUE", after, limit).await
    }

    async fn entities_of(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        let text = format!(
            "SELECT {ENTITY_COLUMNS} FROM entities WHERE tenant = $1 AND kind = $2 AND id > $3 \
             ORDER BY id LIMIT $4"
        );
        let found: Vec<EntityTuple> = reading!(&self.journal, "listing entities", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(tenant.as_str())
                .bind(kind.as_str())
                .bind(after)
                .bind(limit_of(limit))
                .fetch_all(pool)
                .await
        })?;
        found.iter().map(rows::entity).collect()
    }

    async fn last_position(&self) -> Result<Position, StoreError> {
        if let Appender::Sqlite(appender, _) = &self.appender
            && let Some(end) = appender.recent().end()
        {
            return Ok(end);
        }
        let text = "SELECT COALESCE(MAX(position), 0) FROM events";
        let last: i64 = reading!(&self.journal, "reading the journal's end", pool => {
            sqlx::query_scalar(text).fetch_one(pool).await
        })?;
        Ok(Position::from_i64(last))
    }

    async fn owing(
        &self,
        after: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        self.entity_page("owes", after, limit).await
    }

    async fn due(
        &self,
        now: Timestamp,
        after: Option<(Timestamp, StreamId)>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        // The least time with the empty blob sorts before every place.
        let (time, stream) =
            after.map_or((i64::MIN, None), |(time, stream)| (time.as_micros(), Some(stream)));
        let stream: &[u8] = stream.as_ref().map_or(&[], |stream| stream.0.as_bytes());
        let text = format!(
            "SELECT {ENTITY_COLUMNS} FROM entities WHERE wake_at IS NOT NULL AND wake_at <= $1 \
             AND (wake_at, stream) > ($2, $3) ORDER BY wake_at, stream LIMIT $4"
        );
        let found: Vec<EntityTuple> = reading!(&self.journal, "reading due timers", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(now.as_micros())
                .bind(time)
                .bind(stream)
                .bind(limit_of(limit))
                .fetch_all(pool)
                .await
        })?;
        found.iter().map(rows::entity).collect()
    }

    async fn batches(&self, after: u64, limit: usize) -> Result<Vec<BatchRow>, StoreError> {
        let text = "SELECT number, first_position, last_position, previous_hash, hash \
             FROM batches WHERE number > $1 ORDER BY number LIMIT $2";
        let found: Vec<(i64, i64, i64, Vec<u8>, Vec<u8>)> = reading!(&self.journal, "reading batches", pool => {
            sqlx::query_as(text)
                .bind(after.cast_signed())
                .bind(limit_of(limit))
                .fetch_all(pool)
                .await
        })?;
        found.iter().map(batch).collect()
    }
}

/// Where the database refuses the rows of a batch, some stream holds what contradicts its row. Then
/// unit by unit, so that it stops nobody else.
async fn append_postgres(pool: &PgPool, units: &[Unit]) -> Result<Vec<UnitOutcome>, StoreError> {
    let refused = match postgres::append(pool, units).await {
        Err(StoreError::Invalid(refused)) => refused,
        outcome => return outcome,
    };
    if let [unit] = units {
        tracing::error!(stream = %unit.appends[0].key, refused, "the database refuses a unit");
        let refusals = (0..unit.appends.len()).map(|at| (at, Refusal::Damaged));
        return Ok(vec![UnitOutcome::Refused(refusals.collect())]);
    }
    let mut outcomes = Vec::with_capacity(units.len());
    for unit in units {
        match Box::pin(append_postgres(pool, std::slice::from_ref(unit))).await {
            // Others may be written by now, so it may not say that nothing was.
            Err(StoreError::Full) => {
                let source = sqlx::Error::Protocol("full in the middle of a batch".to_owned());
                return Err(StoreError::Unavailable { during: "appending", source });
            }
            outcome => outcomes.extend(outcome?),
        }
    }
    Ok(outcomes)
}

impl SqlStore {
    async fn entity_page(
        &self,
        condition: &'static str,
        after: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        // The empty blob sorts before every stream id.
        let start: &[u8] = after.as_ref().map_or(&[], |stream| stream.0.as_bytes());
        let text = format!(
            "SELECT {ENTITY_COLUMNS} FROM entities WHERE {condition} AND stream > $1 \
             ORDER BY stream LIMIT $2"
        );
        let found: Vec<EntityTuple> = reading!(&self.journal, "reading entities", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(start)
                .bind(limit_of(limit))
                .fetch_all(pool)
                .await
        })?;
        found.iter().map(rows::entity).collect()
    }
}

fn batch(row: &(i64, i64, i64, Vec<u8>, Vec<u8>)) -> Result<BatchRow, StoreError> {
    Ok(BatchRow {
        number: row.0.cast_unsigned(),
        first: Position::from_i64(row.1),
        last: Position::from_i64(row.2),
        previous_hash: rows::hash("batches", &row.3)?,
        hash: rows::hash("batches", &row.4)?,
    })
}

/// The rules of a batch that no database would tell us about in time.
fn check_units(units: &[Unit]) -> Result<(), StoreError> {
    let mut seen = HashSet::new();
    for unit in units {
        if unit.appends.is_empty() {
            return Err(StoreError::Invalid("a unit without appends"));
        }
        for append in &unit.appends {
            if !seen.insert(append.key.stream()) {
                return Err(StoreError::Invalid("a stream stands twice in a batch"));
            }
            if append.events.is_empty() && append.commands.is_empty() {
                return Err(StoreError::Invalid("an append without events and commands"));
            }
            let ids: HashSet<_> =
                append.commands.iter().map(|command| command.command_id).collect();
            if ids.len() < append.commands.len() {
                return Err(StoreError::Invalid("a command stands twice in an append"));
            }
            let mut head = append.expected;
            for event in &append.events {
                debug_assert_eq!(
                    coppice_core::invariants::check_link(head, event),
                    Ok(event.head()),
                    "events are chained before they are handed to the store"
                );
                head = event.head();
            }
        }
    }
    Ok(())
}
