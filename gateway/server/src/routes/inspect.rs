//! `/v1/inspect`: the tree, the actors and the dead letters of this node.

mod actors;
mod letters;
mod tree;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::RawPathParams;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use coppice_api::codes;
use coppice_runtime::Inspector;
use serde::Serialize;

use super::json;
use crate::auth::{Principal, Scope};
use crate::exchange::Exchange;
use crate::problem::Fault;
use crate::state::{App, AppState};

/// The most rows of one answer.
const ROWS_MAX: usize = 1_000;
/// Rows of one answer, where the request doesn't say.
const ROWS: usize = 100;

/// What these routes can reach.
#[derive(Clone)]
struct Inspection {
    app: AppState,
    inspector: Inspector,
    looks: Arc<AtomicU64>,
}

/// The routes, on a node that can be looked into.
pub(super) fn router(app: AppState, inspector: Inspector) -> Router {
    let inspection = Inspection { app, inspector, looks: Arc::default() };
    Router::new()
        .route("/v1/inspect/tree", get(tree::tree))
        .route("/v1/inspect/actors/{kind}", get(actors::actors))
        .route("/v1/inspect/actors/{kind}/{id}", get(actors::actor))
        .route("/v1/inspect/dead-letters", get(letters::list))
        .route("/v1/inspect/dead-letters/{id}/replay", post(letters::replay))
        .route("/v1/inspect/dead-letters/{id}/discard", post(letters::discard))
        .with_state(inspection)
}

type Params = Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>;

impl Inspection {
    async fn principal(
        &self,
        parts: &Parts,
        exchange: &Exchange,
        scope: Scope,
    ) -> Result<Arc<Principal>, Fault> {
        let app: &App = &self.app;
        let deadline = exchange.received() + app.limits.timeout;
        Ok(app.auth.authenticate(&parts.headers, scope, exchange.received(), deadline).await?)
    }
}

fn answer(exchange: &Exchange, outcome: Result<impl Serialize, Fault>) -> Response {
    match outcome {
        Ok(body) => {
            // Strings, numbers and lists of them always serialize.
            let bytes = serde_json::to_vec(&body).unwrap_or_default();
            exchange.finish(json(bytes.into()))
        }
        Err(fault) => fault.respond(exchange),
    }
}

/// The members of a query, each at most once and none that isn't known.
fn query<const N: usize>(parts: &Parts, names: [&str; N]) -> Result<[Option<u64>; N], Fault> {
    let mut values = [None; N];
    let pairs = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for pair in pairs {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(at) = names.iter().position(|known| *known == name) else {
            let detail = format!("there is no query parameter {name:?}");
            return Err(Fault::new(codes::MALFORMED_REQUEST, detail));
        };
        let Ok(number) = value.parse() else {
            let detail = format!("the query parameter {name} is a whole number");
            return Err(Fault::new(codes::MALFORMED_REQUEST, detail));
        };
        if values[at].replace(number).is_some() {
            let detail = format!("the query parameter {name} is given twice");
            return Err(Fault::new(codes::MALFORMED_REQUEST, detail));
        }
    }
    Ok(values)
}

fn rows(limit: Option<u64>) -> usize {
    limit.map_or(ROWS, |limit| usize::try_from(limit).unwrap_or(usize::MAX).min(ROWS_MAX))
}

fn param<'a>(params: &'a RawPathParams, name: &str) -> &'a str {
    params.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

fn unreadable_path() -> Fault {
    Fault::new(codes::MALFORMED_REQUEST, "the path is not UTF-8")
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
