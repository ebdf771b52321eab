//! Reading the journal for somebody who follows it: a part of it, a bounded piece at a time, and
//! past events that can't be read.

use std::fmt;
use std::sync::Arc;

use coppice_core::TenantId;
use coppice_core::{EntityId, EntityKind, Position, Sequence, StoredEvent, StreamId, StreamKey};

/// Which events somebody follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventScope {
    /// Whose.
    pub tenant: TenantId,
    /// Of one kind, or of all.
    pub kind: Option<EntityKind>,
    /// Of one entity, or of all.
    pub id: Option<EntityId>,
}

impl EventScope {
    /// Whether a stream's events are in it.
    #[must_use]
    pub fn holds(&self, key: &StreamKey) -> bool {
        *key.tenant() == self.tenant
            && self.kind.as_ref().is_none_or(|kind| kind == key.kind())
            && self.id.as_ref().is_none_or(|id| id == key.id())
    }

    /// The only stream whose events are in it, where kind and id say which.
    #[must_use]
    pub fn stream(&self) -> Option<StreamKey> {
        let (kind, id) = (self.kind.clone()?, self.id.clone()?);
        Some(StreamKey::new(self.tenant.clone(), kind, id))
    }

    /// Whether an event that can't be read may be one of its own: by its entity, or by its stream
    /// where no more is known of it.
    #[must_use]
    pub fn misses(&self, event: &UnreadableEvent) -> bool {
        match &event.key {
            Some(key) => self.holds(key),
            None => self.stream().is_some_and(|key| Some(key.stream()) == event.stream),
        }
    }
}

/// A piece of the journal that is asked for.
#[derive(Debug, Clone)]
pub struct JournalRead {
    /// Whose events; all where it is none.
    pub scope: Option<EventScope>,
    /// Events after this place.
    pub after: Position,
    /// Where the scope is one stream: the reader has its events up to this one.
    pub after_sequence: Sequence,
    /// So many events at most.
    pub events_max: usize,
    /// Events up to so many bytes of payload, and one where that one is larger.
    pub bytes_max: u64,
    /// So many places are looked at, at most, where the scope is more than one stream.
    pub span: u64,
}

/// An event that is there and can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableEvent {
    /// Its place in the journal.
    pub position: Position,
    /// Its stream, where that reads.
    pub stream: Option<StreamId>,
    /// Its entity, where that is known.
    pub key: Option<StreamKey>,
    /// What is wrong with it.
    pub problem: Box<str>,
}

impl fmt::Display for UnreadableEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event at position {} can not be read", self.position)
    }
}

/// One event of a piece: shared, for many follow the same.
pub type FollowedEvent = Result<Arc<StoredEvent>, UnreadableEvent>;

/// A piece of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalPiece {
    /// Its events, in order of position.
    pub events: Vec<FollowedEvent>,
    /// Everything up to here was looked at.
    pub place: Position,
    /// Where the journal ended.
    pub end: Position,
}
