//! `/v1/tasks`: what a client asks for, planned and carried out as a workflow of the same id.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use coppice_api::workflow::{
    ApprovalRequest, TaskAccepted, TaskList, TaskRequest, TaskView, WorkflowAccepted, WorkflowView,
};

use super::command::{arguments, cancelled, decided};
use super::submit::{Taken, Work, arrived, begun_with, budget_of, take, unplanned};
use super::{DECIDE, LIST, Params, SUBMIT, VIEW, Working, lists, look};
use crate::exchange::Exchange;
use crate::openapi::{Answer, Operation, Routes, Verb, parameters, shape};
use crate::planning::Task;
use crate::problem::Fault;
use crate::routes::answer;

const FAMILY: &str = "tasks";

const TASK: Operation = Operation {
    path: "/v1/tasks",
    name: "submit_task",
    family: FAMILY,
    summary: "Plans a task and begins it.",
    notes: "The plan is that of its type, or the generic one. With `Prefer: wait=N` the answer \
        waits for the end. With `waits` it is only planned, and answered at once.",
    body: Some(shape::<TaskRequest>),
    answers: &[
        Answer::with(202, "It is durable and begins.", shape::<TaskAccepted>),
        Answer::json("It has ended within the time of `Prefer: wait`.", shape::<TaskView>),
    ],
    ..SUBMIT
};

const TASKS: Operation = Operation {
    path: "/v1/tasks",
    name: "list_tasks",
    family: FAMILY,
    summary: "The tenant's tasks, the newest first.",
    answers: &[Answer::json("A page.", shape::<TaskList>)],
    ..LIST
};

const LOOK: Operation = Operation {
    path: "/v1/tasks/{id}",
    name: "view_task",
    family: FAMILY,
    summary: "A task with its result and its workflow.",
    answers: &[Answer::json("The task.", shape::<TaskView>)],
    ..VIEW
};

const CANCEL: Operation = Operation {
    method: Verb::Delete,
    path: "/v1/tasks/{id}",
    name: "cancel_task",
    family: FAMILY,
    summary: "Starts nothing more of a task; what is under way is awaited.",
    parameters: &[super::ID, parameters::IDEMPOTENCY_KEY],
    body: None,
    answers: &[Answer::with(202, "It will end.", shape::<TaskAccepted>)],
    ..super::CANCEL
};

const APPROVE: Operation = Operation {
    path: "/v1/tasks/{id}/approve",
    name: "approve_task",
    family: FAMILY,
    summary: "Says whether the step of a task that waits for it may run.",
    body: Some(shape::<ApprovalRequest>),
    answers: &[Answer::json("It is decided.", shape::<TaskAccepted>)],
    ..DECIDE
};

pub(super) fn routes(routes: Routes<Working>) -> Routes<Working> {
    routes
        .on(&TASK, submit)
        .on(&TASKS, list)
        .on(&LOOK, view)
        .on(&CANCEL, cancel)
        .on(&APPROVE, approve)
}

fn accepted(workflow: WorkflowAccepted) -> TaskAccepted {
    let WorkflowAccepted { id, status, repeated } = workflow;
    TaskAccepted { task_id: id, status, repeated }
}

/// The result is the output of the last step in the plan that gave one.
fn shown(workflow: WorkflowView) -> TaskView {
    let done = |step: &&coppice_api::workflow::StepView| {
        matches!(step.status.as_str(), "success" | "partial")
    };
    let result = workflow.steps.iter().rev().find(done).and_then(|step| step.output.clone());
    TaskView {
        task_id: workflow.id.clone(),
        status: workflow.status.clone(),
        result: result.filter(|_| workflow.ended_at.is_some()),
        workflow,
    }
}

/// `POST /v1/tasks`
async fn submit(State(working): State<Working>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match submitted(&working, &exchange, &parts, body).await {
        Ok(Taken::Begun(begun)) => {
            let place = format!("/v1/tasks/{}", begun.id);
            begun_with(answer(&exchange, Ok(accepted(begun))), StatusCode::ACCEPTED, &place)
        }
        Ok(Taken::Ended(view)) => answer(&exchange, Ok(shown(*view))),
        Err(fault) => fault.respond(&exchange),
    }
}

async fn submitted(
    working: &Working,
    exchange: &Exchange,
    parts: &axum::http::request::Parts,
    body: axum::body::Body,
) -> Result<Taken, Fault> {
    let arrived = arrived(working, exchange, parts, body).await?;
    let asked: TaskRequest = arguments(&arrived.body)?;
    let parameters = asked.parameters.unwrap_or_default();
    let by = arrived.command.by();
    let task = Task {
        tenant: arrived.command.admitted.principal.tenant.as_str(),
        by: &by,
        task_type: &asked.task_type,
        parameters: &parameters,
        trusted: true,
    };
    let planned = working.planner.plan(&task).map_err(|error| unplanned(&error))?;
    let work = Work {
        objective: asked.description,
        task_type: Some(asked.task_type.clone()),
        input: Some(parameters).filter(|input| !input.is_null()),
        priority: asked.priority,
        budget: asked.budget.or_else(|| budget_of(&planned)),
        planned,
        waits: asked.waits,
    };
    take(working, arrived, work).await
}

/// `GET /v1/tasks`
async fn list(State(working): State<Working>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let listed = lists::listed(&working, &parts, &exchange).await;
    let tasks =
        listed.map(|list| TaskList { tasks: list.workflows, next_cursor: list.next_cursor });
    answer(&exchange, tasks)
}

/// `GET /v1/tasks/{id}`
async fn view(State(working): State<Working>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, look::looked(&working, &exchange, params, &parts).await.map(shown))
}

/// `DELETE /v1/tasks/{id}`
async fn cancel(State(working): State<Working>, params: Params, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let cancelled = cancelled(&working, &exchange, params, (&parts, body)).await;
    let is_accepted = cancelled.is_ok();
    // What is under way is awaited, so it isn't over yet, unless nothing was.
    let mut response = answer(&exchange, cancelled.map(accepted));
    if is_accepted {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    response
}

/// `POST /v1/tasks/{id}/approve`
async fn approve(State(working): State<Working>, params: Params, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let decided = decided(&working, &exchange, params, (&parts, body)).await;
    answer(&exchange, decided.map(accepted))
}
