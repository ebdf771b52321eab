//! `GET /metrics`

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use coppice_api::codes;

use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::metrics::{self, CONTENT_TYPE};
use crate::openapi::{Answer, Operation, Routes, Verb, shape};
use crate::problem::Fault;
use crate::state::AppState;

const METRICS: Operation = Operation {
    method: Verb::Get,
    path: "/metrics",
    name: "metrics",
    family: "health",
    summary: "Figures of the whole node, in OpenMetrics text.",
    notes: "With `server.metrics_public` no credential is asked for.",
    scope: Some(Scope::MetricsRead),
    parameters: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The figures.",
        body: Some((CONTENT_TYPE, shape::<String>)),
    }],
    faults: &[],
};

/// The routes.
pub(super) fn routes() -> Routes<AppState> {
    Routes::new().on(&METRICS, metrics)
}

async fn metrics(State(state): State<AppState>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    if !state.observed.metrics_public
        && let Err(fault) = state.admit(&parts, &exchange, Scope::MetricsRead).await
    {
        return fault.respond(&exchange);
    }
    match metrics::gather(&state).await.text() {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            let content_type = HeaderValue::from_static(CONTENT_TYPE);
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            exchange.finish(response)
        }
        Err(_) => {
            Fault::new(codes::INTERNAL_ERROR, "the metrics can't be written").respond(&exchange)
        }
    }
}
