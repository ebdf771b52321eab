//! What a transfer can be told.

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, Timestamp};
use serde::{Deserialize, Serialize};

use crate::treasury::money::Amount;
use crate::treasury::names::Name;

/// Sets an intent's amount aside, to be moved later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserve {
    /// The account that pays.
    pub from: Box<str>,
    /// The account that is paid.
    pub to: Box<str>,
    /// How much.
    pub amount: Amount,
    /// From when on it can only expire.
    pub expires: Timestamp,
    /// The limits that hold the amount until it ends.
    pub limits: Vec<Box<str>>,
    /// For which workflow.
    #[serde(default)]
    pub workflow: Option<Name>,
    /// Who is paid.
    pub merchant: Name,
    /// For what kind of thing.
    pub category: Name,
}

/// Moves what is set aside, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// How much of it.
    pub amount: Amount,
}

/// Gives up what is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Void {}

/// Ends what is set aside, its time being over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expire {}

/// Moves an amount at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The account that pays.
    pub from: Box<str>,
    /// The account that is paid.
    pub to: Box<str>,
    /// How much.
    pub amount: Amount,
    /// For which workflow.
    #[serde(default)]
    pub workflow: Option<Name>,
}

/// A transfer's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `reserve`
    Reserve(Reserve),
    /// `post`
    Post(Post),
    /// `void`
    Void(Void),
    /// `expire`
    Expire(Expire),
    /// `move`
    Move(Move),
    /// Its time is over; only the system says so.
    Due,
    /// It was asked to be ended and isn't; only the system says so.
    PutOff,
}

impl Command {
    /// The command's name and body, which `parse` reads; none of what only the system says.
    ///
    /// # Errors
    /// None that can come about: texts and numbers always serialize.
    pub fn encode(&self) -> Result<Option<(&'static str, String)>, serde_json::Error> {
        Ok(Some(match self {
            Self::Reserve(reserve) => ("reserve", serde_json::to_string(reserve)?),
            Self::Post(post) => ("post", serde_json::to_string(post)?),
            Self::Void(void) => ("void", serde_json::to_string(void)?),
            Self::Expire(expire) => ("expire", serde_json::to_string(expire)?),
            Self::Move(moving) => ("move", serde_json::to_string(moving)?),
            Self::Due | Self::PutOff => return Ok(None),
        }))
    }
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "reserve" => Ok(Command::Reserve(parse_body(body)?)),
        "post" => Ok(Command::Post(parse_body(body)?)),
        "void" => Ok(Command::Void(parse_body(body)?)),
        "expire" => Ok(Command::Expire(parse_body(body)?)),
        "move" => Ok(Command::Move(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
