//! What can happen to an erasure.

use coppice_core::{DecodeError, DomainEvent, EffectId, Timestamp};
use serde::{Deserialize, Serialize};

/// `erasure.requested.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Who asked, with which request.
    pub by: Box<str>,
    /// When.
    pub at: Timestamp,
    /// The effect that carries it out.
    pub effect: EffectId,
}

/// `erasure.completed.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destroyed {
    /// The effect that carried it out.
    pub effect: EffectId,
    /// When it was recorded that the key is gone.
    pub at: Timestamp,
    /// What the handler said, JSON text: when the key was destroyed.
    pub response: Box<str>,
}

/// `erasure.failed.v1`: an operator gave it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The effect that was given up.
    pub effect: EffectId,
    /// When.
    pub at: Timestamp,
    /// The failure's code.
    pub code: Box<str>,
}

/// The events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody asked for it.
    Requested(Asked),
    /// The key is destroyed.
    Completed(Destroyed),
    /// It was given up; it can be asked for again.
    Failed(Failed),
}

const REQUESTED: &str = "erasure.requested.v1";
const COMPLETED: &str = "erasure.completed.v1";
const FAILED: &str = "erasure.failed.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Requested(_) => REQUESTED,
            Self::Completed(_) => COMPLETED,
            Self::Failed(_) => FAILED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Requested(asked) => serde_json::to_string(asked),
            Self::Completed(destroyed) => serde_json::to_string(destroyed),
            Self::Failed(failed) => serde_json::to_string(failed),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let misfit = || DecodeError::payload(event_type);
        match event_type {
            REQUESTED => serde_json::from_str(payload).map(Self::Requested).map_err(misfit()),
            COMPLETED => serde_json::from_str(payload).map(Self::Completed).map_err(misfit()),
            FAILED => serde_json::from_str(payload).map(Self::Failed).map_err(misfit()),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }
}
