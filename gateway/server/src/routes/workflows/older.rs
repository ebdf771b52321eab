//! Older paths of tasks and workflows, in the words that their clients know.
//!
//! | Here | `/v1` |
//! |---|---|
//! | `pending` | `pending`, `queued` |
//! | `executing` | `running` |
//! | `waiting_approval` | the same |
//! | `completed` | `success` |
//! | `rejected` | the same |
//! | `failed` | `failed`, `partial`, `cancelled`, `skipped`: whatever isn't all that was asked for |

mod plans;
mod records;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::older::{
    ObjectiveGiven, ObjectiveTaken, TaskStart, TaskStarted, TaskStatus, TaskStep,
};
use coppice_api::workflow::{ApprovalRequest, Budget, StepView, WorkflowList, WorkflowView};
use coppice_core::Json;
use coppice_domain::workflow::planner::GENERIC;
use serde_json::{Value, json};

use super::command::{arguments, decided};
use super::submit::{Arrived, Taken, Work, arrived, begun_with, budget_of, take, unplanned};
use super::{CANCEL, DECIDE, LIST, Params, SUBMIT, VIEW, Working, command, lists, look};
use crate::exchange::Exchange;
use crate::openapi::older::{FAMILY, alias};
use crate::openapi::{Answer, Operation, Routes, parameters, shape};
use crate::planning::Task;
use crate::problem::Fault;
use crate::routes::answer;
use crate::workflows::ACTIVE;

/// The asset of `budget_cents`.
const CENTS: &str = "USD";

const START: Operation = Operation {
    path: "/task/start",
    name: "older_start_task",
    family: FAMILY,
    summary: "Plans a task and begins it.",
    notes: "As `POST /v1/tasks`. Members beside the named ones are parameters.",
    body: Some(shape::<TaskStart>),
    answers: &[
        Answer::with(202, "It is durable and begins.", shape::<TaskStarted>),
        Answer::json("It has ended within the time of `Prefer: wait`.", shape::<TaskStarted>),
    ],
    ..SUBMIT
};

const TASK: Operation = Operation {
    path: "/task/{id}",
    name: "older_view_task",
    family: FAMILY,
    summary: "A task with where it stands.",
    answers: &[Answer::json("The task.", shape::<TaskStatus>)],
    ..VIEW
};

const STATUS: Operation = alias("/task/{id}/status", "older_view_task_status", TASK);

const APPROVE: Operation = Operation {
    path: "/task/{id}/approve",
    name: "older_approve_task",
    family: FAMILY,
    body: Some(shape::<ApprovalRequest>),
    answers: &[Answer::json("It is decided.", shape::<TaskStarted>)],
    ..DECIDE
};

const OBJECTIVE: Operation = Operation {
    path: "/workflows",
    name: "older_submit_objective",
    family: FAMILY,
    summary: "Begins a workflow for an objective.",
    notes: "By the generic plan, unless another is named.",
    parameters: &[parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<ObjectiveGiven>),
    answers: &[Answer::with(201, "It is durable and begins.", shape::<ObjectiveTaken>)],
    ..SUBMIT
};

const ACTIVE_ONES: Operation = Operation {
    path: "/workflows",
    name: "older_list_workflows",
    family: FAMILY,
    summary: "The tenant's workflows that haven't ended, the newest first.",
    answers: &[Answer::json("A page.", shape::<WorkflowList>)],
    ..LIST
};

const WORKFLOW: Operation = alias("/workflows/{id}", "older_view_workflow", VIEW);
const CANCEL_WORKFLOW: Operation = alias("/workflows/{id}/cancel", "older_cancel_workflow", CANCEL);

pub(super) fn routes(routes: Routes<Working>) -> Routes<Working> {
    routes
        .on(&START, start)
        .on(&TASK, view)
        .on(&STATUS, view)
        .on(&APPROVE, approve)
        .on(&plans::CREATE, plans::create)
        .on(&plans::PLAN, plans::view)
        .on(&plans::EXECUTE, plans::execute)
        .on(&records::EXECUTE, records::execute)
        .on(&records::EXECUTION, records::execution)
        .on(&records::LOGS, records::logs)
        .on(&OBJECTIVE, objective)
        .on(&ACTIVE_ONES, active)
        .on(&WORKFLOW, look::workflow)
        .on(&CANCEL_WORKFLOW, command::cancel)
}

/// A state in the words of the older clients.
fn word(state: &str) -> &'static str {
    match state {
        "pending" | "queued" => "pending",
        "running" => "executing",
        "waiting_approval" => "waiting_approval",
        "success" => "completed",
        "rejected" => "rejected",
        _ => "failed",
    }
}

/// `POST /task/start`
async fn start(State(working): State<Working>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match started(&working, &exchange, &parts, body).await {
        Ok(Taken::Begun(begun)) => {
            let place = format!("/task/{}", begun.id);
            let status = word(&begun.status).to_owned();
            let started = TaskStarted { task_id: begun.id, status };
            begun_with(answer(&exchange, Ok(started)), StatusCode::ACCEPTED, &place)
        }
        Ok(Taken::Ended(view)) => {
            let status = word(&view.status).to_owned();
            answer(&exchange, Ok(TaskStarted { task_id: view.id, status }))
        }
        Err(fault) => fault.respond(&exchange),
    }
}

