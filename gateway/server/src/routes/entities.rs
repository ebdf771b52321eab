//! `/v1/entities/{kind}/{id}`: reading and commanding any entity.
//!
//! Replies and states arrive as JSON text and are written between the members by hand: parsing and
//! printing them again would be the largest cost of the gateway.

use std::io::Write;

use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use coppice_api::{CommandAnswer, EntityView, codes, headers};
use coppice_core::{CommandId, EntityId, Sequence, TenantId};
use coppice_runtime::{Answer, Failure, View};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Params, json};
use crate::admission::Admitted;
use crate::auth::Scope;
use crate::body;
use crate::exchange::{Exchange, expected_sequence, idempotency_key};
use crate::openapi::{self, Operation, Routes, Verb, faults, parameters, shape};
use crate::places;
use crate::problem::Fault;
use crate::state::{App, AppState};

const FAMILY: &str = "entities";

const COMMAND: Operation = Operation {
    method: Verb::Post,
    path: "/v1/entities/{kind}/{id}/{command}",
    name: "command_entity",
    family: FAMILY,
    summary: "Commands an entity, and answers once its events are durable.",
    notes: "An entity that isn't there begins with its first command. What the kind itself \
        refuses comes with 422 and a code of the kind's own.",
    scope: Some(Scope::EntitiesWrite),
    parameters: &[
        parameters::KIND,
        parameters::ID,
        parameters::COMMAND,
        parameters::IDEMPOTENCY_KEY,
        parameters::IF_MATCH,
    ],
    body: Some(|_| openapi::anything()),
    answers: &[openapi::Answer::json("It was accepted.", shape::<CommandAnswer<Value>>)],
    faults: &[
        faults::ENTITY,
        faults::ASKING,
        faults::CHANGING,
        faults::BODY,
        &[codes::UNKNOWN_COMMAND],
    ],
};

/// The path of an entity's events is a route of its own, which takes a command of that name too.
const COMMAND_EVENTS: Operation = Operation {
    path: "/v1/entities/{kind}/{id}/events",
    name: "command_entity_events",
    summary: "The command `events`, where a kind has one.",
    parameters: &[
        parameters::KIND,
        parameters::ID,
        parameters::IDEMPOTENCY_KEY,
        parameters::IF_MATCH,
    ],
    ..COMMAND
};

const VIEW: Operation = Operation {
    method: Verb::Get,
    path: "/v1/entities/{kind}/{id}",
    name: "view_entity",
    family: FAMILY,
    summary: "The state of an entity, as its kind shows it.",
    notes: "Everything that was acknowledged before is in it.",
    scope: Some(Scope::EntitiesRead),
    parameters: &[parameters::KIND, parameters::ID, parameters::IF_NONE_MATCH],
    body: None,
    answers: &[
        openapi::Answer::json("The entity.", shape::<EntityView<Value>>),
        openapi::Answer::empty(304, "It is still as `If-None-Match` says."),
    ],
    faults: &[faults::ENTITY, faults::ASKING],
};

const DELETE: Operation = Operation {
    method: Verb::Delete,
    name: "delete_entity",
    summary: "Deletes an entity for good; its events stay.",
    notes: "",
    scope: Some(Scope::EntitiesDelete),
    parameters: &[
        parameters::KIND,
        parameters::ID,
        parameters::IDEMPOTENCY_KEY,
        parameters::IF_MATCH,
    ],
    answers: &[openapi::Answer::json("It is deleted.", shape::<CommandAnswer<Value>>)],
    faults: &[faults::ENTITY, faults::ASKING, faults::CHANGING],
    ..VIEW
};

/// The routes.
pub(super) fn routes() -> Routes<AppState> {
    Routes::new()
        .on(&VIEW, view)
        .on(&DELETE, delete)
        .on(&COMMAND, command)
        .on(&COMMAND_EVENTS, command)
}

const IDEMPOTENCY_HIT: HeaderName = HeaderName::from_static(headers::IDEMPOTENCY_HIT);

/// `POST /v1/entities/{kind}/{id}/{command}`
pub(super) async fn command(
    State(state): State<AppState>,
    params: Params,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match ask(&state, &exchange, &parts, params, body).await {
        Ok(answer) => exchange.finish(answered(&answer)),
        Err(fault) => fault.respond(&exchange),
    }
}

/// `GET /v1/entities/{kind}/{id}`
pub(super) async fn view(
    State(state): State<AppState>,
    params: Params,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match look(&state, &exchange, &parts, params).await {
        Ok(response) => exchange.finish(response),
        Err(fault) => fault.respond(&exchange),
    }
}

async fn ask(
    state: &App,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
    body: Body,
) -> Result<Answer, Fault> {
    let Admitted { principal, deadline } =
        state.admit(parts, exchange, Scope::EntitiesWrite).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let [kind, id, command] = texts(&params);
    let id = entity_id(id)?;
    let expected = expected_sequence(&parts.headers)?;
    let key = idempotency_key(&parts.headers)?;
    let command_id = match key {
        Some(key) => keyed_command_id(&principal.tenant, kind, &id, command, key),
        None => exchange.fresh_command_id(),
    };
    let body = body::read(body, state.limits.body_bytes_max, deadline).await?;
    body::require_json(&parts.headers, &body)?;

    let request = coppice_runtime::Request {
        tenant: principal.tenant.clone(),
        id: id.clone(),
        command: command.to_owned(),
        body: body.clone(),
        command_id,
        keyed: key.is_some(),
        correlation: exchange.correlation(),
        trace: Some(exchange.trace().clone()),
        sender: None,
        expected,
        begins: false,
        deadline,
    };
    let answer = state.registry.ask(kind, request).await;
    let answer = answer.map_err(|failure| refusal(failure, &body))?;
    exchange.at(places::of_entity(kind, &id, answer.sequence));
    Ok(answer)
}

