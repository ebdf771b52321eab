//! The routes, one family per file.
//!
//! **Invariant:** whatever a request asks for, its answer has an `x-request-id`, and an error is a
//! problem body; only what `/health` says of a sick node is a body of its own.

mod activity;
mod api_keys;
mod entities;
mod health;
mod inspect;
mod journal;
mod metrics;
mod stream;
mod subjects;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use coppice_api::codes;
use serde::Serialize;

use crate::exchange::Exchange;
use crate::observed::observe;
use crate::problem::Fault;
use crate::state::AppState;

/// Every route of the gateway.
pub fn router(state: AppState) -> Router {
    let inspection = match &state.inspector {
        Some(inspector) => inspect::router(state.clone(), inspector.clone()),
        None => Router::new(),
    };
    let journal = match &state.journal {
        Some(access) => journal::router(state.clone(), access.clone()),
        None => Router::new(),
    };
    let subjects = match &state.eraser {
        Some(eraser) => subjects::router(state.clone(), eraser.clone()),
        None => Router::new(),
    };
    Router::new()
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/v1/entities/{kind}/{id}", get(entities::view).delete(entities::delete))
        .route("/v1/entities/{kind}/{id}/{command}", post(entities::command))
        .with_state(state.clone())
        .merge(api_keys::router(state.clone()))
        .merge(inspection)
        .merge(subjects)
        .merge(journal)
        // Last: it is for the routes that are there by then.
        .fallback(route_not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(state, observe))
}

async fn route_not_found(request: Request) -> Response {
    let exchange = Exchange::begin(&request.into_parts().0);
    Fault::new(codes::ROUTE_NOT_FOUND, "there is nothing at this path").respond(&exchange)
}

/// The router adds `Allow`.
async fn method_not_allowed(request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let detail = format!("the path does not take {}", parts.method);
    Fault::new(codes::METHOD_NOT_ALLOWED, detail).respond(&exchange)
}

type Params = Result<RawPathParams, RawPathParamsRejection>;

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

fn param<'a>(params: &'a RawPathParams, name: &str) -> &'a str {
    params.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

fn unreadable_path() -> Fault {
    Fault::new(codes::MALFORMED_REQUEST, "the path is not UTF-8")
}

fn json(body: Body) -> Response {
    let mut response = Response::new(body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