async fn started(
    working: &Working,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<Taken, Fault> {
    let arrived = arrived(working, exchange, parts, body).await?;
    let work = planned(working, &arrived)?;
    take(working, arrived, work).await
}

/// A task as it was sent, with its plan.
fn planned(working: &Working, arrived: &Arrived<'_>) -> Result<Work, Fault> {
    let TaskStart { task_type, description, mut parameters, more } = arguments(&arrived.body)?;
    for (name, value) in more {
        if parameters.contains_key(&name) {
            let detail = format!("{name} stands among the parameters and beside them");
            return Err(Fault::new(codes::INVALID_BODY, detail));
        }
        parameters.insert(name, value);
    }
    let parameters = Value::Object(parameters);
    let (tenant, by) = (&arrived.command.admitted.principal.tenant, arrived.command.by());
    let task = Task {
        tenant: tenant.as_str(),
        by: &by,
        task_type: &task_type,
        parameters: &parameters,
        trusted: true,
    };
    let planned = working.planner.plan(&task).map_err(|error| unplanned(&error))?;
    Ok(Work {
        objective: if description.is_empty() { task_type.clone() } else { description },
        task_type: Some(task_type),
        input: Some(parameters),
        priority: None,
        budget: budget_of(&planned),
        planned,
        waits: false,
    })
}

/// `GET /task/{id}` and `GET /task/{id}/status`
async fn view(State(working): State<Working>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let looked = look::looked(&working, &exchange, params, &parts).await;
    answer(&exchange, looked.map(shown))
}

fn shown(view: WorkflowView) -> TaskStatus {
    let step = |step: StepView| TaskStep {
        step_id: step.id,
        step_type: step.capability,
        status: word(&step.status).to_owned(),
        result: step.output.as_ref().map(Json::value),
        error: step.error.map(|error| error.code),
    };
    let latest = view.steps.iter().filter_map(|step| step.finished_at).max();
    TaskStatus {
        status: word(&view.status).to_owned(),
        state: view.status,
        task_type: view.task_type,
        description: view.objective,
        plan_id: view.plan,
        user_id: view.source.by,
        current_step: (view.steps_over + 1).min(view.steps_total),
        total_steps: view.steps_total,
        waiting_approval: view.approvals,
        created_at: view.submitted_at,
        updated_at: view.ended_at.or(latest).unwrap_or(view.submitted_at),
        steps: view.steps.into_iter().map(step).collect(),
        task_id: view.id,
    }
}

/// `POST /task/{id}/approve`
async fn approve(State(working): State<Working>, params: Params, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let decided = decided(&working, &exchange, params, (&parts, body)).await;
    let shown = decided.map(|accepted| TaskStarted {
        task_id: accepted.id,
        status: word(&accepted.status).to_owned(),
    });
    answer(&exchange, shown)
}

/// `POST /workflows`
async fn objective(State(working): State<Working>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match objected(&working, &exchange, &parts, body).await {
        Ok(id) => {
            let place = format!("/workflows/{id}");
            let taken = ObjectiveTaken { id, status: "PENDING".to_owned() };
            begun_with(answer(&exchange, Ok(taken)), StatusCode::CREATED, &place)
        }
        Err(fault) => fault.respond(&exchange),
    }
}

async fn objected(
    working: &Working,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<String, Fault> {
    let arrived = arrived(working, exchange, parts, body).await?;
    let asked: ObjectiveGiven = arguments(&arrived.body)?;
    let parameters = asked.parameters.unwrap_or_else(|| json!({}));
    let (tenant, by) = (&arrived.command.admitted.principal.tenant, arrived.command.by());
    let name = asked.plan.as_deref().unwrap_or(GENERIC);
    let task = Task {
        tenant: tenant.as_str(),
        by: &by,
        task_type: name,
        parameters: &parameters,
        trusted: true,
    };
    let planned = working.planner.plan_by(name, &task).map_err(|error| unplanned(&error))?;
    let cents = |amount| Budget { amount, asset: CENTS.to_owned() };
    let work = Work {
        objective: asked.objective,
        task_type: None,
        input: Some(parameters),
        priority: None,
        budget: asked.budget_cents.map(cents).or_else(|| budget_of(&planned)),
        planned,
        waits: false,
    };
    match take(working, arrived, work).await? {
        Taken::Begun(begun) => Ok(begun.id),
        Taken::Ended(view) => Ok(view.id),
    }
}

/// `GET /workflows`
async fn active(State(working): State<Working>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, lists::listed_of(&working, &parts, &exchange, ACTIVE).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_that_is_not_all_that_was_asked_for_reads_as_completed() {
        for (state, told) in [
            ("pending", "pending"),
            ("queued", "pending"),
            ("running", "executing"),
            ("waiting_approval", "waiting_approval"),
            ("success", "completed"),
            ("rejected", "rejected"),
            ("partial", "failed"),
            ("failed", "failed"),
            ("cancelled", "failed"),
            ("skipped", "failed"),
            ("anything", "failed"),
        ] {
            assert_eq!(word(state), told, "{state}");
        }
    }
}
