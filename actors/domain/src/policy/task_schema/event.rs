//! What can happen to a task schema.

use coppice_core::{DecodeError, DomainEvent, Timestamp};
use serde::{Deserialize, Serialize};

/// `task_schema.registered.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Its number, from 1.
    pub version: u64,
    /// The schema, as canonical JSON text.
    pub schema: Box<str>,
    /// `sha256:` and the hash of that text.
    pub hash: Box<str>,
    /// Who registered it, with which request.
    pub by: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// A task schema's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A version was registered.
    Registered(Registered),
}

const REGISTERED: &str = "task_schema.registered.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Registered(_) => REGISTERED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Registered(registered) => serde_json::to_string(registered),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let misfit = || DecodeError::payload(event_type);
        match event_type {
            REGISTERED => serde_json::from_str(payload).map(Self::Registered).map_err(misfit()),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }
}
