//! What can happen to a breaker.

use coppice_core::{CommandId, DecodeError, DomainEvent, Timestamp};
use serde::{Deserialize, Serialize};

/// That something was noted; the payload of the events that only count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// When.
    pub at: Timestamp,
}

/// Why a breaker opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Calls failed in a row.
    Failures,
    /// The probe failed.
    Probe,
    /// The plugin said again and again that it is of no use.
    Health,
}

/// `breaker.opened.v1`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Why.
    pub cause: Cause,
    /// When.
    pub at: Timestamp,
    /// From when on a probe is admitted.
    pub until: Timestamp,
}

/// `breaker.probe_admitted.v1`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeAdmitted {
    /// The call, by the id of the command that asked for it.
    pub call: CommandId,
    /// When.
    pub at: Timestamp,
    /// When it gives way, if nobody reports of it.
    pub until: Timestamp,
}

/// `breaker.closed.v1`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
}

/// A breaker's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A call failed, and not yet as many in a row as open it.
    Failed(Noted),
    /// A call went well after some that failed.
    Recovered(Noted),
    /// The plugin said that it is of no use.
    Unhealthy(Noted),
    /// It said that it is of use again.
    Healthy(Noted),
    /// Calls are refused from now on.
    Opened(Opened),
    /// One call is made to see.
    ProbeAdmitted(ProbeAdmitted),
    /// Calls are made again.
    Closed(Closed),
}

const FAILED: &str = "breaker.failed.v1";
const RECOVERED: &str = "breaker.recovered.v1";
const UNHEALTHY: &str = "breaker.unhealthy.v1";
const HEALTHY: &str = "breaker.healthy.v1";
const OPENED: &str = "breaker.opened.v1";
const PROBE_ADMITTED: &str = "breaker.probe_admitted.v1";
const CLOSED: &str = "breaker.closed.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Failed(_) => FAILED,
            Self::Recovered(_) => RECOVERED,
            Self::Unhealthy(_) => UNHEALTHY,
            Self::Healthy(_) => HEALTHY,
            Self::Opened(_) => OPENED,
            Self::ProbeAdmitted(_) => PROBE_ADMITTED,
            Self::Closed(_) => CLOSED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Failed(noted)
            | Self::Recovered(noted)
            | Self::Unhealthy(noted)
            | Self::Healthy(noted) => serde_json::to_string(noted),
            Self::Opened(event) => serde_json::to_string(event),
            Self::ProbeAdmitted(event) => serde_json::to_string(event),
            Self::Closed(event) => serde_json::to_string(event),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let event = match event_type {
            FAILED => serde_json::from_str(payload).map(Self::Failed),
            RECOVERED => serde_json::from_str(payload).map(Self::Recovered),
            UNHEALTHY => serde_json::from_str(payload).map(Self::Unhealthy),
            HEALTHY => serde_json::from_str(payload).map(Self::Healthy),
            OPENED => serde_json::from_str(payload).map(Self::Opened),
            PROBE_ADMITTED => serde_json::from_str(payload).map(Self::ProbeAdmitted),
            CLOSED => serde_json::from_str(payload).map(Self::Closed),
            other => return Err(DecodeError::UnknownType(other.to_owned())),
        };
        event.map_err(DecodeError::payload(event_type))
    }
}
