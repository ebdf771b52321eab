//! What can happen to the switches.

use coppice_core::{DecodeError, DomainEvent, Target, Timestamp};
use serde::{Deserialize, Serialize};

/// What was said about a target; the payload of both events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What it is about.
    pub target: Target,
    /// Why.
    pub reason: Box<str>,
    /// Who said so.
    pub by: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// The events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A target was stopped.
    Stopped(Said),
    /// It goes on.
    Resumed(Said),
}

const STOPPED: &str = "system_control.stopped.v1";
const RESUMED: &str = "system_control.resumed.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Stopped(_) => STOPPED,
            Self::Resumed(_) => RESUMED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Stopped(said) | Self::Resumed(said) => serde_json::to_string(said),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let said = || serde_json::from_str(payload).map_err(DecodeError::payload(event_type));
        match event_type {
            STOPPED => said().map(Self::Stopped),
            RESUMED => said().map(Self::Resumed),
            other => Err(DecodeError::UnknownType(other.to_owned())),
        }
    }
}
