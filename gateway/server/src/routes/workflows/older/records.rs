//! Steps that are carried out by themselves, and the records of steps with their hashes.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::older::{AuditLog, AuditLogs, Execution, StepGiven};
use coppice_api::workflow::WorkflowView;
use coppice_core::{CommandId, EntityId, EntityKind, Json, Sequence, StreamKey, TenantId};
use coppice_domain::workflow::Plan;
use coppice_domain::workflow::planner::Planned;
use serde_json::{Value, json};

use super::super::command::{arguments, missing};
use super::super::submit::{Work, arrived, take};
use super::super::{ID, KIND, Params, SUBMIT, VIEW, Working, look};
use super::word;
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::openapi::older::FAMILY;
use crate::openapi::{Answer, Operation, Parameter, parameters, shape};
use crate::problem::Fault;
use crate::routes::journal::unreadable;
use crate::routes::{answer, entities, param, unreadable_path};

/// Events that are read at once.
const PAGE: usize = 512;

/// Records of steps that are shown of one task. Whoever has larger ones pages through `/v1/audit`.
const LOGS_MAX: usize = 1_000;

/// How long a step that is carried out by itself is waited for: as long as its request lasts.
const STEP_PATIENCE: Duration = Duration::from_secs(3_600);

const STEP: Parameter = Parameter { name: "step_id", description: "The step.", ..parameters::ID };

pub(super) const EXECUTE: Operation = Operation {
    path: "/execute",
    name: "older_execute_step",
    family: FAMILY,
    summary: "Carries out one step by itself and waits for it.",
    notes: "A workflow of one step. The same task and step again are the first one.",
    parameters: &[],
    body: Some(shape::<StepGiven>),
    answers: &[
        Answer::json("It is over.", shape::<Execution>),
        Answer::with(202, "It waits for a person, or goes on.", shape::<Execution>),
    ],
    ..SUBMIT
};

pub(super) const EXECUTION: Operation = Operation {
    path: "/execution/{id}/{step_id}",
    name: "older_view_execution",
    family: FAMILY,
    summary: "The record of a step, of a task or one that was carried out by itself.",
    parameters: &[ID, STEP],
    answers: &[Answer::json("The record.", shape::<Execution>)],
    ..VIEW
};

pub(super) const LOGS: Operation = Operation {
    path: "/audit/{id}",
    name: "older_audit_logs",
    family: FAMILY,
    summary: "What was recorded of a task's steps, in the order of the plan.",
    notes: "The first thousand records; `/v1/audit/{id}` has all events, in pages.",
    answers: &[Answer::json("The records.", shape::<AuditLogs>)],
    ..VIEW
};

/// The workflow of a step that is carried out by itself: the same for the same names.
fn lone_step(tenant: &TenantId, task: &str, step: &str) -> CommandId {
    CommandId::from_idempotency_key(tenant, "POST /execute", &format!("{task}/{step}"))
}

/// A value as the input of a step, in which text that begins with a dollar sign would be a
/// reference.
fn literal(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('$') => Value::String(format!("${text}")),
        Value::Array(elements) => elements.into_iter().map(literal).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, literal(value))).collect()
        }
        other => other,
    }
}

/// `POST /execute`
pub(super) async fn execute(State(working): State<Working>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match executed(&working, &exchange, &parts, body).await {
        Ok((execution, is_over)) => {
            let mut response = answer(&exchange, Ok(execution));
            if !is_over {
                *response.status_mut() = StatusCode::ACCEPTED;
            }
            response
        }
        Err(fault) => fault.respond(&exchange),
    }
}

async fn executed(
    working: &Working,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<(Execution, bool), Fault> {
    let mut arrived = arrived(working, exchange, parts, body).await?.waiting(STEP_PATIENCE);
    let StepGiven { task_id, step } = arguments(&arrived.body)?;
    let tenant = arrived.command.admitted.principal.tenant.clone();
    let deadline = arrived.command.admitted.deadline;
    let command_id = lone_step(&tenant, &task_id, &step.step_id);
    let id = EntityId::new(&command_id.to_string()).map_err(|_| unreadable_path())?;
    arrived.command.id = id.clone();
    (arrived.command.command_id, arrived.command.keyed) = (command_id, true);
    // Its id follows from the step's: there may be one.
    arrived.command.begins = false;
    let plan = json!({"name": "execute", "steps": [{
        "id": step.step_id, "plugin": "builtin", "capability": step.step_type,
        "approval": step.requires_approval, "input": literal(Value::Object(step.parameters)),
    }]});
    let misfit = |error: serde_json::Error| Fault::new(codes::INVALID_BODY, error.to_string());
    let plan: Plan = serde_json::from_str(&plan.to_string()).map_err(misfit)?;
    let work = Work {
        objective: format!("{task_id}: {}", step.step_type),
        task_type: Some(step.step_type),
        input: None,
        priority: None,
        budget: None,
        planned: Planned { plan, planning: Json::null(), budget: None },
        waits: false,
    };
    take(working, arrived, work).await?;
    let view = look::view(working, exchange, tenant.clone(), id.clone(), deadline).await;
    let view = view.map_err(Fault::behind_a_commit)?.ok_or_else(missing)?;
    let is_over = view.ended_at.is_some();
    let record = record(working, &tenant, id, view, &step.step_id).await;
    Ok((record.map_err(Fault::behind_a_commit)?, is_over))
}

/// `GET /execution/{id}/{step_id}`
pub(super) async fn execution(
    State(working): State<Working>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, recorded(&working, &exchange, params, &parts).await)
}

