//! What the record of an erasure can be told.

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, EffectId};
use serde::Deserialize;

/// Asks for the erasure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who asks, with which request.
    pub by: String,
}

/// What became of the destruction; no caller can send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// Which of the record's effects.
    pub effect: EffectId,
    /// What the handler says, or the code of its failure.
    pub settled: Result<Box<str>, Box<str>>,
}

/// The commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `request`
    Request(Request),
    /// The outcome of the effect.
    Settle(Settle),
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "request" => Ok(Command::Request(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
