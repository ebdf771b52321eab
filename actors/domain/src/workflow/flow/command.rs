//! What a workflow can be told, by the platform's routes and by the system.

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, EffectId, EffectOutcome, Json, TimerId};
use serde::{Deserialize, Serialize};

use super::super::plan::Plan;
use super::event::{Budget, Source};

/// Begins a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// What is to be reached, for people.
    pub objective: String,
    /// The kind of task that it was planned for.
    #[serde(default)]
    pub task_type: Option<String>,
    /// What steps refer to as `$input`.
    #[serde(default = "Json::empty")]
    pub input: Json,
    /// P0 to P3.
    #[serde(default = "normal")]
    pub priority: Priority,
    /// What it may spend.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Where it came from.
    #[serde(default)]
    pub source: Source,
    /// What the planner found.
    #[serde(default)]
    pub planning: Option<Json>,
    /// The steps.
    pub plan: Plan,
    /// Whether nothing begins before [`Begin`].
    #[serde(default)]
    pub waits: bool,
}

/// Begins a workflow that waits for it. One that began, by itself or before, is told so.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// Who says so.
    pub by: String,
    /// What policy was asked and said.
    #[serde(default)]
    pub policy: Option<Json>,
}

/// How urgent work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Priority {
    /// Before everything else.
    P0,
    /// Soon.
    #[serde(alias = "HIGH")]
    P1,
    /// As usual.
    #[default]
    #[serde(alias = "NORMAL")]
    P2,
    /// When there is time.
    P3,
}

impl Priority {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
        }
    }
}

const fn normal() -> Priority {
    Priority::P2
}

/// Says whether a step may run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Which step; the only one that waits where unset.
    #[serde(default)]
    pub step: Option<String>,
    /// Whether it may.
    pub approved: bool,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Who decides.
    pub by: String,
}

/// Starts nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Who asks.
    pub by: String,
}

/// A workflow's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `submit`
    Submit(Box<Submit>),
    /// `begin`
    Begin(Begin),
    /// `decide`
    Decide(Decide),
    /// `cancel`
    Cancel(Cancel),
    /// An effect has ended; only the system says so.
    Settle {
        /// Which.
        effect: EffectId,
        /// How.
        outcome: EffectOutcome,
    },
    /// A timer is due; only the system says so.
    Ring {
        /// Which.
        timer: TimerId,
    },
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "submit" => Ok(Command::Submit(parse_body(body)?)),
        "begin" => Ok(Command::Begin(parse_body(body)?)),
        "decide" => Ok(Command::Decide(parse_body(body)?)),
        "cancel" => Ok(Command::Cancel(parse_body(body)?)),
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}
