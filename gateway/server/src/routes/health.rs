//! `GET /health`: whether the node answers at all. No key is needed.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use coppice_api::Health;

use super::json;
use crate::exchange::Exchange;

pub(super) async fn health(request: Request) -> Response {
    let exchange = Exchange::begin(&request.into_parts().0);
    let health = Health { status: "ok".into(), version: env!("CARGO_PKG_VERSION").into() };
    let bytes = serde_json::to_vec(&health).unwrap_or_default();
    exchange.finish(json(Body::from(bytes)))
}
