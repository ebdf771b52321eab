//! Commands to a workflow: approvals and cancellation, and what all commands share.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::workflow::{
    ApprovalRequest, BeginRequest, CancelRequest, WorkflowAccepted, WorkflowView,
};
use coppice_core::entity::parse_body;
use coppice_core::{CommandId, EntityId, Json};
use coppice_domain::workflow::planner::Found;
use coppice_runtime::{Answer, Failure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::submit::unplanned;
use super::{KIND, Params, Working, look, not_submitted};
use crate::admission::Admitted;
use crate::auth::Scope;
use crate::exchange::{Exchange, idempotency_key};
use crate::planning::Task;
use crate::problem::Fault;
use crate::routes::{answer, entities, param, unreadable_path};
use crate::{body, places};

/// Where a workflow stands that was planned and not begun.
const PENDING: &str = "pending";

/// A command that was read, on its way to a workflow.
pub(super) struct Command<'a> {
    pub(super) admitted: Admitted,
    pub(super) id: EntityId,
    pub(super) command_id: CommandId,
    pub(super) keyed: bool,
    /// Whether the workflow's id was drawn for this command.
    pub(super) begins: bool,
    pub(super) exchange: &'a Exchange,
}

/// What the kind answers.
#[derive(Deserialize)]
struct Receipt {
    id: String,
    status: String,
}

impl Command<'_> {
    /// Delivers it.
    pub(super) async fn send(
        &self,
        working: &Working,
        command: &str,
        body: &impl Serialize,
    ) -> Result<Answer, Failure> {
        let body = serde_json::to_vec(body).map_err(|e| Failure::InvalidBody(e.to_string()))?;
        let request = coppice_runtime::Request {
            tenant: self.admitted.principal.tenant.clone(),
            id: self.id.clone(),
            command: command.to_owned(),
            body: body.into(),
            command_id: self.command_id,
            keyed: self.keyed,
            correlation: self.exchange.correlation(),
            trace: Some(self.exchange.trace().clone()),
            sender: None,
            expected: None,
            begins: self.begins,
            deadline: self.admitted.deadline,
        };
        let answer = working.app.registry.ask_trusted(KIND, request).await?;
        self.exchange.at(places::of_entity(KIND, &self.id, answer.sequence));
        Ok(answer)
    }

    /// Who sends it, as it is recorded.
    pub(super) fn by(&self) -> String {
        self.admitted.principal.identity.to_string()
    }
}

/// What a workflow answered, as the gateway says it.
pub(super) fn accepted(answer: &Answer) -> Result<WorkflowAccepted, Fault> {
    let receipt: Receipt = serde_json::from_str(&answer.reply)
        .map_err(|error| Fault::internal("the reply does not read", error.to_string()))?;
    Ok(WorkflowAccepted { id: receipt.id, status: receipt.status, repeated: answer.repeated })
}

/// Why a workflow did not do what it was told.
pub(super) fn refused(failure: Failure) -> Fault {
    match failure {
        Failure::Rejected { code, .. } if code == not_submitted() => missing(),
        failure => failure.into(),
    }
}

pub(super) fn missing() -> Fault {
    Fault::new(codes::WORKFLOW_NOT_FOUND, "there is no such workflow")
}

/// A body's arguments, read strictly.
pub(super) fn arguments<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fault> {
    parse_body(body).map_err(|error| {
        let code = match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
            Err(_) if !body.is_empty() => codes::MALFORMED_JSON,
            _ => codes::INVALID_BODY,
        };
        Fault::new(code, error.to_string())
    })
}

/// A request to a workflow that its path names, with its arguments.
async fn read<'a, T: DeserializeOwned>(
    working: &Working,
    exchange: &'a Exchange,
    params: Params,
    (parts, body): (&Parts, axum::body::Body),
    scope: Scope,
) -> Result<(Command<'a>, T), Fault> {
    let admitted = working.app.admit(parts, exchange, scope).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let id = entities::entity_id(param(&params, "id"))?;
    let key = idempotency_key(&parts.headers)?;
    let route = format!("POST {}", exchange.path());
    let tenant = &admitted.principal.tenant;
    let command_id = key.map_or_else(
        || exchange.fresh_command_id(),
        |key| CommandId::from_idempotency_key(tenant, &route, key),
    );
    let bytes_max = working.app.limits.body_bytes_max;
    let body = body::read(body, bytes_max, admitted.deadline).await?;
    body::require_json(&parts.headers, &body)?;
    let arguments = arguments(&body)?;
    Ok((
        Command { admitted, id, command_id, keyed: key.is_some(), begins: false, exchange },
        arguments,
    ))
}

#[derive(Serialize)]
struct Decide<'a> {
    step: Option<&'a str>,
    approved: bool,
    reason: &'a str,
    by: String,
}

