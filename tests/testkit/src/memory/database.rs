//! The tables of a database in memory, and the append.

use std::collections::{BTreeMap, BTreeSet};

use coppice_core::invariants::check_link;
use coppice_core::{
    CommandId, Epoch, EventRecord, Hash, Position, Sequence, ShardId, StoredEvent, StreamHead,
    StreamId, SubjectId, TenantId, Timestamp,
};
use coppice_persistence::{
    ApiKeyRow, BatchRow, CommandRecord, EntityRow, MessageRef, ParkedEvent, Refusal, Snapshot,
    StoreError, StreamAppend, SubjectKeyRow, Unit, UnitOutcome, chain,
};
use uuid::Uuid;

use super::deliveries::Letters;

/// Everything that is stored.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// In order of position, which is the index plus one.
    pub(super) events: Vec<StoredEvent>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// Every command record by the order of writing, to drop the oldest.
    pub(super) commands: BTreeMap<u64, StreamId>,
    command_next: u64,
    pub(super) batches: Vec<BatchRow>,
    pub(super) shards: BTreeMap<ShardId, Shard>,
    pub(super) snapshots: BTreeMap<StreamId, Snapshot>,
    pub(super) offsets: BTreeMap<String, Position>,
    pub(super) parked: BTreeMap<(String, Position), ParkedEvent>,
    /// By model, tenant and id.
    pub(super) documents: BTreeMap<(String, TenantId, String), String>,
    pub(super) tenants: BTreeMap<TenantId, String>,
    pub(super) api_keys: BTreeMap<Uuid, ApiKeyRow>,
    /// How often each message was tried, when last, and the latest epoch of it.
    pub(super) attempts: BTreeMap<MessageRef, (u32, Timestamp, Epoch)>,
    pub(super) dead_letters: Letters,
    /// The keys of personal data.
    pub(super) subject_keys: BTreeMap<(TenantId, SubjectId), SubjectKeyRow>,
}

/// One stream. It may have command records and yet no events, and then no row.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) row: Option<EntityRow>,
    /// The position of each event; the index is the sequence less one.
    pub(super) positions: Vec<Position>,
    /// Records by the order of writing.
    pub(super) commands: BTreeMap<u64, CommandRecord>,
    pub(super) commands_by_id: BTreeMap<CommandId, u64>,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) epoch: Epoch,
    pub(super) owner: String,
    pub(super) expires_at: Option<Timestamp>,
}

impl Stream {
    pub(super) fn command(&self, id: CommandId) -> Option<&CommandRecord> {
        self.commands_by_id.get(&id).and_then(|number| self.commands.get(number))
    }
}

impl Database {
    pub(super) fn append(&mut self, units: &[Unit]) -> Result<Vec<UnitOutcome>, StoreError> {
        validate(units)?;
        let before = self.events.len();
        let outcomes = units.iter().map(|unit| self.append_unit(unit)).collect();
        self.close_batch(before);
        Ok(outcomes)
    }

    fn append_unit(&mut self, unit: &Unit) -> UnitOutcome {
        if self.is_committed(unit) {
            return UnitOutcome::Committed;
        }
        let refusals: Vec<_> = unit
            .appends
            .iter()
            .enumerate()
            .filter_map(|(at, append)| self.refusal(append).map(|refusal| (at, refusal)))
            .collect();
        if !refusals.is_empty() {
            return UnitOutcome::Refused(refusals);
        }
        for append in &unit.appends {
            self.write(append);
        }
        UnitOutcome::Committed
    }

    /// Whether the unit is in the journal already.
    fn is_committed(&self, unit: &Unit) -> bool {
        unit.appends.iter().all(|append| self.is_written(append))
    }

    fn is_written(&self, append: &StreamAppend) -> bool {
        let Some(stream) = self.streams.get(&append.key.stream()) else { return false };
        match append.events.last() {
            // The hash covers everything before it, so the last event speaks for all.
            Some(last) => self
                .event_of(stream, last.sequence)
                .is_some_and(|event| event.record.hash == last.hash),
            None => append
                .commands
                .iter()
                .all(|record| stream.command(record.command_id) == Some(record)),
        }
    }

