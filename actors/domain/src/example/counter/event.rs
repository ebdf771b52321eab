//! What can happen to a counter.

use coppice_core::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};

/// `counter.added.v1`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// How much was added.
    pub n: i64,
}

/// A counter's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Something was added.
    Added(Added),
}

const ADDED: &str = "counter.added.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Added(_) => ADDED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Added(added) => serde_json::to_string(added),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        match event_type {
            ADDED => serde_json::from_str(payload)
                .map(Self::Added)
                .map_err(DecodeError::payload(event_type)),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }
}
