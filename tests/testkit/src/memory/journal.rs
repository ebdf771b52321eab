//! The append-only part.

use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use coppice_core::{
    CommandId, EntityKind, Position, Sequence, StoredEvent, StreamId, StreamKey, TenantId,
    Timestamp,
};
use coppice_persistence::{
    BatchRow, CommandRecord, EntityRow, EventScope, Journal, JournalPiece, JournalRead,
    LATER_RECORDS_MAX, StoreError, Unit, UnitOutcome,
};
use coppice_runtime::task::spawn;

use super::database::Database;
use super::faults::Point;
use super::{Appends, MemoryStore};

#[async_trait]
impl Journal for MemoryStore {
    async fn append(&self, units: &[Unit]) -> Result<Vec<UnitOutcome>, StoreError> {
        if self.appends == Appends::WithTheCaller {
            return self.write(units).await;
        }
        let (server, taken) = (self.clone(), units.to_vec());
        let writing = spawn(async move { server.write(&taken).await });
        if self.appends == Appends::AnsweredFirst {
            return Ok(vec![UnitOutcome::Committed; units.len()]);
        }
        writing.await.unwrap_or(Err(StoreError::Invalid("the server went down")))
    }

    async fn entity(&self, key: &StreamKey) -> Result<Option<EntityRow>, StoreError> {
        self.faults.pass(Point::Entity, "reading an entity").await?;
        let database = self.database.lock();
        Ok(database.streams.get(&key.stream()).and_then(|stream| stream.row.clone()))
    }

    async fn read_stream(
        &self,
        key: &StreamKey,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.faults.pass(Point::ReadStream, "reading a stream").await?;
        let database = self.database.lock();
        let Some(stream) = database.streams.get(&key.stream()) else { return Ok(Vec::new()) };
        let positions = stream.positions.iter().skip(index(after.0)).take(limit);
        Ok(positions.filter_map(|position| database.event(*position).cloned()).collect())
    }

    async fn read_journal(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.faults.pass(Point::ReadJournal, "reading the journal").await?;
        let database = self.database.lock();
        Ok(database.events.iter().skip(index(after.0)).take(limit).cloned().collect())
    }

    async fn follow(&self, read: &JournalRead) -> Result<JournalPiece, StoreError> {
        self.faults.pass(Point::ReadJournal, "following the journal").await?;
        Ok(self.database.lock().piece(read))
    }

    async fn command(
        &self,
        key: &StreamKey,
        id: CommandId,
    ) -> Result<Option<CommandRecord>, StoreError> {
        self.faults.pass(Point::Commands, "reading a command").await?;
        let database = self.database.lock();
        Ok(database.streams.get(&key.stream()).and_then(|stream| stream.command(id)).cloned())
    }

    async fn recent_commands(
        &self,
        key: &StreamKey,
        limit: usize,
    ) -> Result<Vec<CommandRecord>, StoreError> {
        self.faults.pass(Point::Commands, "reading commands").await?;
        let database = self.database.lock();
        let Some(stream) = database.streams.get(&key.stream()) else { return Ok(Vec::new()) };
        Ok(stream.commands.values().rev().take(limit).cloned().collect())
    }

    async fn drop_commands(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.faults.pass(Point::Commands, "dropping commands").await?;
        Ok(self.database.lock().drop_commands(before, limit))
    }

    async fn entities(
        &self,
        after: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        self.faults.pass(Point::Scan, "scanning entities").await?;
        Ok(self.database.lock().rows_after(after).take(limit).cloned().collect())
    }

    async fn entities_of(
        &self,
        tenant: &TenantId,
        kind: &EntityKind,
        after: &str,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        self.faults.pass(Point::Scan, "listing entities").await?;
        let database = self.database.lock();
        let of = |row: &&EntityRow| {
            row.key.tenant() == tenant && row.key.kind() == kind && row.key.id().as_str() > after
        };
        let mut rows: Vec<EntityRow> = database.rows_after(None).filter(of).cloned().collect();
        rows.sort_by(|a, b| a.key.id().as_str().cmp(b.key.id().as_str()));
        rows.truncate(limit);
        Ok(rows)
    }

    async fn last_position(&self) -> Result<Position, StoreError> {
        self.faults.pass(Point::ReadJournal, "reading the journal's end").await?;
        Ok(self.database.lock().events.last().map_or(Position(0), |event| event.position))
    }

