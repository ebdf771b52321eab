//! What can happen to an account.

use coppice_core::{DecodeError, DomainEvent, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Cause, Side};
use crate::treasury::money::{Amount, Asset};
use crate::treasury::names::{Class, Name};

/// `account.opened.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// What its amounts are of.
    pub asset: Asset,
    /// How it behaves.
    pub class: Class,
    /// The ceiling that it keeps, of a budget.
    pub ceiling: Option<Amount>,
}

/// `account.held.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// For which transfer.
    pub transfer: Box<str>,
    /// Which way.
    pub side: Side,
    /// How much.
    pub amount: Amount,
    /// From when on it is dead.
    pub expires: Timestamp,
    /// The ceiling that was in force, of a limit.
    pub ceiling: Option<Amount>,
}

/// `account.counted.v1`: an approval, in a velocity's window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// For which transfer.
    pub transfer: Box<str>,
    /// How much.
    pub amount: Amount,
    /// When it was approved.
    pub at: Timestamp,
    /// The ceiling that was in force.
    pub ceiling: Amount,
    /// The window that was in force, in seconds.
    pub window_s: u32,
}

/// `account.entered.v1`: one side of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    /// Of which transfer.
    pub transfer: Box<str>,
    /// The account on the other side.
    pub other: Box<str>,
    /// How much came; negative where it went.
    pub amount: Amount,
    /// What had been held for it, all of which is released.
    pub held: Amount,
    /// What is there after it.
    pub balance: Amount,
    /// For which workflow.
    pub workflow: Option<Name>,
}

/// `account.drawn.v1`: what was held of a limit is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// By which transfer.
    pub transfer: Box<str>,
    /// How much of it.
    pub amount: Amount,
    /// What had been held for it, all of which is released.
    pub held: Amount,
    /// All that is used up after it.
    pub spent: Amount,
}

/// `account.released.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// Which transfer's.
    pub transfer: Box<str>,
    /// How much had been held.
    pub amount: Amount,
    /// Why.
    pub cause: Cause,
}

/// An account's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It came to be.
    Opened(Opened),
    /// An amount was set aside.
    Held(Held),
    /// An approval was counted.
    Counted(Counted),
    /// Money came or went.
    Entered(Entered),
    /// A limit was used up in part.
    Drawn(Drawn),
    /// What was set aside is free again.
    Released(Released),
}

const OPENED: &str = "account.opened.v1";
const HELD: &str = "account.held.v1";
const COUNTED: &str = "account.counted.v1";
const ENTERED: &str = "account.entered.v1";
const DRAWN: &str = "account.drawn.v1";
const RELEASED: &str = "account.released.v1";

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        match self {
            Self::Opened(_) => OPENED,
            Self::Held(_) => HELD,
            Self::Counted(_) => COUNTED,
            Self::Entered(_) => ENTERED,
            Self::Drawn(_) => DRAWN,
            Self::Released(_) => RELEASED,
        }
    }

    fn encode(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Opened(event) => serde_json::to_string(event),
            Self::Held(event) => serde_json::to_string(event),
            Self::Counted(event) => serde_json::to_string(event),
            Self::Entered(event) => serde_json::to_string(event),
            Self::Drawn(event) => serde_json::to_string(event),
            Self::Released(event) => serde_json::to_string(event),
        }
    }

    fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
        let event = match event_type {
            OPENED => serde_json::from_str(payload).map(Self::Opened),
            HELD => serde_json::from_str(payload).map(Self::Held),
            COUNTED => serde_json::from_str(payload).map(Self::Counted),
            ENTERED => serde_json::from_str(payload).map(Self::Entered),
            DRAWN => serde_json::from_str(payload).map(Self::Drawn),
            RELEASED => serde_json::from_str(payload).map(Self::Released),
            other => return Err(DecodeError::UnknownType(other.to_owned())),
        };
        event.map_err(DecodeError::payload(event_type))
    }
}
