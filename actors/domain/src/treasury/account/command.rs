//! What an account can be told.

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Cause, Side};
use crate::treasury::money::Amount;
use crate::treasury::names::Name;

/// Opens a funding account, or a budget with its ceiling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The ceiling of a budget.
    #[serde(default)]
    pub ceiling: Option<Amount>,
}

/// Sets an amount aside for a transfer, on the side that pays or the one that is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// For which transfer.
    pub transfer: Box<str>,
    /// Which way.
    pub side: Side,
    /// How much.
    pub amount: Amount,
    /// From when on it is dead.
    pub expires: Timestamp,
}

/// Draws on a limit for a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// For which transfer.
    pub transfer: Box<str>,
    /// How much.
    pub amount: Amount,
    /// From when on it is dead.
    pub expires: Timestamp,
    /// The ceiling in force, for a limit that doesn't keep its own.
    #[serde(default)]
    pub ceiling: Option<Amount>,
    /// The length of a velocity's window, in seconds.
    #[serde(default)]
    pub window_s: Option<u32>,
}

/// Moves what is held, or a part of it, and releases the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// Which transfer's.
    pub transfer: Box<str>,
    /// How much of it moves.
    pub amount: Amount,
    /// The account on the other side; a limit has none.
    #[serde(default)]
    pub other: Option<Box<str>>,
    /// For which workflow.
    #[serde(default)]
    pub workflow: Option<Name>,
}

/// Gives back what is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Which transfer's.
    pub transfer: Box<str>,
    /// Why.
    pub cause: Cause,
}

/// Moves an amount that was not held before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enter {
    /// For which transfer.
    pub transfer: Box<str>,
    /// Which way.
    pub side: Side,
    /// How much.
    pub amount: Amount,
    /// The account on the other side.
    pub other: Box<str>,
    /// For which workflow.
    #[serde(default)]
    pub workflow: Option<Name>,
}

/// Asks how much room there is now. Nothing is changed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// The ceiling in force, for a limit that doesn't keep its own.
    #[serde(default)]
    pub ceiling: Option<Amount>,
    /// The length of a velocity's window, in seconds.
    #[serde(default)]
    pub window_s: Option<u32>,
}

/// An account's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `open`
    Open(Open),
    /// `hold`
    Hold(Hold),
    /// `draw`
    Draw(Draw),
    /// `post`
    Post(Post),
    /// `release`
    Release(Release),
    /// `enter`
    Enter(Enter),
    /// `look`
    Look(Look),
}

impl Command {
    /// The command's name and body, which `parse` reads.
    ///
    /// # Errors
    /// None that can come about: texts and numbers always serialize.
    pub fn encode(&self) -> Result<(&'static str, String), serde_json::Error> {
        Ok(match self {
            Self::Open(open) => ("open", serde_json::to_string(open)?),
            Self::Hold(hold) => ("hold", serde_json::to_string(hold)?),
            Self::Draw(draw) => ("draw", serde_json::to_string(draw)?),
            Self::Post(post) => ("post", serde_json::to_string(post)?),
            Self::Release(release) => ("release", serde_json::to_string(release)?),
            Self::Enter(enter) => ("enter", serde_json::to_string(enter)?),
            Self::Look(look) => ("look", serde_json::to_string(look)?),
        })
    }
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "open" => Ok(Command::Open(parse_body(body)?)),
        "hold" => Ok(Command::Hold(parse_body(body)?)),
        "draw" => Ok(Command::Draw(parse_body(body)?)),
        "post" => Ok(Command::Post(parse_body(body)?)),
        "release" => Ok(Command::Release(parse_body(body)?)),
        "enter" => Ok(Command::Enter(parse_body(body)?)),
        "look" => Ok(Command::Look(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
