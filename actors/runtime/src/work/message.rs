//! Messages that the system itself sends to entities, and the ids that follow from them.
//!
//! **Invariant:** the same timer or effect has the same ids in every life of its entity and on
//! every node, so that a repeat is known for one.

use coppice_core::hash::Hasher;
use coppice_core::{CommandId, EffectId, EffectOutcome, StreamId, TimerId, Timestamp};
use uuid::Uuid;

/// A timer that is due, or what became of an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemMessage {
    /// A timer is due.
    Timer {
        /// Which.
        id: TimerId,
        /// Since when.
        due: Timestamp,
    },
    /// An effect has ended.
    Outcome {
        /// Which.
        id: EffectId,
        /// Its ordinal, which tells it from an earlier one of the same id.
        ordinal: u64,
        /// How.
        outcome: EffectOutcome,
    },
}

impl SystemMessage {
    /// Names the message within the whole system.
    #[must_use]
    pub fn message_id(&self, stream: StreamId) -> Uuid {
        match self {
            Self::Timer { id, due } => timer_key(stream, id, *due),
            Self::Outcome { id, ordinal, .. } => outcome_key(effect_key(stream, id, *ordinal)),
        }
    }

    /// Names what is out of delivery where this message is: the timer, or the whole effect.
    #[must_use]
    pub fn subject_id(&self, stream: StreamId) -> Uuid {
        match self {
            Self::Timer { id, due } => timer_key(stream, id, *due),
            Self::Outcome { id, ordinal, .. } => effect_key(stream, id, *ordinal),
        }
    }

    /// The id of the command that it becomes.
    #[must_use]
    pub fn command_id(&self, stream: StreamId) -> CommandId {
        CommandId(self.message_id(stream))
    }

    /// The timer's or the effect's id, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Timer { id, .. } => &id.0,
            Self::Outcome { id, .. } => &id.0,
        }
    }
}

/// Names a setting of a timer: set anew, it is another message.
#[must_use]
pub fn timer_key(stream: StreamId, id: &TimerId, due: Timestamp) -> Uuid {
    Hasher::new("coppice.timer.v1")
        .fixed(*stream.0.as_bytes())
        .text(&id.0)
        .fixed(due.as_micros().to_be_bytes())
        .finish()
        .to_uuid()
}

/// Names the outcome of an effect.
#[must_use]
pub fn outcome_key(effect: Uuid) -> Uuid {
    Hasher::new("coppice.outcome.v1").fixed(*effect.as_bytes()).finish().to_uuid()
}

/// The idempotency key of an effect: what the outside is told, and the id of the command where the
/// outside is another entity.
#[must_use]
pub fn effect_key(stream: StreamId, id: &EffectId, ordinal: u64) -> Uuid {
    Hasher::new("coppice.effect.v1")
        .fixed(*stream.0.as_bytes())
        .text(&id.0)
        .number(ordinal)
        .finish()
        .to_uuid()
}
