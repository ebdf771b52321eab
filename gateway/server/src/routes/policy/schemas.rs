//! The schemas of tasks: registering and reading them.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::policy::{EarlierSchema, SchemaAnswer, SchemaGiven, SchemaView};
use coppice_api::{Code, codes};
use coppice_core::{CommandId, Entity, TenantId};
use coppice_domain::policy::TaskSchema;
use coppice_domain::policy::task_schema::{Earlier, Latest, Reply, State as Stored};
use serde_json::json;
use tokio::time::Instant;

use super::Deciding;
use crate::auth::Scope;
use crate::exchange::{Exchange, idempotency_key};
use crate::openapi::{Answer, Operation, Verb, faults, parameters, shape};
use crate::places;
use crate::problem::Fault;
use crate::routes::{Params, answer, entities, param, unreadable_path};

/// What the kind refuses by itself, and what is refused here for the same reason.
const INVALID: Code = Code::refusal("task_schema_invalid");

/// `GET /v1/policy/schemas/{task_type}`
pub(super) const VIEW: Operation = Operation {
    method: Verb::Get,
    path: "/v1/policy/schemas/{task_type}",
    name: "view_task_schema",
    family: "policy",
    summary: "The schema that the parameters of a type of task are checked against.",
    notes: "The texts of earlier versions are in the events of the entity `task_schema`.",
    scope: Some(Scope::PolicyRead),
    parameters: &[parameters::TASK_TYPE],
    body: None,
    answers: &[Answer::json("The latest version.", shape::<SchemaView>)],
    faults: &[faults::ASKING, &[codes::SCHEMA_NOT_FOUND, codes::INVALID_ENTITY_ID]],
};

/// `POST /v1/policy/schemas`
pub(super) const REGISTER: Operation = Operation {
    method: Verb::Post,
    path: "/v1/policy/schemas",
    name: "register_task_schema",
    summary: "Registers the schema of a type of task.",
    notes: "The same content again changes nothing; other content is a new version. What is no \
        JSON Schema that can be used by itself comes back with 422 and `task_schema_invalid`.",
    scope: Some(Scope::PolicyWrite),
    parameters: &[parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<SchemaGiven>),
    answers: &[Answer::json("It stands.", shape::<SchemaAnswer>)],
    faults: &[faults::ASKING, faults::CHANGING, faults::BODY, &[codes::INVALID_ENTITY_ID, INVALID]],
    ..VIEW
};

/// `GET /v1/policy/schemas/{task_type}`
pub(super) async fn view(
    State(state): State<Deciding>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, viewed(&state, &exchange, &parts, params).await)
}

async fn viewed(
    state: &Deciding,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<SchemaView, Fault> {
    let admitted = state.app.admit(parts, exchange, Scope::PolicyRead).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let task_type = param(&params, "task_type");
    let tenant = &admitted.principal.tenant;
    let Found { latest, earlier } = latest(state, tenant, task_type, admitted.deadline).await?;
    let schema = serde_json::from_str(&latest.schema)
        .map_err(|error| Fault::internal("the schema does not read", error.to_string()))?;
    Ok(SchemaView {
        task_type: task_type.to_owned(),
        version: latest.version,
        hash: latest.hash.into(),
        schema,
        registered_by: latest.by.into(),
        registered_at: latest.registered_at.as_micros(),
        earlier: earlier.into_iter().map(shown).collect(),
    })
}

fn shown(earlier: Earlier) -> EarlierSchema {
    let registered_at = earlier.registered_at.as_micros();
    EarlierSchema { version: earlier.version, hash: earlier.hash.into(), registered_at }
}

/// The schema of a type of task, and those before it.
pub(super) struct Found {
    pub(super) latest: Latest,
    pub(super) earlier: Vec<Earlier>,
}

/// Reads the schema of a tenant's type of task.
pub(super) async fn latest(
    state: &Deciding,
    tenant: &TenantId,
    task_type: &str,
    deadline: Instant,
) -> Result<Found, Fault> {
    let id = entities::entity_id(task_type)?;
    let registry = &state.app.registry;
    let view = registry.view(TaskSchema::KIND, tenant.clone(), id, deadline).await;
    let view = view.map_err(Fault::of_read)?;
    let stored: Stored = serde_json::from_str(&view.state)
        .map_err(|error| Fault::internal("the schema does not read", error.to_string()))?;
    match stored.latest {
        Some(latest) => Ok(Found { latest, earlier: stored.earlier }),
        None => {
            let detail = format!("there is no schema for tasks of the type {task_type}");
            Err(Fault::new(codes::SCHEMA_NOT_FOUND, detail))
        }
    }
}

/// `POST /v1/policy/schemas`
pub(super) async fn register(State(state): State<Deciding>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    answer(&exchange, registered(&state, &exchange, &parts, body).await)
}

async fn registered(
    state: &Deciding,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<SchemaAnswer, Fault> {
    let (admitted, given) =
        state.told::<SchemaGiven>(exchange, parts, body, Scope::PolicyWrite).await?;
    let key = idempotency_key(&parts.headers)?;
    let id = entities::entity_id(&given.task_type)?;
    let schema = given.schema.to_string();
    state.policy.schemas.check(&schema).map_err(|error| Fault::new(INVALID, error.to_string()))?;
    let principal = &admitted.principal;
    // Not the request's id: a repeat under the same key must have the same body.
    let by = principal.identity.to_string();
    let route = format!("POST {}", exchange.path());
    let request = coppice_runtime::Request {
        tenant: principal.tenant.clone(),
        id: id.clone(),
        command: "register".to_owned(),
        body: Bytes::from(json!({"schema": schema, "by": by}).to_string()),
        command_id: key.map_or_else(
            || exchange.fresh_command_id(),
            |key| CommandId::from_idempotency_key(&principal.tenant, &route, key),
        ),
        keyed: key.is_some(),
        correlation: exchange.correlation(),
        trace: Some(exchange.trace().clone()),
        sender: None,
        expected: None,
        begins: false,
        deadline: admitted.deadline,
    };
    let answer = state.app.registry.ask_trusted(TaskSchema::KIND, request).await?;
    exchange.at(places::of_entity(TaskSchema::KIND, &id, answer.sequence));
    let reply: Reply = serde_json::from_str(&answer.reply)
        .map_err(|error| Fault::internal("the reply does not read", error.to_string()))?;
    Ok(SchemaAnswer {
        task_type: id.to_string(),
        version: reply.version,
        hash: reply.hash.into(),
        changed: reply.changed,
        repeated: answer.repeated,
    })
}
