//! What a delivery can be told.

use coppice_core::entity::parse_body;
use coppice_core::{CommandError, EffectId, EffectOutcome};
use serde::{Deserialize, Serialize};

use super::super::event::NormalisedEvent;
use super::super::routing::Route;

/// What the planner's answer is recorded as where it names no workflow.
const UNREADABLE: &str = "planner_answer_unreadable";

/// The longest reason of a failure that is kept, in bytes: a sentence or two.
const DETAIL_BYTES_MAX: usize = 1_024;

/// Takes a message up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receive {
    /// The source's own id of it.
    pub delivery: String,
    /// SHA-256 of the body as it came, in hexadecimal.
    pub body_sha256: String,
    /// What it says.
    pub event: NormalisedEvent,
    /// Where it goes; nowhere if no rule matched.
    #[serde(default)]
    pub route: Option<Route>,
}

/// A delivery's commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `receive`
    Receive(Box<Receive>),
    /// A workflow was made of it; only the system says so.
    Planned {
        /// The call that made it.
        effect: EffectId,
        /// Which workflow.
        workflow: String,
    },
    /// No workflow can be made of it; only the system says so.
    PlanFailed {
        /// The call that was to make one.
        effect: EffectId,
        /// A stable code.
        code: String,
        /// The same for people.
        detail: String,
    },
}

/// What the planner answers.
#[derive(Deserialize)]
struct Answer {
    workflow: String,
}

pub(super) fn parse(name: &str, body: &[u8]) -> Result<Command, CommandError> {
    match name {
        "receive" => {
            let receive: Receive = parse_body(body)?;
            let hash = &receive.body_sha256;
            if hash.len() != 64 || !hash.bytes().all(|byte| b"0123456789abcdef".contains(&byte)) {
                let detail = "body_sha256 is 64 hexadecimal digits in lower case";
                return Err(CommandError::Body(detail.to_owned()));
            }
            Ok(Command::Receive(Box::new(receive)))
        }
        other => Err(CommandError::UnknownCommand(other.to_owned())),
    }
}

/// Whether a call took effect that may or may not have is left to an operator.
pub(super) fn planned(effect: &EffectId, outcome: &EffectOutcome) -> Option<Command> {
    let effect = effect.clone();
    match outcome {
        EffectOutcome::Done { response } => match serde_json::from_str::<Answer>(response) {
            Ok(Answer { workflow }) => Some(Command::Planned { effect, workflow }),
            Err(error) => Some(Command::PlanFailed {
                effect,
                code: UNREADABLE.to_owned(),
                detail: shortened(&error.to_string()),
            }),
        },
        EffectOutcome::Failed { code, detail } => {
            Some(Command::PlanFailed { effect, code: code.to_string(), detail: shortened(detail) })
        }
        EffectOutcome::Unknown { .. } => None,
    }
}

fn shortened(detail: &str) -> String {
    detail[..detail.floor_char_boundary(DETAIL_BYTES_MAX)].to_owned()
}