async fn recorded(
    working: &Working,
    exchange: &Exchange,
    params: Params,
    parts: &Parts,
) -> Result<Execution, Fault> {
    let admitted = working.app.admit(parts, exchange, Scope::WorkflowsRead).await?;
    let (tenant, deadline) = (&admitted.principal.tenant, admitted.deadline);
    let params = params.map_err(|_| unreadable_path())?;
    let (task, step) = (param(&params, "id"), param(&params, "step_id"));
    let lone = EntityId::new(&lone_step(tenant, task, step).to_string());
    for id in [entities::entity_id(task)?, lone.map_err(|_| unreadable_path())?] {
        let view = look::view(working, exchange, tenant.clone(), id.clone(), deadline).await?;
        if let Some(view) = view {
            return record(working, tenant, id, view, step).await;
        }
    }
    Err(missing())
}

/// What is known of a workflow's step, with its hashes where it has run.
async fn record(
    working: &Working,
    tenant: &TenantId,
    id: EntityId,
    view: WorkflowView,
    step: &str,
) -> Result<Execution, Fault> {
    let task_id = view.id;
    let found = view.steps.into_iter().find(|known| known.id == step);
    let found = found.ok_or_else(|| {
        let detail = "the workflow has no such step";
        Fault::new(codes::WORKFLOW_NOT_FOUND, detail)
    })?;
    let mut hashes = None;
    if found.tries > 0 {
        for run in runs(working, tenant, id).await? {
            if run.step == step {
                hashes = Some((run.input_hash, run.output_hash));
            }
        }
    }
    let (input_hash, output_hash) = hashes.map_or((None, None), |(of, out)| (Some(of), out));
    Ok(Execution {
        task_id,
        step_id: found.id,
        step_type: found.capability,
        status: word(&found.status).to_owned(),
        result: found.output.as_ref().map(Json::value),
        input_hash,
        output_hash,
        timestamp: found.finished_at,
    })
}

/// A run of a step, as it is recorded.
struct Run {
    step: String,
    input_hash: String,
    output_hash: Option<String>,
    at: i64,
    event_hash: String,
}

/// The runs of a workflow's steps, the oldest first.
async fn runs(working: &Working, tenant: &TenantId, id: EntityId) -> Result<Vec<Run>, Fault> {
    let kind = EntityKind::new(KIND)
        .map_err(|error| Fault::internal("the kind has no name", error.to_string()))?;
    let key = StreamKey::new(tenant.clone(), kind, id);
    let (mut runs, mut after) = (Vec::new(), Sequence(0));
    loop {
        let page = working.journal.store.read_stream(&key, after, PAGE).await;
        let page = page.map_err(|error| unreadable(&error))?;
        let Some(last) = page.last() else { return Ok(runs) };
        after = last.record.sequence;
        for event in &page {
            let body = &event.record.body;
            let data: Value = serde_json::from_str(&body.payload)
                .map_err(|error| Fault::internal("an event does not read", error.to_string()))?;
            let text = |name: &str| data[name].as_str().map(str::to_owned);
            let (Some(step), Some(input_hash)) = (text("step"), text("input_hash")) else {
                continue;
            };
            runs.push(Run {
                step,
                input_hash,
                output_hash: text("output_hash"),
                at: body.recorded_at.as_micros(),
                event_hash: event.record.hash.to_string(),
            });
        }
    }
}

/// `GET /audit/{id}`
pub(super) async fn logs(
    State(working): State<Working>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, logged(&working, &exchange, params, &parts).await)
}

async fn logged(
    working: &Working,
    exchange: &Exchange,
    params: Params,
    parts: &Parts,
) -> Result<AuditLogs, Fault> {
    let admitted = working.app.admit(parts, exchange, Scope::WorkflowsRead).await?;
    let tenant = &admitted.principal.tenant;
    let params = params.map_err(|_| unreadable_path())?;
    let id = entities::entity_id(param(&params, "id"))?;
    let deadline = admitted.deadline;
    let view = look::view(working, exchange, tenant.clone(), id.clone(), deadline).await?;
    let view = view.ok_or_else(missing)?;
    let mut logs = Vec::new();
    for run in runs(working, tenant, id).await? {
        let Some(step_index) = view.steps.iter().position(|step| step.id == run.step) else {
            continue;
        };
        let status = if run.output_hash.is_some() { "completed" } else { "failed" };
        logs.push(AuditLog {
            task_id: view.id.clone(),
            step_index,
            step_id: run.step,
            step_type: view.steps[step_index].capability.clone(),
            input_hash: run.input_hash,
            output_hash: run.output_hash,
            status: status.to_owned(),
            timestamp: run.at,
            event_hash: run.event_hash,
        });
        if logs.len() == LOGS_MAX {
            break;
        }
    }
    logs.sort_by_key(|log| log.step_index);
    Ok(AuditLogs { task_id: view.id, kind: KIND.to_owned(), logs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_never_becomes_a_reference() {
        let given = json!({"a": "$input.secret", "b": ["$x", {"c": "$$"}], "d": 7, "e": "x$"});
        let told = json!({"a": "$$input.secret", "b": ["$$x", {"c": "$$$"}], "d": 7, "e": "x$"});
        assert_eq!(literal(given), told);
    }
}
