//! Why a workflow refuses.

use coppice_core::Rejection;
use thiserror::Error;

use super::super::plan::PlanFault;

/// The longest objective, in characters.
pub const OBJECTIVE_CHARS_MAX: usize = 2_000;

/// The largest input, in bytes: a webhook's compact form or a diff of a large change.
pub const INPUT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The longest reason of a decision or a cancellation, in bytes.
pub const REASON_BYTES_MAX: usize = 2_000;

/// A workflow's refusals.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorkflowError {
    /// It was submitted before.
    #[error("the workflow was submitted before")]
    Exists,
    /// It was never submitted.
    #[error("there is no such workflow")]
    NotSubmitted,
    /// Its plan can't be carried out.
    #[error("{0}")]
    Plan(PlanFault),
    /// The objective is empty or too long.
    #[error("an objective has 1 to {OBJECTIVE_CHARS_MAX} characters")]
    Objective,
    /// The input is no object, or too large.
    #[error("the input is an object of at most {INPUT_BYTES_MAX} bytes")]
    Input,
    /// The budget is nothing or less.
    #[error("a budget is more than nothing")]
    Budget,
    /// A step is named that doesn't wait for approval, or none is named and several or none do.
    #[error("{0}")]
    NoApproval(String),
    /// It has ended.
    #[error("the workflow has ended")]
    Over,
    /// A reason is too long.
    #[error("a reason has at most {REASON_BYTES_MAX} bytes")]
    Reason,
}

impl Rejection for WorkflowError {
    const CODES: &'static [&'static str] = &[
        "workflow_exists",
        "workflow_not_submitted",
        "plan_invalid",
        "circular_dependency",
        "workflow_objective",
        "workflow_input",
        "workflow_budget",
        "approval_not_pending",
        "workflow_ended",
        "workflow_reason",
    ];

    fn code(&self) -> &'static str {
        match self {
            Self::Exists => "workflow_exists",
            Self::NotSubmitted => "workflow_not_submitted",
            Self::Plan(PlanFault::Cycle(_)) => "circular_dependency",
            Self::Plan(
                PlanFault::Count(_)
                | PlanFault::Step { .. }
                | PlanFault::Twice(_)
                | PlanFault::Parallel
                | PlanFault::Name,
            ) => "plan_invalid",
            Self::Objective => "workflow_objective",
            Self::Input => "workflow_input",
            Self::Budget => "workflow_budget",
            Self::NoApproval(_) => "approval_not_pending",
            Self::Over => "workflow_ended",
            Self::Reason => "workflow_reason",
        }
    }
}
