//! What can happen to a transfer.

use coppice_core::{DecodeError, DomainEvent, EffectId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::treasury::money::{Amount, Asset};
use crate::treasury::names::Name;

/// `transfer.reserved.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The account that pays.
    pub from: Box<str>,
    /// The account that is paid.
    pub to: Box<str>,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// From when on it can only expire.
    pub expires: Timestamp,
    /// The limits that hold the amount until it ends.
    pub limits: Vec<Box<str>>,
    /// For which workflow.
    pub workflow: Option<Name>,
    /// Who is paid.
    pub merchant: Name,
    /// For what kind of thing.
    pub category: Name,
}

/// `transfer.moved.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The account that paid.
    pub from: Box<str>,
    /// The account that was paid.
    pub to: Box<str>,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub asset: Asset,
    /// For which workflow.
    pub workflow: Option<Name>,
}

/// `transfer.posted.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// How much of it moved.
    pub amount: Amount,
    /// For which workflow.
    pub workflow: Option<Name>,
}

/// `transfer.voided.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voided {
    /// For which workflow.
    pub workflow: Option<Name>,
}

/// `transfer.expired.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// For which workflow.
    pub workflow: Option<Name>,
}

/// `transfer.expiry_due.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryDue {
    /// The effect that asks for the commit that ends it.
    pub effect: EffectId,
    /// The transfer, as the handler is told.
    pub transfer: Box<str>,
}

/// `transfer.expiry_put_off.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryPutOff {
    /// When it is tried again.
    pub until: Timestamp,
}

/// A transfer's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its amount was set aside.
    Reserved(Reserved),
    /// It moved at once.
    Moved(Moved),
    /// It, or a part of it, moved.
    Posted(Posted),
    /// It was given up.
    Voided(Voided),
    /// Its time was over.
    Expired(Expired),
    /// Its time is over, and it is to be ended.
    ExpiryDue(ExpiryDue),
    /// It could not be ended yet.
    ExpiryPutOff(ExpiryPutOff),
}

const RESERVED: &str = "transfer.reserved.v1";
const MOVED: &str = "transfer.moved.v1";
const POSTED: &str = "transfer.posted.v1";
const VOIDED: &str = "transfer.voided.v1";
const EXPIRED: &str = "transfer.expired.v1";
const EXPIRY_DUE: &str = "transfer.expiry_due.v1";
const EXPIRY_PUT_OFF: &str = "transfer.expiry_put_off.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Reserved(_) => RESERVED,
            Self::Moved(_) => MOVED,
            Self::Posted(_) => POSTED,
            Self::Voided(_) => VOIDED,
            Self::Expired(_) => EXPIRED,
            Self::ExpiryDue(_) => EXPIRY_DUE,
            Self::ExpiryPutOff(_) => EXPIRY_PUT_OFF,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Reserved(event) => serde_json::to_string(event),
            Self::Moved(event) => serde_json::to_string(event),
            Self::Posted(event) => serde_json::to_string(event),
            Self::Voided(event) => serde_json::to_string(event),
            Self::Expired(event) => serde_json::to_string(event),
            Self::ExpiryDue(event) => serde_json::to_string(event),
            Self::ExpiryPutOff(event) => serde_json::to_string(event),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let event = match event_type {
            RESERVED => serde_json::from_str(payload).map(Self::Reserved),
            MOVED => serde_json::from_str(payload).map(Self::Moved),
            POSTED => serde_json::from_str(payload).map(Self::Posted),
            VOIDED => serde_json::from_str(payload).map(Self::Voided),
            EXPIRED => serde_json::from_str(payload).map(Self::Expired),
            EXPIRY_DUE => serde_json::from_str(payload).map(Self::ExpiryDue),
            EXPIRY_PUT_OFF => serde_json::from_str(payload).map(Self::ExpiryPutOff),
            other => return Err(DecodeError::UnknownType(other.to_owned())),
        };
        event.map_err(DecodeError::payload(event_type))
    }
}
