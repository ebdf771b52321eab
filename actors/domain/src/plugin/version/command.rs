//! What a version of a plugin is told.

use std::collections::BTreeMap;

use coppice_core::CommandError;
use coppice_core::entity::parse_body;
use serde::Deserialize;
use serde_json::Value;

use super::event::{Health, Place};

/// Registers the version.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Its manifest, which whoever sends this has checked.
    pub manifest: Value,
    /// Where it is called.
    pub place: Place,
    /// Who says so.
    pub by: String,
}

/// Says how it says that it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportHealth {
    /// As a whole.
    pub status: Health,
    /// The same of its parts.
    #[serde(default)]
    pub components: BTreeMap<String, Health>,
    /// For people.
    #[serde(default)]
    pub message: Option<String>,
}

/// Takes it out of service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deregister {
    /// Who says so.
    pub by: String,
}

/// Says that none of its calls is under way any more, or is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drained {
    /// Calls that were given up on.
    pub left: u32,
}

/// The commands.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `register`
    Register(Register),
    /// `report_health`
    ReportHealth(ReportHealth),
    /// `deregister`
    Deregister(Deregister),
    /// `drained`
    Drained(Drained),
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "register" => Ok(Command::Register(parse_body(body)?)),
        "report_health" => Ok(Command::ReportHealth(parse_body(body)?)),
        "deregister" => Ok(Command::Deregister(parse_body(body)?)),
        "drained" => Ok(Command::Drained(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
