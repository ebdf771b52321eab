//! `GET /health`, `/health/live` and `/health/ready`. No key is needed, and nothing is said that
//! belongs to a tenant.
//!
//! Their answers are bodies of their own with every status: whoever asks is a machine that looks at
//! the status, or a person who wants to know what is the matter.

use std::borrow::Cow;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use coppice_api::health::{Health, NodeDetails, Probe, Status};
use coppice_runtime::{Clock, SystemClock};
use serde::Serialize;

use super::json;
use crate::exchange::Exchange;
use crate::health::{SHARDS, STORE_READ, STORE_WRITE, TREE};
use crate::openapi::{Answer, Operation, Routes, Verb, shape};
use crate::state::{App, AppState};

const HEALTH: Operation = Operation {
    method: Verb::Get,
    path: "/health",
    name: "health",
    family: "health",
    summary: "What the node depends on, and how that is.",
    notes: "",
    scope: None,
    parameters: &[],
    body: None,
    answers: &[
        Answer::json("It serves, perhaps with limits.", shape::<Health>),
        Answer::with(503, "Something that it can't do without is down.", shape::<Health>),
    ],
    faults: &[],
};

const LIVE: Operation = Operation {
    path: "/health/live",
    name: "health_live",
    summary: "Whether the process is of any use.",
    answers: &[
        Answer::json("It is.", shape::<Probe>),
        Answer::with(503, "It should be started anew.", shape::<Probe>),
    ],
    ..HEALTH
};

const READY: Operation = Operation {
    path: "/health/ready",
    name: "health_ready",
    summary: "Whether requests should be sent here.",
    answers: &[
        Answer::json("They should.", shape::<Probe>),
        Answer::with(503, "They would be refused.", shape::<Probe>),
    ],
    ..HEALTH
};

/// The routes.
pub(super) fn routes() -> Routes<AppState> {
    Routes::new().on(&HEALTH, health).on(&LIVE, live).on(&READY, ready)
}

/// `GET /health`: every dependency; 503 where the node is down.
async fn health(State(state): State<AppState>, request: Request) -> Response {
    let exchange = Exchange::begin(&request.into_parts().0);
    let known = &state.observed.health;
    let whole = known.whole();
    let body = Health {
        status: whole.status,
        version: env!("CARGO_PKG_VERSION").into(),
        role: "node".into(),
        since: whole.since.as_micros(),
        at: SystemClock.now().as_micros(),
        dependencies: known.dependencies(),
        details: details(&state),
    };
    told(&exchange, whole.status != Status::Down, &body)
}

/// `GET /health/live`: whether the process is of any use; where not, it is to be started anew.
async fn live(State(state): State<AppState>, request: Request) -> Response {
    let known = &state.observed.health;
    let reasons = [
        (known.is_down(TREE), "the node's tree is down"),
        (!known.is_fresh(), "the node's own checks come to no end"),
    ];
    probed(request, &reasons)
}

/// `GET /health/ready`: whether requests should be sent here.
async fn ready(State(state): State<AppState>, request: Request) -> Response {
    let known = &state.observed.health;
    let reasons = [
        (known.is_draining(), "the node is on its way to stop"),
        (known.is_down(STORE_READ), "the store can't be read"),
        (known.is_down(STORE_WRITE), "the store can't be written"),
        (known.is_down(SHARDS) || holds_nothing(&state), "the node holds no shard"),
        (known.is_down(TREE), "the node's tree is down"),
        (!known.is_fresh(), "the node's own checks come to no end"),
    ];
    probed(request, &reasons)
}

fn holds_nothing(state: &App) -> bool {
    state.inspector.as_ref().is_some_and(|inspector| inspector.shards_held() == 0)
}

fn probed(request: Request, reasons: &[(bool, &'static str)]) -> Response {
    let exchange = Exchange::begin(&request.into_parts().0);
    let given = reasons.iter().filter(|(holds, _)| *holds).map(|(_, reason)| *reason);
    let reasons: Vec<Cow<'static, str>> = given.map(Cow::Borrowed).collect();
    let body = Probe { ok: reasons.is_empty(), reasons };
    told(&exchange, body.ok, &body)
}

/// A proxy that kept it would show yesterday's health.
fn told(exchange: &Exchange, well: bool, body: &impl Serialize) -> Response {
    // Strings, numbers and lists of them always serialize.
    let mut response = json(serde_json::to_vec(body).unwrap_or_default().into());
    if !well {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    exchange.finish(response)
}

fn details(state: &App) -> NodeDetails {
    let known = &state.observed.health;
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let details = NodeDetails {
        uptime_s: known.uptime().as_secs(),
        draining: known.is_draining(),
        streams_open: count(state.streams.open()),
        ..NodeDetails::default()
    };
    let Some(inspector) = &state.inspector else { return details };
    let census = inspector.registry().census();
    NodeDetails {
        shards_held: inspector.shards_held().into(),
        residents: count(census.iter().map(|kind| kind.residents).sum()),
        writer_waiting: count(inspector.writer().waiting()),
        effects_outstanding: count(inspector.pools().iter().map(|pool| pool.len()).sum()),
        timers: count(inspector.timers().len()),
        ..details
    }
}
