//! The latest events, kept in memory as they were committed.
//!
//! Whoever follows the whole journal live reads what was written a moment ago, by this process: from
//! here it costs a copy in place of two queries and a wake-up per row.
//!
//! **Invariants:** an event is here only once its commit is durable; what is handed on is exactly
//! what the journal holds between two places, or nothing at all.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use coppice_core::{Position, StoredEvent};
use parking_lot::Mutex;

use crate::store::{JournalPiece, JournalRead, StreamAppend};

/// Events kept: half a second of a loaded node, ten times what a read model lets gather.
const EVENTS_MAX: usize = 8_192;

/// Bytes of payload kept. A batch has as many at most, by default.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Every event after `from` up to `end`.
#[derive(Default)]
struct Kept {
    events: VecDeque<Arc<StoredEvent>>,
    bytes: usize,
    from: Position,
    end: Position,
    /// Whether the journal is known to end at `end`.
    is_whole: bool,
}

/// The journal's latest events.
#[derive(Default)]
pub(in crate::sql) struct Recent(Mutex<Kept>);

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("events", &self.0.lock().events.len()).finish()
    }
}

/// A write under way. Where it is dropped before it is known to be durable, the journal may end
/// further on than is known here, and is asked until the next one.
pub(super) struct Writing<'a> {
    recent: &'a Recent,
    is_durable: bool,
}

impl Writing<'_> {
    /// The journal went on from a position with these events, one place each.
    pub(super) fn committed(mut self, from: Position, appends: &[&StreamAppend]) {
        self.is_durable = true;
        self.recent.extend(from, appends);
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.is_durable {
            self.recent.0.lock().is_whole = false;
        }
    }
}

impl Recent {
    /// A write begins.
    pub(super) fn writing(&self) -> Writing<'_> {
        Writing { recent: self, is_durable: false }
    }

    fn extend(&self, from: Position, appends: &[&StreamAppend]) {
        let mut kept = self.0.lock();
        if kept.end != from {
            *kept = Kept { from, end: from, ..Kept::default() };
        }
        for append in appends {
            for record in &append.events {
                let position = kept.end.next();
                let (key, record) = (append.key.clone(), record.clone());
                kept.push(Arc::new(StoredEvent { position, key, record }));
            }
        }
        kept.is_whole = true;
    }

    /// Where the journal ends; `None` where that must be asked of the database.
    pub(in crate::sql) fn end(&self) -> Option<Position> {
        let kept = self.0.lock();
        kept.is_whole.then_some(kept.end)
    }

    /// What follows a place; `None` where that must be asked of the database.
    pub(in crate::sql) fn piece(&self, read: &JournalRead) -> Option<JournalPiece> {
        if read.scope.is_some() {
            return None;
        }
        let kept = self.0.lock();
        if !kept.is_whole || read.after < kept.from {
            return None;
        }
        let end = kept.end;
        let start = kept.events.partition_point(|event| event.position <= read.after);
        let mut events = Vec::new();
        let (mut place, mut bytes) = (read.after, 0);
        for event in kept.events.range(start..).take(read.events_max) {
            bytes += size_of(event);
            if !events.is_empty() && bytes as u64 > read.bytes_max {
                break;
            }
            place = event.position;
            events.push(Ok(Arc::clone(event)));
        }
        Some(JournalPiece { events, place, end })
    }
}

impl Kept {
    fn push(&mut self, event: Arc<StoredEvent>) {
        self.end = event.position;
        self.bytes += size_of(&event);
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= size_of(&oldest);
            self.from = oldest.position;
        }
    }
}

fn size_of(event: &StoredEvent) -> usize {
    event.record.body.payload.len()
}

#[cfg(test)]
pub(super) mod tests {
    use coppice_core::envelope::EventBody;
    use coppice_core::{
        CommandId, CorrelationId, EntityId, EntityKind, Epoch, EventRecord, Sequence, ShardId,
        StreamHead, StreamKey, TenantId, Timestamp,
    };
    use uuid::Uuid;

    use super::*;

