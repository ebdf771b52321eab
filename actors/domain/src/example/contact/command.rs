//! What a contact can be told.

use std::fmt;

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, SubjectId};
use serde::Deserialize;

/// Says who the contact is, or says it anew.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Whose data it is: a pseudonym, which stays readable.
    pub subject: SubjectId,
    /// The person's name.
    pub name: String,
    /// The person's e-mail address.
    pub email: String,
}

/// Never the person: commands are printed into logs and panics.
impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Register").field("subject", &self.subject).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A contact's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `register`
    Register(Register),
    /// `call`
    Call,
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "register" => Ok(Command::Register(parse_body(body)?)),
        "call" => parse_body(body).map(|Nothing {}| Command::Call),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
