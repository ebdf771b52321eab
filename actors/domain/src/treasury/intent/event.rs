//! What can happen to an intent.

use coppice_core::{DecodeError, DomainEvent, Json, Timestamp};
use serde::{Deserialize, Serialize};

use crate::treasury::money::{Amount, Asset};
use crate::treasury::names::Name;
use crate::treasury::reason::Reason;

/// `intent.created.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// The account that pays.
    pub from: Box<str>,
    /// The account that is paid.
    pub to: Box<str>,
    /// Who is paid.
    pub merchant: Name,
    /// For what kind of thing.
    pub category: Name,
    /// For how long it can be approved and posted, in seconds.
    pub ttl_s: u32,
    /// From when on it can't.
    pub expires: Timestamp,
    /// For which workflow.
    pub workflow: Option<Name>,
}

/// `intent.approved.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// What the policy was asked and said, whole.
    pub policy: Option<Json>,
    /// When.
    pub at: Timestamp,
}

/// `intent.denied.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// Why.
    pub reason: Reason,
    /// What the policy was asked and said, whole, where it was asked.
    pub policy: Option<Json>,
    /// When.
    pub at: Timestamp,
}

/// `intent.posted.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// How much of it moved.
    pub amount: Amount,
}

/// `intent.voided.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voided {}

/// `intent.expired.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {}

/// An intent's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants to spend.
    Created(Created),
    /// They may.
    Approved(Approved),
    /// They may not.
    Denied(Denied),
    /// They have.
    Posted(Posted),
    /// They took it back.
    Voided(Voided),
    /// Its time was over.
    Expired(Expired),
}

const CREATED: &str = "intent.created.v1";
const APPROVED: &str = "intent.approved.v1";
const DENIED: &str = "intent.denied.v1";
const POSTED: &str = "intent.posted.v1";
const VOIDED: &str = "intent.voided.v1";
const EXPIRED: &str = "intent.expired.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Created(_) => CREATED,
            Self::Approved(_) => APPROVED,
            Self::Denied(_) => DENIED,
            Self::Posted(_) => POSTED,
            Self::Voided(_) => VOIDED,
            Self::Expired(_) => EXPIRED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Created(event) => serde_json::to_string(event),
            Self::Approved(event) => serde_json::to_string(event),
            Self::Denied(event) => serde_json::to_string(event),
            Self::Posted(event) => serde_json::to_string(event),
            Self::Voided(event) => serde_json::to_string(event),
            Self::Expired(event) => serde_json::to_string(event),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let event = match event_type {
            CREATED => serde_json::from_str(payload).map(Self::Created),
            APPROVED => serde_json::from_str(payload).map(Self::Approved),
            DENIED => serde_json::from_str(payload).map(Self::Denied),
            POSTED => serde_json::from_str(payload).map(Self::Posted),
            VOIDED => serde_json::from_str(payload).map(Self::Voided),
            EXPIRED => serde_json::from_str(payload).map(Self::Expired),
            other => return Err(DecodeError::UnknownType(other.to_owned())),
        };
        event.map_err(DecodeError::payload(event_type))
    }
}
