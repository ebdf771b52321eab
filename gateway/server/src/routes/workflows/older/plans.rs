//! Plans that are looked at before they are carried out: workflows that wait until they are told to
//! begin.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::older::{PlanExecute, PlanStep, PlanView, TaskStart, TaskStarted};
use coppice_api::workflow::{StepView, WorkflowView};
use coppice_core::Json;
use serde_json::Value;

use super::super::command::{self, arguments, missing};
use super::super::submit::{Work, arrived, begun_with, take};
use super::super::{BEGIN, Params, SUBMIT, VIEW, Working, look};
use super::{planned, word};
use crate::exchange::Exchange;
use crate::openapi::older::FAMILY;
use crate::openapi::{Answer, Operation, parameters, shape};
use crate::problem::Fault;
use crate::routes::{answer, entities};

pub(super) const CREATE: Operation = Operation {
    path: "/plan/create",
    name: "older_create_plan",
    family: FAMILY,
    summary: "Plans a task without carrying it out.",
    notes: "As `POST /v1/tasks` with `waits`. Members beside the named ones are parameters.",
    parameters: &[parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<TaskStart>),
    answers: &[Answer::with(201, "It is durable and waits.", shape::<PlanView>)],
    ..SUBMIT
};

pub(super) const PLAN: Operation = Operation {
    path: "/plan/{id}",
    name: "older_view_plan",
    family: FAMILY,
    summary: "A plan with what the planner found.",
    answers: &[Answer::json("The plan.", shape::<PlanView>)],
    ..VIEW
};

pub(super) const EXECUTE: Operation = Operation {
    path: "/plan/execute",
    name: "older_execute_plan",
    family: FAMILY,
    summary: "Carries a plan out.",
    notes: "A plan is carried out once, however often that is asked for, so it needs no key. Policy is \
        asked once more about what was planned.",
    parameters: &[],
    body: Some(shape::<PlanExecute>),
    answers: &[Answer::with(202, "It begins, or has begun before.", shape::<TaskStarted>)],
    ..BEGIN
};

/// `POST /plan/create`
pub(super) async fn create(State(working): State<Working>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match created(&working, &exchange, &parts, body).await {
        Ok(plan) => {
            let place = format!("/plan/{}", plan.plan_id);
            begun_with(answer(&exchange, Ok(plan)), StatusCode::CREATED, &place)
        }
        Err(fault) => fault.respond(&exchange),
    }
}

async fn created(
    working: &Working,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<PlanView, Fault> {
    let arrived = arrived(working, exchange, parts, body).await?;
    let work = Work { waits: true, ..planned(working, &arrived)? };
    let (tenant, id) =
        (arrived.command.admitted.principal.tenant.clone(), arrived.command.id.clone());
    let deadline = arrived.command.admitted.deadline;
    take(working, arrived, work).await?;
    let view = look::view(working, exchange, tenant, id, deadline).await;
    view.map_err(Fault::behind_a_commit)?.map(shown).ok_or_else(missing)
}

/// `GET /plan/{id}`
pub(super) async fn view(
    State(working): State<Working>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let looked = look::looked(&working, &exchange, params, &parts).await;
    answer(&exchange, looked.map(shown))
}

fn shown(view: WorkflowView) -> PlanView {
    let planning = view.planning.as_ref().map(Json::value);
    let found = |name: &str| planning.as_ref().and_then(|found| found.get(name)).cloned();
    let (analysis, policy): (Option<Value>, Option<Value>) = (found("analysis"), found("policy"));
    let step = |step: StepView| PlanStep {
        step_id: step.id,
        step_type: step.capability,
        requires_approval: step.approval,
    };
    PlanView {
        plan_id: view.id.clone(),
        task_id: view.id,
        status: word(&view.status).to_owned(),
        task_type: view.task_type,
        steps: view.steps.into_iter().map(step).collect(),
        analysis,
        policy,
        created_at: view.submitted_at,
    }
}

/// `POST /plan/execute`
pub(super) async fn execute(State(working): State<Working>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match executed(&working, &exchange, &parts, body).await {
        Ok(started) => {
            let place = format!("/task/{}", started.task_id);
            begun_with(answer(&exchange, Ok(started)), StatusCode::ACCEPTED, &place)
        }
        Err(fault) => fault.respond(&exchange),
    }
}

async fn executed(
    working: &Working,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<TaskStarted, Fault> {
    let mut arrived = arrived(working, exchange, parts, body).await?;
    let PlanExecute { plan_id } = arguments(&arrived.body)?;
    arrived.command.id = entities::entity_id(&plan_id)?;
    // It is the plan's id and none that was drawn for this; and a key would be one for each plan.
    arrived.command.begins = false;
    (arrived.command.command_id, arrived.command.keyed) = (exchange.fresh_command_id(), false);
    let begun = command::told_to_begin(working, &arrived.command).await?;
    Ok(TaskStarted { task_id: begun.id, status: word(&begun.status).to_owned() })
}
