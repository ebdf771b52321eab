//! What can happen to a workflow.
//!
//! Near one event per step: what follows from an outcome (which steps start next) is not recorded
//! but evolves from it. What a person or another system waits for is: that an approval is asked
//! for, and that the workflow has ended.

use coppice_core::{DecodeError, DomainEvent, Json, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::plan::Plan;
use super::graph::StepStatus;

/// Where work came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `api`, `github` or another way in.
    pub channel: String,
    /// What it is called there, such as a delivery's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// SHA-256 of the request as it came, in hex: a repeat of it is known by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_hash: Option<String>,
    /// Who asked: an API key, a token or a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What a workflow may spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// In minor units of the asset.
    pub amount: i64,
    /// The asset.
    pub asset: String,
}

/// `workflow.submitted.v1`; and `workflow.planned.v1`, of one that waits to be begun. It has a name of
/// its own so that a build that doesn't know of waiting stops at it, and begins nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The workflow's own id, for the requests that follow.
    pub workflow: String,
    /// What is to be reached, for people.
    pub objective: String,
    /// The kind of task that it was planned for, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_type: Option<String>,
    /// What steps refer to as `$input`.
    pub input: Json,
    /// P0 to P3.
    pub priority: String,
    /// What it may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Where it came from.
    pub source: Source,
    /// What the planner found: its analysis and what policy said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planning: Option<Json>,
    /// The steps.
    pub plan: Plan,
    /// When.
    pub at: Timestamp,
}

/// `workflow.begun.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Who said so.
    pub by: String,
    /// What policy was asked and said by then; it may be another word than when it was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Json>,
    /// When.
    pub at: Timestamp,
}

/// `workflow.approval_asked.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalAsked {
    /// For which step.
    pub step: String,
    /// Why: `plan`, `policy`, `policy_unavailable` or `money`.
    pub reason: String,
    /// For people, and what policy said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// `workflow.step_decided.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDecided {
    /// Which step.
    pub step: String,
    /// Whether it may run.
    pub approved: bool,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// `workflow.step_finished.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFinished {
    /// Which step.
    pub step: String,
    /// Success or partial.
    pub status: StepStatus,
    /// What others may use of it.
    pub output: Json,
    /// The same for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub result: String,
    /// SHA-256 of the canonical input.
    pub input_hash: String,
    /// SHA-256 of the canonical output.
    pub output_hash: String,
    /// Who carried it out, as `name@version`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plugin: String,
    /// What policy was asked and said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Json>,
    /// What the plugin said of the run: tokens, model, time, artifacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Json>,
    /// When.
    pub at: Timestamp,
}

/// `workflow.step_failed.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailed {
    /// Which step.
    pub step: String,
    /// A stable code.
    pub code: String,
    /// The same for people.
    pub detail: String,
    /// SHA-256 of the canonical input.
    pub input_hash: String,
    /// When it is tried again; unset where it failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// When.
    pub at: Timestamp,
}

/// `workflow.step_retried.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRetried {
    /// Which step.
    pub step: String,
}

/// `workflow.payment_held.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentHeld {
    /// For which step.
    pub step: String,
    /// The intent that was approved.
    pub intent: String,
}

/// How a reservation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// The money was moved.
    Posted,
    /// It was given back.
    Voided,
    /// It had run out before it was posted; nothing was moved.
    Expired,
    /// The treasury refused, and a person must look.
    Refused,
}

/// `workflow.payment_settled.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSettled {
    /// For which step.
    pub step: String,
    /// Which intent.
    pub intent: String,
    /// How.
    pub settlement: Settlement,
}

/// `workflow.cancelled.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelAsked {
    /// Why.
    pub reason: String,
    /// Who asked.
    pub by: String,
}

/// How a workflow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndStatus {
    /// Every step did what it should, or wasn't needed.
    Success,
    /// Some did.
    Partial,
    /// None did, or one failed that all depends on.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// An approval was refused.
    Rejected,
}

/// `workflow.ended.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub status: EndStatus,
    /// When it was submitted, for lists that are in that order.
    pub submitted_at: Timestamp,
    /// When.
    pub at: Timestamp,
}

macro_rules! events {
    ($($variant:ident($body:ty) = $name:literal, $doc:literal;)*) => {
        /// A workflow's events.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = $doc] $variant($body),)*
        }

        impl DomainEvent for Event {
            fn event_type(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            fn encode(&self) -> Result<String, serde_json::Error> {
                match self { $(Self::$variant(event) => serde_json::to_string(event),)* }
            }

            fn decode(event_type: &str, payload: &str) -> Result<Self, DecodeError> {
                let event = match event_type {
                    $($name => serde_json::from_str(payload).map(Self::$variant),)*
                    other => return Err(DecodeError::UnknownType(other.to_owned())),
                };
                event.map_err(DecodeError::payload(event_type))
            }
        }
    };
}

events! {
    Submitted(Box<Submitted>) = "workflow.submitted.v1", "It was planned and begins.";
    Planned(Box<Submitted>) = "workflow.planned.v1", "It was planned and waits.";
    Begun(Begun) = "workflow.begun.v1", "One that waited begins.";
    ApprovalAsked(ApprovalAsked) = "workflow.approval_asked.v1", "A step waits for a person.";
    StepDecided(StepDecided) = "workflow.step_decided.v1", "A person has decided.";
    StepFinished(Box<StepFinished>) = "workflow.step_finished.v1", "A step's result is recorded.";
    StepFailed(StepFailed) = "workflow.step_failed.v1", "A try of a step failed.";
    StepRetried(StepRetried) = "workflow.step_retried.v1", "A failed step is tried again.";
    PaymentHeld(PaymentHeld) = "workflow.payment_held.v1", "Money is reserved for a step.";
    PaymentSettled(PaymentSettled) = "workflow.payment_settled.v1", "A reservation has ended.";
    CancelAsked(CancelAsked) = "workflow.cancel_asked.v1", "Nothing more is to start.";
    Ended(Ended) = "workflow.ended.v1", "Nothing more will happen.";
}
