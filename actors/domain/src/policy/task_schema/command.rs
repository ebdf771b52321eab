//! What a task schema can be told.

use coppice_core::CommandError;
use coppice_core::entity::parse_body;
use serde::Deserialize;

/// Registers a schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The schema, JSON text.
    pub schema: String,
    /// Who registers it, with which request.
    pub by: String,
}

/// A task schema's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `register`
    Register(Register),
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "register" => Ok(Command::Register(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