#[derive(Serialize)]
struct Begin {
    by: String,
    policy: Option<Json>,
}

#[derive(Serialize)]
struct Cancel<'a> {
    reason: &'a str,
    by: String,
}

/// `POST /v1/workflows/{id}/approvals`
pub(super) async fn decide(
    State(working): State<Working>,
    params: Params,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    answer(&exchange, decided(&working, &exchange, params, (&parts, body)).await)
}

pub(super) async fn decided(
    working: &Working,
    exchange: &Exchange,
    params: Params,
    request: (&Parts, axum::body::Body),
) -> Result<WorkflowAccepted, Fault> {
    let scope = Scope::WorkflowsApprove;
    let (command, asked): (_, ApprovalRequest) =
        read(working, exchange, params, request, scope).await?;
    let decide = Decide {
        step: asked.step_id.as_deref(),
        approved: asked.approved,
        reason: &asked.reason,
        by: command.by(),
    };
    accepted(&command.send(working, "decide", &decide).await.map_err(refused)?)
}

/// `POST /v1/workflows/{id}/begin`
pub(super) async fn begin(
    State(working): State<Working>,
    params: Params,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    answer_accepted(&exchange, begun(&working, &exchange, params, (&parts, body)).await)
}

async fn begun(
    working: &Working,
    exchange: &Exchange,
    params: Params,
    request: (&Parts, axum::body::Body),
) -> Result<WorkflowAccepted, Fault> {
    let scope = Scope::WorkflowsWrite;
    let (command, BeginRequest {}) = read(working, exchange, params, request, scope).await?;
    told_to_begin(working, &command).await
}

/// Has a workflow that waits begin, if policy still allows what it was planned for.
pub(super) async fn told_to_begin(
    working: &Working,
    command: &Command<'_>,
) -> Result<WorkflowAccepted, Fault> {
    let begin = Begin { by: command.by(), policy: judged(working, command).await? };
    match command.send(working, "begin", &begin).await {
        Ok(answer) => accepted(&answer),
        // All that a client says is the path, and the key counts for that: it is a repeat, by when policy
        // says something else or isn't asked.
        Err(Failure::KeyReused) => {
            let view = seen(working, command).await.map_err(Fault::behind_a_commit)?;
            Ok(WorkflowAccepted { id: view.id, status: view.status, repeated: true })
        }
        Err(failure) => Err(refused(failure)),
    }
}

/// The workflow as it stands.
async fn seen(working: &Working, command: &Command<'_>) -> Result<WorkflowView, Fault> {
    let Admitted { principal, deadline } = &command.admitted;
    let (tenant, id) = (principal.tenant.clone(), command.id.clone());
    let view = look::view(working, command.exchange, tenant, id, *deadline).await?;
    view.ok_or_else(missing)
}

/// What policy says by now of a plan that waits. Of one that a client brought along it was never asked,
/// nor is it of one that has begun: there each call asks.
async fn judged(working: &Working, command: &Command<'_>) -> Result<Option<Json>, Fault> {
    let view = seen(working, command).await?;
    let Some(found) = view.planning.filter(|_| view.status == PENDING) else { return Ok(None) };
    let found: Found = found
        .read()
        .map_err(|error| Fault::internal("the plan does not read", error.to_string()))?;
    let by = command.by();
    let task = Task {
        tenant: command.admitted.principal.tenant.as_str(),
        by: &by,
        task_type: &found.analysis.task_type,
        parameters: &serde_json::Value::Null,
        trusted: true,
    };
    let said = working.planner.judge_again(&found, &task).map_err(|error| unplanned(&error))?;
    Ok(Some(said))
}

/// An answer to what goes on behind it.
fn answer_accepted(exchange: &Exchange, accepted: Result<WorkflowAccepted, Fault>) -> Response {
    let is_accepted = accepted.is_ok();
    let mut response = answer(exchange, accepted);
    if is_accepted {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    response
}

/// `POST /v1/workflows/{id}/cancel`
pub(super) async fn cancel(
    State(working): State<Working>,
    params: Params,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    answer_accepted(&exchange, cancelled(&working, &exchange, params, (&parts, body)).await)
}

pub(super) async fn cancelled(
    working: &Working,
    exchange: &Exchange,
    params: Params,
    request: (&Parts, axum::body::Body),
) -> Result<WorkflowAccepted, Fault> {
    let scope = Scope::WorkflowsWrite;
    let (command, asked): (_, CancelRequest) =
        read(working, exchange, params, request, scope).await?;
    let cancel = Cancel { reason: &asked.reason, by: command.by() };
    accepted(&command.send(working, "cancel", &cancel).await.map_err(refused)?)
}
