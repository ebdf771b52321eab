//! What a counter can be told.

use coppice_core::CommandError;
use coppice_core::entity::parse_body;
use serde::Deserialize;

/// Adds to the counter; negative numbers subtract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// How much.
    pub n: i64,
}

/// A counter's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `add`
    Add(Add),
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "add" => Ok(Command::Add(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
