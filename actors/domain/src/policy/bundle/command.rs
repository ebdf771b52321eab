//! What the published bundles are told.

use coppice_core::CommandError;
use coppice_core::entity::parse_body;
use serde::Deserialize;

use super::event::Files;

/// Publishes a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Its files, which whoever sends this has checked.
    pub files: Files,
    /// The version that they give themselves.
    pub version: String,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub by: String,
}

/// The commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `publish`
    Publish(Publish),
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "publish" => Ok(Command::Publish(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
