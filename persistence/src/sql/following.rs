//! Pieces of the journal for whoever follows it.
//!
//! A piece is found first, by positions and sizes alone, and read once it is known how much of it
//! is wanted: what is too large never leaves the database. One stream is found by its own index.
//! What belongs to a tenant or a kind is looked for among the events of a bounded span of positions,
//! so that no index has to be written with every event and no reader holds a connection for long.
//! What the embedded store wrote last is kept in memory, for whoever follows all of it.
//!
//! **Invariant:** rows are decoded one by one, so a row that doesn't read is told by its position
//! and the others are read.

use std::sync::Arc;

use coppice_core::{EntityId, EntityKind, Position};
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::db::{limit_of, reading};
use super::rows::{self, FollowedTuple};
use super::{Appender, SqlStore};
use crate::error::StoreError;
use crate::store::{FollowedEvent, Journal as _, JournalPiece, JournalRead, UnreadableEvent};

/// Position and size.
type Found = (i64, i64);

const SIZE: &str = "e.position, CAST(octet_length(e.payload) AS BIGINT)";

const WHOLE: &str = "e.position, e.sequence, e.event_type, e.payload, e.recorded_at, e.causation, \
     e.correlation, e.workflow, e.policy_bundle, e.subject, e.key_id, e.previous_hash, e.hash, \
     (SELECT n.tenant || '/' || n.kind || '/' || n.id FROM entities n WHERE n.stream = e.stream), \
     e.stream";

/// Events between two positions that are in the scope. Whose an event is, is asked in a subquery for
/// each: a join could begin with all entities of the tenant, and read everything they ever did.
const IN_SCOPE: &str = "FROM events e WHERE e.position > $1 AND e.position <= $2 \
     AND (SELECT n.tenant = $3 AND ($4 IS NULL OR n.kind = $4) AND ($5 IS NULL OR n.id = $5) \
          FROM entities n WHERE n.stream = e.stream) \
     ORDER BY e.position LIMIT $6";

/// Events between two positions, those included whose entity isn't there.
const ALL: &str =
    "FROM events e WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position LIMIT $3";

/// The same of one stream, by its own index: a sum keeps that of the positions out of it, which a
/// planner that doesn't know the numbers would walk from end to end.
const OF_STREAM: &str = "e.sequence > $4 AND e.position + 0 > $1 AND e.position + 0 <= $2 \
     ORDER BY e.sequence LIMIT $5";

/// Runs one of the three queries with what it needs bound to it.
macro_rules! fetch {
    ($db:expr, $pool:expr, $what:expr, $read:expr, $until:expr, $limit:expr, $query:path) => {{
        let (read, until, limit): (&JournalRead, i64, i64) = ($read, $until, $limit);
        let stream = read.scope.as_ref().and_then(|scope| scope.stream());
        match (&read.scope, stream) {
            (None, _) => {
                $query(AssertSqlSafe(format!("SELECT {} {ALL}", $what)))
                    .bind(read.after.to_i64())
                    .bind(until)
                    .bind(limit)
                    .fetch_all($pool)
                    .await
            }
            (Some(_), Some(key)) => {
                let whose = $db.of_stream("$3");
                let text = format!("SELECT {} FROM events e WHERE {whose} AND {OF_STREAM}", $what);
                $query(AssertSqlSafe(text))
                    .bind(read.after.to_i64())
                    .bind(until)
                    .bind(key.stream().0.as_bytes().to_vec())
                    .bind(read.after_sequence.to_i64())
                    .bind(limit)
                    .fetch_all($pool)
                    .await
            }
            (Some(scope), None) => {
                $query(AssertSqlSafe(format!("SELECT {} {IN_SCOPE}", $what)))
                    .bind(read.after.to_i64())
                    .bind(until)
                    .bind(scope.tenant.as_str())
                    .bind(scope.kind.as_ref().map(EntityKind::as_str))
                    .bind(scope.id.as_ref().map(EntityId::as_str))
                    .bind(limit)
                    .fetch_all($pool)
                    .await
            }
        }
    }};
}

