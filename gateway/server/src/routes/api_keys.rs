//! `/v1/api-keys`: a tenant's own keys.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use coppice_api::api_key::{ApiKeyList, ApiKeyMode, ApiKeyView, CreatedApiKey, NewApiKey};
use coppice_api::{Code, codes, headers};
use coppice_core::Timestamp;
use coppice_persistence::{ApiKeyRow, StoreError};
use uuid::Uuid;

use super::{Params, answer, param, unreadable_path};
use crate::admission::Admitted;
use crate::auth::keys::{Intent, KeyError, MadeKey, WantedKey, state_of};
use crate::auth::{KeyMode, Scope};
use crate::body;
use crate::exchange::{Exchange, idempotency_key};
use crate::openapi::{Answer, Operation, Routes, Verb, faults, parameters, shape};
use crate::problem::{Chain, Fault};
use crate::query::Query;
use crate::state::{App, AppState};

const NAME_MAX: usize = 100;
const DESCRIPTION_MAX: usize = 500;
const USER_MAX: usize = 100;
/// The longest life, which keeps times far from their range's end.
const LIFETIME_S_MAX: u64 = 100 * 31_536_000;

const IDEMPOTENCY_HIT: HeaderName = HeaderName::from_static(headers::IDEMPOTENCY_HIT);

const LIST: Operation = Operation {
    method: Verb::Get,
    path: "/v1/api-keys",
    name: "list_api_keys",
    family: "api keys",
    summary: "The tenant's keys, without what they are made of.",
    notes: "",
    scope: Some(Scope::KeysRead),
    parameters: &[
        parameters::query("cursor", "What the page before gave.", parameters::UUID),
        parameters::LIMIT,
    ],
    body: None,
    answers: &[Answer::json("A page.", shape::<ApiKeyList>)],
    faults: &[],
};

const CREATE: Operation = Operation {
    method: Verb::Post,
    name: "create_api_key",
    summary: "Makes a key, and shows it this once.",
    notes: "A key can't be given what its maker may not do itself.",
    scope: Some(Scope::KeysWrite),
    parameters: &[parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<NewApiKey>),
    answers: &[Answer::with(201, "It is made.", shape::<CreatedApiKey>)],
    faults: &[faults::BODY, MAKING],
    ..LIST
};

const ROTATE: Operation = Operation {
    path: "/v1/api-keys/{id}/rotate",
    name: "rotate_api_key",
    summary: "Makes a key in place of one, which stays valid for a while.",
    notes: "",
    parameters: &[parameters::API_KEY, parameters::IDEMPOTENCY_KEY],
    body: None,
    faults: &[&[codes::API_KEY_NOT_FOUND], MAKING],
    ..CREATE
};

const REVOKE: Operation = Operation {
    method: Verb::Delete,
    path: "/v1/api-keys/{id}",
    name: "revoke_api_key",
    summary: "Takes a key back, at once.",
    scope: Some(Scope::KeysWrite),
    parameters: &[parameters::API_KEY],
    answers: &[Answer::empty(204, "It is revoked.")],
    faults: &[&[codes::API_KEY_NOT_FOUND]],
    ..LIST
};

/// What stands in the way of a new key.
const MAKING: &[Code] = &[
    codes::INVALID_IDEMPOTENCY_KEY,
    codes::IDEMPOTENCY_KEY_REUSED,
    codes::API_KEY_NOT_ACTIVE,
    codes::API_KEYS_FULL,
    codes::STORE_FULL,
];

/// The routes.
pub(super) fn routes() -> Routes<AppState> {
    Routes::new().on(&LIST, list).on(&CREATE, create).on(&ROTATE, rotate).on(&REVOKE, revoke)
}

async fn list(State(state): State<AppState>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, listed(&state, &parts, &exchange).await)
}

