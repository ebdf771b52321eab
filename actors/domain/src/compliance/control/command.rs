//! What the switches can be told.

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, Target};
use serde::Deserialize;

/// Somebody's word about a target.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// What it is about.
    pub target: Target,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub by: String,
}

/// The commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `stop`
    Stop(Word),
    /// `resume`
    Resume(Word),
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "stop" => Ok(Command::Stop(parse_body(body)?)),
        "resume" => Ok(Command::Resume(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