impl SqlStore {
    pub(super) async fn piece(&self, read: &JournalRead) -> Result<JournalPiece, StoreError> {
        if let Appender::Sqlite(appender, _) = &self.appender
            && let Some(piece) = appender.recent().piece(read)
        {
            return Ok(piece);
        }
        let end = self.last_position().await?;
        let spans = read.scope.as_ref().is_some_and(|scope| scope.stream().is_none());
        let until = match spans {
            true => Position(read.after.0.saturating_add(read.span)).min(end),
            false => end,
        };
        if until <= read.after {
            return Ok(JournalPiece { events: Vec::new(), place: read.after, end });
        }
        let limit = limit_of(read.events_max);
        let found: Vec<Found> = reading!(&self.journal, "finding events", pool => {
            fetch!(&self.journal, pool, SIZE, read, until.to_i64(), limit, sqlx::query_as)
        })?;
        let Some(last) = last_within(&found, read.bytes_max) else {
            return Ok(JournalPiece { events: Vec::new(), place: until, end });
        };
        let is_whole = found.len() < read.events_max && found.last().is_some_and(|f| f.0 == last);
        let events = self.followed(read, last, limit).await?;
        let place = if is_whole { until } else { Position::from_i64(last) };
        Ok(JournalPiece { events, place, end })
    }

    async fn followed(
        &self,
        read: &JournalRead,
        until: i64,
        limit: i64,
    ) -> Result<Vec<FollowedEvent>, StoreError> {
        reading!(&self.journal, "following the journal", pool => {
            let rows = fetch!(&self.journal, pool, WHOLE, read, until, limit, sqlx::query);
            rows.and_then(|rows| {
                let whole = rows.iter().map(|row| {
                    let whose = Whose {
                        position: row.try_get(0)?,
                        stream: row.try_get(14).ok(),
                        name: row.try_get(13).ok(),
                    };
                    Ok(decoded(&whose, FromRow::from_row(row)))
                });
                whole.collect()
            })
        })
    }
}

/// The position of the last event that is within so many bytes; the first always is.
fn last_within(found: &[Found], bytes_max: u64) -> Option<i64> {
    let mut bytes = 0;
    let mut last = None;
    for (position, size) in found {
        bytes += size.cast_unsigned();
        if last.is_some() && bytes > bytes_max {
            break;
        }
        last = Some(*position);
    }
    last
}

/// What is known of an event whether it reads or not.
struct Whose {
    position: i64,
    stream: Option<Vec<u8>>,
    name: Option<String>,
}

fn decoded(whose: &Whose, row: Result<FollowedTuple, sqlx::Error>) -> FollowedEvent {
    let key = whose.name.as_deref().map(rows::named).and_then(Result::ok);
    let unreadable = |problem: String| UnreadableEvent {
        position: Position::from_i64(whose.position),
        stream: whose.stream.as_deref().and_then(|id| rows::stream("events", id).ok()),
        key: key.clone(),
        problem: problem.into(),
    };
    let row = row.map_err(|error| unreadable(error.to_string()))?;
    let Some(key) = key.clone() else {
        return Err(unreadable("its entity has no row that reads".to_owned()));
    };
    let columns = (
        row.0, row.1, row.2, row.3, row.4, row.5, row.6, row.7, row.8, row.9, row.10, row.11,
        row.12,
    );
    rows::event(key, columns).map(Arc::new).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_is_always_within_and_the_others_up_to_the_bound() {
        let found = [(3, 100), (5, 1), (9, 1), (10, 50)];
        assert_eq!(last_within(&found, 0), Some(3));
        assert_eq!(last_within(&found, 100), Some(3));
        assert_eq!(last_within(&found, 101), Some(5));
        assert_eq!(last_within(&found, 151), Some(9));
        assert_eq!(last_within(&found, 1_000), Some(10));
        assert_eq!(last_within(&[], 1_000), None);
    }
}