    async fn owing(
        &self,
        after: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        self.faults.pass(Point::Scan, "scanning owing entities").await?;
        let database = self.database.lock();
        Ok(database.rows_after(after).filter(|row| row.owes).take(limit).cloned().collect())
    }

    async fn due(
        &self,
        now: Timestamp,
        after: Option<(Timestamp, StreamId)>,
        limit: usize,
    ) -> Result<Vec<EntityRow>, StoreError> {
        self.faults.pass(Point::Scan, "scanning due entities").await?;
        let mut rows: Vec<_> = self
            .database
            .lock()
            .rows_after(None)
            .filter(|row| {
                row.wake_at.is_some_and(|wake_at| {
                    let place = (wake_at, row.key.stream());
                    wake_at <= now && after.is_none_or(|after| place > after)
                })
            })
            .cloned()
            .collect();
        // Stable, so that timers due together come in order of stream id.
        rows.sort_by_key(|row| row.wake_at);
        rows.truncate(limit);
        Ok(rows)
    }

    async fn batches(&self, after: u64, limit: usize) -> Result<Vec<BatchRow>, StoreError> {
        self.faults.pass(Point::ReadJournal, "reading batches").await?;
        let database = self.database.lock();
        Ok(database.batches.iter().skip(index(after)).take(limit).cloned().collect())
    }
}

impl MemoryStore {
    async fn write(&self, units: &[Unit]) -> Result<Vec<UnitOutcome>, StoreError> {
        self.faults.pass(Point::BeforeAppend, "appending").await?;
        let outcomes = self.database.lock().append(units)?;
        if let Some(observer) = self.faults.observer() {
            observer.appended(units, &outcomes);
        }
        self.faults.pass(Point::AfterAppendBeforeAnswer, "appending").await?;
        Ok(outcomes)
    }
}

impl Database {
    fn piece(&self, read: &JournalRead) -> JournalPiece {
        let end = self.events.last().map_or(Position(0), |event| event.position);
        let of_stream = read.scope.as_ref().is_none_or(|scope| scope.stream().is_some());
        let until = if of_stream { end } else { end.min(Position(read.after.0 + read.span)) };
        let mut piece = JournalPiece { events: Vec::new(), place: read.after.max(until), end };
        let mut bytes = 0;
        for event in self.events.iter().skip(index(read.after.0)) {
            let of_scope = |scope: &EventScope| scope.holds(&event.key);
            if event.position > until || !read.scope.as_ref().is_none_or(of_scope) {
                continue;
            }
            bytes += event.record.body.payload.len() as u64;
            let is_full = piece.events.len() == read.events_max || bytes > read.bytes_max;
            if is_full && let Some(Ok(last)) = piece.events.last() {
                piece.place = last.position;
                break;
            }
            piece.events.push(Ok(Arc::new(event.clone())));
        }
        piece
    }

    pub(super) fn row(&self, stream: StreamId) -> Option<&EntityRow> {
        self.streams.get(&stream).and_then(|stream| stream.row.as_ref())
    }

    fn rows_after(&self, after: Option<StreamId>) -> impl Iterator<Item = &EntityRow> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.streams.range((start, Bound::Unbounded)).filter_map(|(_, stream)| stream.row.as_ref())
    }

    fn drop_commands(&mut self, before: Timestamp, limit: usize) -> u64 {
        let mut dropped = Vec::new();
        let mut later = 0;
        for (number, id) in &self.commands {
            if dropped.len() == limit || later == LATER_RECORDS_MAX {
                break;
            }
            let stream = self.streams.get(id);
            let Some(record) = stream.and_then(|stream| stream.commands.get(number)) else {
                continue;
            };
            if record.recorded_at >= before {
                later += 1;
                continue;
            }
            later = 0;
            let owes = |row: &EntityRow| row.owes;
            if !record.sender.is_some_and(|sender| self.row(sender).is_some_and(owes)) {
                dropped.push((*number, *id));
            }
        }
        for (number, id) in &dropped {
            self.commands.remove(number);
            let Some(stream) = self.streams.get_mut(id) else { continue };
            if let Some(record) = stream.commands.remove(number) {
                stream.commands_by_id.remove(&record.command_id);
            }
        }
        dropped.len() as u64
    }
}

fn index(after: u64) -> usize {
    usize::try_from(after).unwrap_or(usize::MAX)
}
