//! `/v1/workflows` and `/v1/tasks`: the main job. A task is a client's handle on a workflow: its id
//! is the workflow's, and what a client sends is planned first.
//!
//! **Invariant:** a workflow's id follows from the caller's idempotency key, so a repeat meets the
//! same workflow, also after a planner that has learned something since.

mod command;
mod lists;
mod look;
mod older;
mod progress;
mod submit;
mod tasks;
mod wait;

use coppice_api::codes;
use coppice_api::workflow::{
    ApprovalRequest, BeginRequest, CancelRequest, WorkflowAccepted, WorkflowList, WorkflowRequest,
    WorkflowView,
};
use coppice_core::Rejection;
use coppice_domain::workflow::flow::WorkflowError;

use super::Params;
use crate::auth::Scope;
use crate::openapi::{Answer, Operation, Parameter, Routes, Verb, faults, parameters, shape};
use crate::planning::Planner;
use crate::state::{AppState, JournalAccess};

/// The kind.
const KIND: &str = "workflow";

/// What these routes can reach.
#[derive(Clone)]
pub(super) struct Working {
    pub(super) app: AppState,
    pub(super) journal: JournalAccess,
    pub(super) planner: Planner,
}

const FAMILY: &str = "workflows";

const ID: Parameter = Parameter { description: "The workflow.", ..parameters::ID };

/// What the node itself finds in a plan or a task.
const SUBMITTING: &[coppice_api::Code] = &[codes::PLAN_NOT_FOUND, codes::POLICY_DENIED];

/// What policy finds in a plan that has waited.
const BEGINNING: &[coppice_api::Code] = &[codes::POLICY_DENIED, codes::POLICY_UNAVAILABLE];

const MISSING: &[coppice_api::Code] = &[codes::WORKFLOW_NOT_FOUND, codes::INVALID_ENTITY_ID];

const PREFER: Parameter = parameters::header(
    "Prefer",
    "`wait=N` (RFC 7240): answers once it has ended, or after N seconds.",
    parameters::TEXT,
);

const SUBMIT: Operation = Operation {
    method: Verb::Post,
    path: "/v1/workflows",
    name: "submit_workflow",
    family: FAMILY,
    summary: "Begins a workflow, by a plan that is known by name or brought along.",
    notes: "A plan brought along is `{\"name\", \"steps\": [{\"id\", \"needs\", \"plugin\", \
        \"capability\", \"input\", ...}]}`. Steps that need each other are refused with \
        `circular_dependency` and the way round. With `waits` it is only planned, until it is told to \
        begin; that is not waited for.",
    scope: Some(Scope::WorkflowsWrite),
    parameters: &[parameters::IDEMPOTENCY_KEY, PREFER],
    body: Some(shape::<WorkflowRequest>),
    answers: &[
        Answer::with(201, "It is durable and begins.", shape::<WorkflowAccepted>),
        Answer::json("It has ended within the time of `Prefer: wait`.", shape::<WorkflowView>),
    ],
    faults: &[faults::ASKING, faults::CHANGING, faults::BODY, SUBMITTING],
};

const LIST: Operation = Operation {
    method: Verb::Get,
    path: "/v1/workflows",
    name: "list_workflows",
    family: FAMILY,
    summary: "The tenant's workflows, the newest first.",
    notes: "",
    scope: Some(Scope::WorkflowsRead),
    parameters: &[
        parameters::query(
            "active",
            "`true` for those that haven't ended.",
            r#"{"type":"boolean"}"#,
        ),
        parameters::query("cursor", "What the page before gave.", parameters::TEXT),
        parameters::LIMIT,
        parameters::READ_AFTER,
    ],
    body: None,
    answers: &[Answer::json("A page.", shape::<WorkflowList>)],
    faults: &[&[codes::READ_MODEL_BEHIND]],
};

const VIEW: Operation = Operation {
    path: "/v1/workflows/{id}",
    name: "view_workflow",
    summary: "A workflow with its steps.",
    parameters: &[ID],
    answers: &[Answer::json("The workflow.", shape::<WorkflowView>)],
    faults: &[faults::ASKING, MISSING],
    ..LIST
};

const BEGIN: Operation = Operation {
    path: "/v1/workflows/{id}/begin",
    name: "begin_workflow",
    summary: "Begins a workflow that was submitted with `waits`.",
    notes: "One that has begun, by itself or before, goes on as it does. Policy is asked once more \
        about what was planned.",
    parameters: &[ID, parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<BeginRequest>),
    answers: &[Answer::with(202, "It begins, or has begun before.", shape::<WorkflowAccepted>)],
    faults: &[faults::ASKING, faults::CHANGING, faults::BODY, MISSING, BEGINNING],
    ..SUBMIT
};

const CANCEL: Operation = Operation {
    path: "/v1/workflows/{id}/cancel",
    name: "cancel_workflow",
    summary: "Starts nothing more of a workflow; what is under way is awaited.",
    notes: "One that waits to be begun ends at once.",
    parameters: &[ID, parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<CancelRequest>),
    answers: &[Answer::with(202, "It will end.", shape::<WorkflowAccepted>)],
    faults: &[faults::ASKING, faults::CHANGING, faults::BODY, MISSING],
    ..SUBMIT
};

const DECIDE: Operation = Operation {
    path: "/v1/workflows/{id}/approvals",
    name: "decide_approval",
    summary: "Says whether a step that waits for it may run.",
    notes: "A refusal ends the workflow as rejected.",
    scope: Some(Scope::WorkflowsApprove),
    parameters: &[ID, parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<ApprovalRequest>),
    answers: &[Answer::json("It is decided.", shape::<WorkflowAccepted>)],
    faults: &[faults::ASKING, faults::CHANGING, faults::BODY, MISSING],
    ..SUBMIT
};

/// The routes, on a node that plans.
pub(super) fn routes() -> Routes<Working> {
    let routes = Routes::new()
        .on(&SUBMIT, submit::workflow)
        .on(&LIST, lists::workflows)
        .on(&VIEW, look::workflow)
        .on(&BEGIN, command::begin)
        .on(&CANCEL, command::cancel)
        .on(&DECIDE, command::decide);
    older::routes(tasks::routes(routes))
}

/// The routes of a workflow's progress, on a node whose journal can be read.
pub(super) fn progress_routes(
    routes: Routes<super::journal::Reading>,
) -> Routes<super::journal::Reading> {
    progress::routes(routes)
}

/// The code of a workflow that isn't there, as its kind gives it.
fn not_submitted() -> &'static str {
    WorkflowError::NotSubmitted.code()
}