    fn refusal(&self, append: &StreamAppend) -> Option<Refusal> {
        let epoch = self.shards.get(&append.shard).map(|shard| shard.epoch);
        if epoch != Some(append.epoch) {
            return Some(Refusal::Epoch);
        }
        let stream = self.streams.get(&append.key.stream());
        let head = stream
            .and_then(|stream| stream.row.as_ref())
            .map_or_else(|| StreamHead::genesis(&append.key), |row| row.head);
        if head != append.expected {
            return Some(Refusal::Head);
        }
        let answered: Vec<_> = append
            .commands
            .iter()
            .map(|record| record.command_id)
            .filter(|id| stream.is_some_and(|stream| stream.command(*id).is_some()))
            .collect();
        (!answered.is_empty()).then_some(Refusal::Duplicate(answered))
    }

    fn write(&mut self, append: &StreamAppend) {
        let id = append.key.stream();
        let stream = self.streams.entry(id).or_default();
        for record in &append.events {
            let position = Position(self.events.len() as u64).next();
            stream.positions.push(position);
            let key = append.key.clone();
            self.events.push(StoredEvent { position, key, record: record.clone() });
        }
        if let Some(row) = stream.row.as_ref().filter(|_| append.waits_as_before) {
            let (said, stands) = ((append.wake_at, append.owes), (row.wake_at, row.owes));
            assert_eq!(said, stands, "{}: it does not wait as before", append.key);
        }
        // Records alone make no entity, but they are an append to one that is there.
        if !append.events.is_empty() || stream.row.is_some() {
            stream.row = Some(EntityRow {
                key: append.key.clone(),
                head: append.resulting_head(),
                epoch: append.epoch,
                wake_at: append.wake_at,
                owes: append.owes,
            });
        }
        for record in &append.commands {
            self.command_next += 1;
            stream.commands.insert(self.command_next, record.clone());
            stream.commands_by_id.insert(record.command_id, self.command_next);
            self.commands.insert(self.command_next, id);
        }
    }

    fn close_batch(&mut self, before: usize) {
        let written = &self.events[before..];
        let (Some(first), Some(last)) = (written.first(), written.last()) else { return };
        let (first, last) = (first.position, last.position);
        let previous_hash = self.batches.last().map_or(Hash::ZERO, |batch| batch.hash);
        let number = self.batches.len() as u64 + 1;
        let hashes = written.iter().map(|event| event.record.hash);
        let hash = chain::batch_hash(previous_hash, number, first, last, hashes);
        self.batches.push(BatchRow { number, first, last, previous_hash, hash });
    }

    pub(super) fn event(&self, position: Position) -> Option<&StoredEvent> {
        index_of(position).and_then(|at| self.events.get(at))
    }

    pub(super) fn event_mut(&mut self, position: Position) -> Option<&mut StoredEvent> {
        index_of(position).and_then(|at| self.events.get_mut(at))
    }

    fn event_of(&self, stream: &Stream, sequence: Sequence) -> Option<&StoredEvent> {
        let at = index_of(Position(sequence.0))?;
        stream.positions.get(at).and_then(|position| self.event(*position))
    }
}

/// The index of a number that counts from 1.
fn index_of(position: Position) -> Option<usize> {
    usize::try_from(position.0).ok()?.checked_sub(1)
}

fn validate(units: &[Unit]) -> Result<(), StoreError> {
    let mut streams = BTreeSet::new();
    for unit in units {
        if unit.appends.is_empty() {
            return Err(StoreError::Invalid("a unit without appends"));
        }
        for append in &unit.appends {
            if !streams.insert(append.key.stream()) {
                return Err(StoreError::Invalid("a stream stands twice in one batch"));
            }
            if append.events.is_empty() && append.commands.is_empty() {
                return Err(StoreError::Invalid("an append without events and commands"));
            }
            if !continues(append.expected, &append.events) {
                return Err(StoreError::Invalid("events that do not continue the expected head"));
            }
            let mut ids = BTreeSet::new();
            if !append.commands.iter().all(|record| ids.insert(record.command_id)) {
                return Err(StoreError::Invalid("a command stands twice in one append"));
            }
        }
    }
    Ok(())
}

fn continues(expected: StreamHead, events: &[EventRecord]) -> bool {
    events.iter().try_fold(expected, check_link).is_ok()
}
