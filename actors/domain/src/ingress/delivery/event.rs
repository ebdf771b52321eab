//! What can happen to a delivery.

use coppice_core::{DecodeError, DomainEvent, EffectId, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::event::NormalisedEvent;
use super::super::routing::Route;

/// `delivery.received.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The source's own id of it.
    pub delivery: String,
    /// SHA-256 of the body as it came, in hexadecimal.
    pub body_sha256: String,
    /// What it says.
    pub event: NormalisedEvent,
    /// Where it goes; nowhere if no rule matched.
    pub route: Option<Route>,
    /// When it came.
    pub at: Timestamp,
}

/// `delivery.planned.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The call that made the workflow.
    pub effect: EffectId,
    /// Which workflow.
    pub workflow: String,
}

/// `delivery.plan_failed.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFailed {
    /// The call that was to make one.
    pub effect: EffectId,
    /// A stable code.
    pub code: String,
    /// The same for people.
    pub detail: String,
}

/// A delivery's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message came.
    Received(Box<Received>),
    /// A workflow was made of it.
    Planned(Planned),
    /// No workflow can be made of it.
    PlanFailed(PlanFailed),
}

const RECEIVED: &str = "delivery.received.v1";
const PLANNED: &str = "delivery.planned.v1";
const PLAN_FAILED: &str = "delivery.plan_failed.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Received(_) => RECEIVED,
            Self::Planned(_) => PLANNED,
            Self::PlanFailed(_) => PLAN_FAILED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Received(event) => serde_json::to_string(event),
            Self::Planned(event) => serde_json::to_string(event),
            Self::PlanFailed(event) => serde_json::to_string(event),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let event = match event_type {
            RECEIVED => serde_json::from_str(payload).map(Self::Received),
            PLANNED => serde_json::from_str(payload).map(Self::Planned),
            PLAN_FAILED => serde_json::from_str(payload).map(Self::PlanFailed),
            other => return Err(DecodeError::UnknownType(other.to_owned())),
        };
        event.map_err(DecodeError::payload(event_type))
    }
}