async fn listed(state: &App, parts: &Parts, exchange: &Exchange) -> Result<ApiKeyList, Fault> {
    let principal = state.admit(parts, exchange, Scope::KeysRead).await?.principal;
    let query = Query::read(parts, ["cursor", "limit"])?;
    let not_given = || Fault::new(codes::MALFORMED_REQUEST, "the cursor is none that was given");
    let after = query.text(0).map(Uuid::parse_str).transpose().map_err(|_| not_given())?;
    let limit = query.rows(1)?;
    let found = state.auth.keys_of(&principal.tenant, after.unwrap_or_default(), limit).await;
    let rows = found.map_err(|error| unreachable_keys(&error))?;
    let next_cursor = rows.last().filter(|_| rows.len() == limit).map(|last| last.id.to_string());
    let now = state.auth.now();
    Ok(ApiKeyList { api_keys: rows.into_iter().map(|row| view(row, now)).collect(), next_cursor })
}

async fn create(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    made(&state, &exchange, created(&state, &exchange, &parts, body).await)
}

async fn created(
    state: &App,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<MadeKey, Fault> {
    let Admitted { principal, deadline } = state.admit(parts, exchange, Scope::KeysWrite).await?;
    let key = idempotency_key(&parts.headers)?;
    let bytes = body::read(body, state.limits.body_bytes_max, deadline).await?;
    body::require_json(&parts.headers, &bytes)?;
    let asked: NewApiKey = serde_json::from_slice(&bytes).map_err(|error| unread(&error))?;
    let wanted = wanted(&asked)?;
    // As it was understood, so that a repeat may be spaced otherwise.
    let canonical = serde_json::to_vec(&asked).unwrap_or_default();
    let intent =
        key.map(|key| Intent::new(&principal.tenant, "POST /v1/api-keys", key, &canonical));
    state.auth.create_key(&principal, &wanted, intent).await.map_err(|error| fault(&error))
}

async fn rotate(State(state): State<AppState>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    made(&state, &exchange, rotated(&state, &exchange, &parts, params).await)
}

async fn rotated(
    state: &App,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<MadeKey, Fault> {
    let principal = state.admit(parts, exchange, Scope::KeysWrite).await?.principal;
    let id = key_id(params)?;
    let route = format!("POST /v1/api-keys/{id}/rotate");
    let intent = idempotency_key(&parts.headers)?
        .map(|key| Intent::new(&principal.tenant, &route, key, id.as_bytes()));
    state.auth.rotate_key(&principal, id, intent).await.map_err(|error| fault(&error))
}

async fn revoke(State(state): State<AppState>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    match revoked(&state, &exchange, &parts, params).await {
        Ok(()) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            exchange.finish(response)
        }
        Err(fault) => fault.respond(&exchange),
    }
}

async fn revoked(
    state: &App,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<(), Fault> {
    let principal = state.admit(parts, exchange, Scope::KeysWrite).await?.principal;
    let id = key_id(params)?;
    let revoked = state.auth.revoke(&principal.tenant, id).await;
    if revoked.map_err(|error| unreachable_keys(&error))? { Ok(()) } else { Err(not_found()) }
}

/// A name that is no id names no key.
fn key_id(params: Params) -> Result<Uuid, Fault> {
    let params = params.map_err(|_| unreadable_path())?;
    Uuid::parse_str(param(&params, "id")).map_err(|_| not_found())
}

/// Whoever asks for the same text of a key twice gets it once, so nothing on the way may keep it.
fn made(state: &App, exchange: &Exchange, outcome: Result<MadeKey, Fault>) -> Response {
    let repeated = outcome.as_ref().is_ok_and(|made| made.key.is_none());
    let (fresh, now) = (outcome.is_ok(), state.auth.now());
    let body = outcome.map(|made| CreatedApiKey {
        key: made.key.map(|key| key.expose().to_owned()),
        view: view(made.row, now),
    });
    let mut response = answer(exchange, body);
    if fresh {
        *response.status_mut() = StatusCode::CREATED;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if repeated {
            headers.insert(IDEMPOTENCY_HIT, HeaderValue::from_static("true"));
        }
    }
    response
}

fn wanted(asked: &NewApiKey) -> Result<WantedKey, Fault> {
    let invalid = |what: String| Err(Fault::new(codes::INVALID_BODY, what));
    let fits =
        |text: &str, max: usize| text.chars().count() <= max && !text.chars().any(char::is_control);
    if asked.name.is_empty() || !fits(&asked.name, NAME_MAX) {
        return invalid(format!("name has 1 to {NAME_MAX} characters, none of them control"));
    }
    if !fits(&asked.description, DESCRIPTION_MAX) {
        return invalid(format!("description has up to {DESCRIPTION_MAX} characters"));
    }
    if asked.user.as_ref().is_some_and(|user| user.is_empty() || !fits(user, USER_MAX)) {
        return invalid(format!("user has 1 to {USER_MAX} characters, or is absent"));
    }
    if asked.expires_in_s.is_some_and(|seconds| !(1..=LIFETIME_S_MAX).contains(&seconds)) {
        return invalid(format!("expires_in_s is 1 to {LIFETIME_S_MAX}, or absent"));
    }
    if asked.scopes.is_empty() {
        return invalid("a key without scopes allows nothing".to_owned());
    }
    for (at, scope) in asked.scopes.iter().enumerate() {
        if !Scope::is_one(scope) {
            return invalid(format!("there is no scope {scope:?}"));
        }
        if asked.scopes[..at].contains(scope) {
            return invalid(format!("the scope {scope} is given twice"));
        }
    }
    Ok(WantedKey {
        name: asked.name.clone(),
        description: asked.description.clone(),
        user: asked.user.clone(),
        scopes: asked.scopes.clone(),
        lifetime: asked.expires_in_s.map(Duration::from_secs),
        mode: match asked.mode {
            ApiKeyMode::Live => KeyMode::Live,
            ApiKeyMode::Test => KeyMode::Test,
        },
    })
}

fn view(row: ApiKeyRow, now: Timestamp) -> ApiKeyView {
    let state = state_of(&row, now);
    ApiKeyView {
        id: row.id,
        name: row.name,
        description: row.description,
        user: row.user,
        mode: if row.live { ApiKeyMode::Live } else { ApiKeyMode::Test },
        prefix: row.prefix,
        scopes: row.scopes.split(' ').filter(|one| !one.is_empty()).map(str::to_owned).collect(),
        state,
        created_at: row.created_at.as_micros(),
        expires_at: row.expires_at.map(Timestamp::as_micros),
        revoked_at: row.revoked_at.map(Timestamp::as_micros),
        last_used_at: row.last_used_at.map(Timestamp::as_micros),
        replaced_by: row.replaced_by,
    }
}

fn unread(error: &serde_json::Error) -> Fault {
    if error.is_data() {
        Fault::new(codes::INVALID_BODY, format!("the body is no API key to be made: {error}"))
    } else {
        Fault::new(codes::MALFORMED_JSON, format!("the body is not JSON: {error}"))
    }
}

fn not_found() -> Fault {
    Fault::new(codes::API_KEY_NOT_FOUND, "there is no such API key")
}

fn unreachable_keys(error: &StoreError) -> Fault {
    Fault::of_store(error, "the API keys can not be reached")
}

fn fault(error: &KeyError) -> Fault {
    let code = match error {
        KeyError::NotFound => return not_found(),
        KeyError::Store(error) => return unreachable_keys(error),
        KeyError::Random(_) => {
            return Fault::internal("the node could not make an API key", Chain(error).to_string());
        }
        KeyError::ScopeNotHeld(_) => codes::SCOPE_MISSING,
        KeyError::NotActive(_) => codes::API_KEY_NOT_ACTIVE,
        KeyError::Full(_) => codes::API_KEYS_FULL,
        KeyError::Reused => codes::IDEMPOTENCY_KEY_REUSED,
    };
    Fault::new(code, error.to_string())
}
