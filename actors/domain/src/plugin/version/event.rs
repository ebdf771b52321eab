//! What can happen to a version of a plugin.

use std::collections::BTreeMap;

use coppice_core::{DecodeError, DomainEvent, Json, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a version is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the node's own process.
    InProcess,
    /// At an address.
    Http(Box<str>),
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It does all that it should.
    Healthy,
    /// It works, and not all of it.
    Degraded,
    /// It is of no use.
    Unhealthy,
}

/// `plugin.registered.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The manifest, in canonical JSON.
    pub manifest: Json,
    /// Where it is called.
    pub place: Place,
    /// Who said so.
    pub by: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// `plugin.moved.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Where it is called from now on.
    pub place: Place,
    /// Who said so.
    pub by: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// `plugin.health_changed.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChanged {
    /// As a whole.
    pub status: Health,
    /// The same of its parts.
    pub components: BTreeMap<Box<str>, Health>,
    /// For people.
    pub message: Option<Box<str>>,
    /// When.
    pub at: Timestamp,
}

/// `plugin.deregistered.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Who said so.
    pub by: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// `plugin.drained.v1`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emptied {
    /// Calls that were given up on.
    pub left: u32,
    /// When.
    pub at: Timestamp,
}

/// The events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It is known from now on.
    Registered(Registered),
    /// It is called elsewhere.
    Moved(Moved),
    /// It is better or worse than before.
    HealthChanged(HealthChanged),
    /// No new call is given to it.
    Deregistered(Left),
    /// None of its calls is waited for any more.
    Drained(Emptied),
}

const REGISTERED: &str = "plugin.registered.v1";
const MOVED: &str = "plugin.moved.v1";
const HEALTH_CHANGED: &str = "plugin.health_changed.v1";
const DEREGISTERED: &str = "plugin.deregistered.v1";
const DRAINED: &str = "plugin.drained.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Registered(_) => REGISTERED,
            Self::Moved(_) => MOVED,
            Self::HealthChanged(_) => HEALTH_CHANGED,
            Self::Deregistered(_) => DEREGISTERED,
            Self::Drained(_) => DRAINED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Registered(event) => serde_json::to_string(event),
            Self::Moved(event) => serde_json::to_string(event),
            Self::HealthChanged(event) => serde_json::to_string(event),
            Self::Deregistered(event) => serde_json::to_string(event),
            Self::Drained(event) => serde_json::to_string(event),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let event = match event_type {
            REGISTERED => serde_json::from_str(payload).map(Self::Registered),
            MOVED => serde_json::from_str(payload).map(Self::Moved),
            HEALTH_CHANGED => serde_json::from_str(payload).map(Self::HealthChanged),
            DEREGISTERED => serde_json::from_str(payload).map(Self::Deregistered),
            DRAINED => serde_json::from_str(payload).map(Self::Drained),
            other => return Err(DecodeError::UnknownType(other.to_owned())),
        };
        event.map_err(DecodeError::payload(event_type))
    }
}