async fn look(
    state: &App,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<Response, Fault> {
    let Admitted { principal, deadline } =
        state.admit(parts, exchange, Scope::EntitiesRead).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let [kind, id, _] = texts(&params);
    let id = entity_id(id)?;
    let view = state
        .registry
        .view(kind, principal.tenant.clone(), id.clone(), deadline)
        .await
        .map_err(Fault::of_read)?;
    if view.sequence.0 == 0 {
        let detail = format!("there is no {kind} {id}");
        return Err(Fault::new(codes::ENTITY_NOT_FOUND, detail));
    }
    if view.deleted {
        return Err(Fault::new(codes::ENTITY_DELETED, format!("{kind} {id} was deleted")));
    }
    exchange.at(places::of_entity(kind, &id, view.sequence));
    let tag = etag(view.sequence);
    if parts.headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(header::ETAG, tag);
        return Ok(response);
    }
    let mut response = viewed(kind, &id, &view);
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// `DELETE /v1/entities/{kind}/{id}`
pub(super) async fn delete(
    State(state): State<AppState>,
    params: Params,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match end(&state, &exchange, &parts, params).await {
        Ok(answer) => exchange.finish(answered(&answer)),
        Err(fault) => fault.respond(&exchange),
    }
}

async fn end(
    state: &App,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<Answer, Fault> {
    let Admitted { principal, deadline } =
        state.admit(parts, exchange, Scope::EntitiesDelete).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let [kind, id, _] = texts(&params);
    let id = entity_id(id)?;
    let key = idempotency_key(&parts.headers)?;
    let route = format!("DELETE /v1/entities/{kind}/{id}");
    let request = coppice_runtime::Request {
        tenant: principal.tenant.clone(),
        id: id.clone(),
        command: "delete".to_owned(),
        body: Bytes::new(),
        command_id: key.map_or_else(
            || exchange.fresh_command_id(),
            |key| CommandId::from_idempotency_key(&principal.tenant, &route, key),
        ),
        keyed: key.is_some(),
        correlation: exchange.correlation(),
        trace: Some(exchange.trace().clone()),
        sender: None,
        expected: expected_sequence(&parts.headers)?,
        begins: false,
        deadline,
    };
    let answer = state.registry.delete(kind, request).await?;
    exchange.at(places::of_entity(kind, &id, answer.sequence));
    Ok(answer)
}

/// The entity's sequence as its tag: whatever a client reads of it changes with that.
fn etag(sequence: Sequence) -> HeaderValue {
    // Digits in quotes are always a valid value.
    HeaderValue::try_from(format!("\"{sequence}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Tells a body that is no JSON from one that doesn't fit; only a body that was refused is parsed
/// for it.
fn refusal(failure: Failure, body: &[u8]) -> Fault {
    if matches!(failure, Failure::InvalidBody(_))
        && !body.is_empty()
        && let Err(error) = serde_json::from_slice::<&RawValue>(body)
    {
        return Fault::new(codes::MALFORMED_JSON, format!("the body is not JSON: {error}"));
    }
    failure.into()
}

/// The route holds the path as it was meant, so that `%3A` and `:` in an id are the same command.
fn keyed_command_id(
    tenant: &TenantId,
    kind: &str,
    id: &EntityId,
    command: &str,
    key: &str,
) -> CommandId {
    let route = format!("POST /v1/entities/{kind}/{id}/{command}");
    CommandId::from_idempotency_key(tenant, &route, key)
}

/// Kind, id and, where the route has one, command. The path of an entity's events is a route of its
/// own, so a command of that name comes without it.
fn texts(params: &RawPathParams) -> [&str; 3] {
    let mut texts = ["", "", "events"];
    for (slot, (_, text)) in texts.iter_mut().zip(params) {
        *slot = text;
    }
    texts
}

pub(super) fn entity_id(text: &str) -> Result<EntityId, Fault> {
    EntityId::new(text).map_err(|error| Fault::new(codes::INVALID_ENTITY_ID, error.to_string()))
}

fn unreadable_path() -> Fault {
    Fault::new(codes::INVALID_ENTITY_ID, "the path is not UTF-8")
}

fn answered(answer: &Answer) -> Response {
    let mut text = Vec::with_capacity(answer.reply.len() + 64);
    // Writing to a vector can't fail; a broken body would be caught by the tests of this file.
    let written = write!(
        text,
        r#"{{"sequence":{},"reply":{},"repeated":{}}}"#,
        answer.sequence, answer.reply, answer.repeated
    );
    debug_assert!(written.is_ok(), "a vector takes every byte");
    let mut response = json(Body::from(text));
    response.headers_mut().insert(header::ETAG, etag(answer.sequence));
    if answer.repeated {
        response.headers_mut().insert(IDEMPOTENCY_HIT, HeaderValue::from_static("true"));
    }
    response
}

/// The kind is one that the registry has and the id was checked: neither needs escaping.
fn viewed(kind: &str, id: &EntityId, view: &View) -> Response {
    let mut text = Vec::with_capacity(view.state.len() + kind.len() + id.as_str().len() + 64);
    let written = write!(
        text,
        r#"{{"kind":"{kind}","id":"{id}","sequence":{},"state":{}}}"#,
        view.sequence, view.state
    );
    debug_assert!(written.is_ok(), "a vector takes every byte");
    json(Body::from(text))
}
