//! What an alarm can be told, by callers and by the system.

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, EffectId, EffectMode, EffectOutcome, TimerId, Timestamp};
use serde::Deserialize;

use super::event::Answer;

/// Sets a timer, or moves the one of that name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The timer's name within the alarm.
    pub timer: String,
    /// Milliseconds from now.
    pub in_ms: u32,
    /// How late it may be found and still ring, in milliseconds; for ever if unset.
    #[serde(default)]
    pub grace_ms: Option<u32>,
    /// What may be done where it isn't known whether the bell was heard.
    #[serde(default = "retry")]
    pub mode: EffectMode,
    /// A counter that every ring adds one to.
    #[serde(default)]
    pub counter: Option<String>,
}

const fn retry() -> EffectMode {
    EffectMode::Retry
}

/// Takes a timer off.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clear {
    /// The timer's name within the alarm.
    pub timer: String,
}

/// Gives up every ring that has not been answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {}

/// What became of a ring's effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// Which.
    pub effect: EffectId,
    /// How it ended.
    pub answer: Answer,
}

/// An alarm's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `set`
    Set(Set),
    /// `clear`
    Clear(Clear),
    /// `silence`
    Silence(Silence),
    /// A timer is due; only the system says so.
    Ring {
        /// Which.
        timer: TimerId,
        /// Since when.
        due: Timestamp,
    },
    /// An effect has ended; only the system says so.
    Settle(Settle),
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "set" => Ok(Command::Set(parse_body(body)?)),
        "clear" => Ok(Command::Clear(parse_body(body)?)),
        "silence" => Ok(Command::Silence(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}

/// Whether a bell that must ring at most once was heard is left to an operator.
pub(super) fn settle(effect: &EffectId, outcome: &EffectOutcome) -> Option<Settle> {
    let answer = match outcome {
        EffectOutcome::Done { .. } => Answer::Heard,
        EffectOutcome::Failed { .. } => Answer::Unheard,
        EffectOutcome::Unknown { .. } => return None,
    };
    Some(Settle { effect: effect.clone(), answer })
}
