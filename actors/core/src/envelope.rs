//! What the journal keeps of an event, and the chain that ties a stream's events together.
//!
//! **Invariant:** `hash` covers every field of the record, the payload's bytes as stored, and the
//! hash before it; the first event continues the stream's genesis, which is made of its key. So an
//! event can't be altered, left out, reordered or moved to another stream without the chain
//! saying so.

use std::sync::Arc;

use crate::hash::{Hash, Hasher};
use crate::ids::{CommandId, CorrelationId, EventId, Position, Sequence, StreamKey, SubjectId};
use crate::time::Timestamp;

/// The type of the event that ends a stream: its entity was deleted, and nothing follows. The shell
/// writes and reads it for every kind; its payload is an empty object.
pub const TOMBSTONE: &str = "coppice.deleted.v1";

/// Where a stream ends: the last sequence and the hash at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamHead {
    /// Sequence of the last event; 0 for an empty stream.
    pub sequence: Sequence,
    /// Hash of the last event; the genesis of the stream while it is empty.
    pub hash: Hash,
}

impl StreamHead {
    /// The head of a stream that has no events.
    #[must_use]
    pub fn genesis(key: &StreamKey) -> Self {
        let hash = Hasher::new("coppice.genesis.v1").fixed(*key.stream().0.as_bytes()).finish();
        Self { sequence: Sequence(0), hash }
    }
}

/// The parts of an event that don't depend on where it ends up in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBody {
    /// Dotted lower-case name with its version, such as `counter.added.v1`.
    pub event_type: Box<str>,
    /// The payload as it is stored: JSON text, hashed byte for byte.
    pub payload: Box<str>,
    /// When it was decided.
    pub recorded_at: Timestamp,
    /// The command that caused it.
    pub causation: CommandId,
    /// The conversation that it belongs to.
    pub correlation: CorrelationId,
    /// The workflow that it belongs to.
    pub workflow: Option<Box<str>>,
    /// The policy bundle in force when it was decided. Shared, for most events of a node name one.
    pub policy_bundle: Option<Arc<str>>,
    /// Whose personal data the payload holds.
    pub subject: Option<SubjectId>,
    /// The key that the personal data is sealed under.
    pub key_id: Option<Box<str>>,
}

/// An event in its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// Its place in the stream.
    pub sequence: Sequence,
    /// The hash of the event before it.
    pub previous_hash: Hash,
    /// The hash of this event.
    pub hash: Hash,
    /// What happened.
    pub body: EventBody,
}

impl EventRecord {
    /// Chains a body to the head of its stream.
    #[must_use]
    pub fn chain(head: StreamHead, body: EventBody) -> Self {
        let sequence = head.sequence.next();
        let hash = hash_of(sequence, head.hash, &body);
        Self { sequence, previous_hash: head.hash, hash, body }
    }

    /// The hash that the record should have by its content.
    #[must_use]
    pub fn computed_hash(&self) -> Hash {
        hash_of(self.sequence, self.previous_hash, &self.body)
    }

    /// The head of the stream once this event is its last.
    #[must_use]
    pub const fn head(&self) -> StreamHead {
        StreamHead { sequence: self.sequence, hash: self.hash }
    }

    /// The event's id: a UUID of its hash.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        EventId(self.hash.to_uuid())
    }
}

fn hash_of(sequence: Sequence, previous: Hash, body: &EventBody) -> Hash {
    Hasher::new("coppice.event.v1")
        .fixed(previous.0)
        .number(sequence.0)
        .fixed(body.recorded_at.as_micros().to_be_bytes())
        .fixed(*body.causation.0.as_bytes())
        .fixed(*body.correlation.0.as_bytes())
        .optional(body.workflow.as_deref())
        .optional(body.policy_bundle.as_deref())
        .optional(body.subject.as_ref().map(SubjectId::as_str))
        .optional(body.key_id.as_deref())
        .text(&body.event_type)
        .text(&body.payload)
        .finish()
}

/// An event as it is read back from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the whole journal.
    pub position: Position,
    /// Its stream.
    pub key: StreamKey,
    /// The event itself.
    pub record: EventRecord,
}