    pub(in crate::sql::sqlite) fn append(events: usize, payload_bytes: usize) -> StreamAppend {
        let key = StreamKey::new(
            TenantId::new("acme").unwrap(),
            EntityKind::new("counter").unwrap(),
            EntityId::new("a").unwrap(),
        );
        let expected = StreamHead::genesis(&key);
        let mut head = expected;
        let mut records = Vec::new();
        for _ in 0..events {
            let body = EventBody {
                event_type: "counter.added.v1".into(),
                payload: "x".repeat(payload_bytes).into(),
                recorded_at: Timestamp::from_micros(1),
                causation: CommandId(Uuid::nil()),
                correlation: CorrelationId(Uuid::nil()),
                workflow: None,
                policy_bundle: None,
                subject: None,
                key_id: None,
            };
            let record = EventRecord::chain(head, body);
            head = record.head();
            records.push(record);
        }
        StreamAppend {
            key,
            shard: ShardId(0),
            epoch: Epoch(1),
            expected,
            events: records,
            commands: Vec::new(),
            wake_at: None,
            owes: false,
            waits_as_before: false,
        }
    }

    fn after(place: u64) -> JournalRead {
        JournalRead {
            scope: None,
            after: Position(place),
            after_sequence: Sequence(0),
            events_max: usize::MAX,
            bytes_max: u64::MAX,
            span: u64::MAX,
        }
    }

    /// First and last position of what is handed on, and how much that is.
    fn span(recent: &Recent, place: u64) -> Option<(u64, u64, usize)> {
        let piece = recent.piece(&after(place))?;
        let at = |event: Option<&crate::store::FollowedEvent>| {
            event.map_or(0, |event| event.as_ref().unwrap().position.0)
        };
        Some((at(piece.events.first()), at(piece.events.last()), piece.events.len()))
    }

    #[test]
    fn nothing_is_known_before_the_first_commit_and_before_its_place() {
        let recent = Recent::default();
        assert_eq!(span(&recent, 0), None);
        assert_eq!(recent.end(), None);
        recent.writing().committed(Position(7), &[&append(2, 1), &append(1, 1)]);
        assert_eq!(span(&recent, 6), None);
        assert_eq!(span(&recent, 7), Some((8, 10, 3)));
        assert_eq!(span(&recent, 9), Some((10, 10, 1)));
        assert_eq!(span(&recent, 10), Some((0, 0, 0)));
        assert_eq!(recent.end(), Some(Position(10)));
        let beyond = recent.piece(&after(12)).unwrap();
        assert_eq!((beyond.place, beyond.end), (Position(12), Position(10)));
    }

    #[test]
    fn a_write_of_unknown_outcome_is_asked_of_the_database() {
        let recent = Recent::default();
        recent.writing().committed(Position(0), &[&append(2, 1)]);
        let writing = recent.writing();
        assert_eq!(span(&recent, 0), Some((1, 2, 2)), "what is durable stays readable meanwhile");
        assert_eq!(recent.end(), Some(Position(2)));
        drop(writing);
        assert_eq!(span(&recent, 0), None);
        assert_eq!(recent.end(), None);
        // It was written after all, and another behind it: what lies between isn't here.
        recent.writing().committed(Position(5), &[&append(1, 1)]);
        assert_eq!(span(&recent, 0), None);
        assert_eq!(span(&recent, 5), Some((6, 6, 1)));
        // It was not: what was here is still what the journal has.
        drop(recent.writing());
        recent.writing().committed(Position(6), &[&append(1, 1)]);
        assert_eq!(span(&recent, 5), Some((6, 7, 2)));
    }

    #[test]
    fn the_oldest_go_by_count_and_by_bytes() {
        let recent = Recent::default();
        recent.writing().committed(Position(0), &[&append(EVENTS_MAX + 3, 1)]);
        assert_eq!(span(&recent, 2), None);
        assert_eq!(span(&recent, 3), Some((4, EVENTS_MAX as u64 + 3, EVENTS_MAX)));
        let recent = Recent::default();
        recent.writing().committed(Position(0), &[&append(5, BYTES_MAX / 4)]);
        assert_eq!(span(&recent, 0), None);
        assert_eq!(span(&recent, 1), Some((2, 5, 4)));
    }
}
