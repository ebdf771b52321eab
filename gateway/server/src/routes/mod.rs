//! The routes, one family per file.
//!
//! **Invariant:** whatever a request asks for, its answer has an `x-request-id`, and an error is a
//! problem body; only what `/health` says of a sick node is a body of its own.

mod activity;
mod api_keys;
mod audit;
mod control;
mod docs;
mod entities;
mod health;
mod ingress;
mod inspect;
mod journal;
mod metrics;
mod money;
mod plugins;
mod policy;
mod stream;
mod subjects;
mod workflows;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use coppice_api::codes;
use serde::Serialize;

pub use self::control::Switches;
pub(crate) use self::journal::view as viewed;
use crate::exchange::Exchange;
use crate::observed::observe;
use crate::openapi::Operation;
use crate::problem::Fault;
use crate::state::AppState;

/// Every route of the gateway.
pub fn router(state: AppState) -> Router {
    let app = || state.clone();
    let mut routes = health::routes()
        .merge(metrics::routes())
        .merge(entities::routes())
        .merge(api_keys::routes())
        .with_state(app());
    if let Some(inspector) = state.inspector.clone() {
        let inspection = inspect::Inspection::new(app(), inspector);
        routes = routes.merge(inspect::routes().with_state(inspection));
    }
    if let Some(eraser) = state.eraser.clone() {
        let erasing = subjects::Erasing { app: app(), eraser };
        routes = routes.merge(subjects::routes().with_state(erasing));
    }
    if let (Some(treasury), Some(journal)) = (state.treasury.clone(), state.journal.clone()) {
        let spending = money::Spending { app: app(), treasury, journal };
        routes = routes.merge(money::routes().with_state(spending));
    }
    if let Some(access) = state.journal.clone() {
        let reading = journal::Reading { app: app(), journal: access };
        routes = routes.merge(journal::routes().with_state(reading));
    }
    if let Some(policy) = state.policy.clone() {
        let deciding = policy::Deciding { app: app(), policy };
        routes = routes.merge(policy::routes().with_state(deciding));
    }
    if let Some(switches) = state.switches.clone() {
        let controlling = control::Controlling { app: app(), switches };
        routes = routes.merge(control::routes().with_state(controlling));
    }
    if let (Some(planner), Some(access)) = (state.planner.clone(), state.journal.clone()) {
        let working = workflows::Working { app: app(), journal: access, planner };
        routes = routes.merge(workflows::routes().with_state(working));
    }
    if let Some(known) = state.plugins.clone() {
        let serving = plugins::Serving { app: app(), plugins: known };
        routes = routes.merge(plugins::routes().with_state(serving));
    }
    if let Some(ingress) = state.ingress.clone() {
        let receiving = ingress::Receiving { app: app(), ingress };
        routes = routes.merge(ingress::routes().with_state(receiving));
    }
    let (router, operations) = routes.into_parts();
    router
        .merge(docs::router(&operations))
        // Last: it is for the routes that are there by then.
        .fallback(route_not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(state, observe))
}

/// Every operation of a node that has all its parts.
#[must_use]
pub fn operations() -> Vec<&'static Operation> {
    [
        health::routes().into_operations(),
        metrics::routes().into_operations(),
        api_keys::routes().into_operations(),
        entities::routes().into_operations(),
        inspect::routes().into_operations(),
        subjects::routes().into_operations(),
        journal::routes().into_operations(),
        policy::routes().into_operations(),
        control::routes().into_operations(),
        workflows::routes().into_operations(),
        plugins::routes().into_operations(),
        money::routes().into_operations(),
        ingress::routes().into_operations(),
    ]
    .concat()
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
