//! What can happen to an alarm.

use coppice_core::{DecodeError, DomainEvent, EffectId, EffectMode, TimerId, Timestamp};
use serde::{Deserialize, Serialize};

/// `alarm.timer_set.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerSet {
    /// Which timer.
    pub timer: TimerId,
    /// When it is due.
    pub due: Timestamp,
    /// How late it may be found and still ring, in milliseconds.
    pub grace_ms: Option<u32>,
    /// What may be done where it isn't known whether the bell was heard.
    pub mode: EffectMode,
    /// A counter that every ring adds one to.
    pub counter: Option<String>,
}

/// `alarm.cleared.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// Which timer.
    pub timer: TimerId,
}

/// `alarm.rung.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Which timer.
    pub timer: TimerId,
    /// When it was due.
    pub due: Timestamp,
}

/// `alarm.missed.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// Which timer.
    pub timer: TimerId,
    /// When it was due.
    pub due: Timestamp,
}

/// How a ring's effect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Somebody answered.
    Heard,
    /// Nobody did, or nobody wanted it.
    Unheard,
}

/// `alarm.settled.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Which effect.
    pub effect: EffectId,
    /// How it ended.
    pub answer: Answer,
}

/// `alarm.silenced.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silenced {
    /// The effects that nobody wants any more.
    pub effects: Vec<EffectId>,
}

/// An alarm's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A timer was set.
    TimerSet(TimerSet),
    /// A timer was taken off.
    Cleared(Cleared),
    /// A timer was due and rang.
    Rung(Rung),
    /// A timer was found too late.
    Missed(Missed),
    /// An effect of a ring has ended.
    Settled(Settled),
    /// Rings that had not been answered were given up.
    Silenced(Silenced),
}

const TIMER_SET: &str = "alarm.timer_set.v1";
const CLEARED: &str = "alarm.cleared.v1";
const RUNG: &str = "alarm.rung.v1";
const MISSED: &str = "alarm.missed.v1";
const SETTLED: &str = "alarm.settled.v1";
const SILENCED: &str = "alarm.silenced.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::TimerSet(_) => TIMER_SET,
            Self::Cleared(_) => CLEARED,
            Self::Rung(_) => RUNG,
            Self::Missed(_) => MISSED,
            Self::Settled(_) => SETTLED,
            Self::Silenced(_) => SILENCED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::TimerSet(event) => serde_json::to_string(event),
            Self::Cleared(event) => serde_json::to_string(event),
            Self::Rung(event) => serde_json::to_string(event),
            Self::Missed(event) => serde_json::to_string(event),
            Self::Settled(event) => serde_json::to_string(event),
            Self::Silenced(event) => serde_json::to_string(event),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let event = match event_type {
            TIMER_SET => serde_json::from_str(payload).map(Self::TimerSet),
            CLEARED => serde_json::from_str(payload).map(Self::Cleared),
            RUNG => serde_json::from_str(payload).map(Self::Rung),
            MISSED => serde_json::from_str(payload).map(Self::Missed),
            SETTLED => serde_json::from_str(payload).map(Self::Settled),
            SILENCED => serde_json::from_str(payload).map(Self::Silenced),
            other => return Err(DecodeError::UnknownType(other.to_owned())),
        };
        event.map_err(DecodeError::payload(event_type))
    }
}
