//! `/v1/inspect`: the tree, the actors and the dead letters of this node.

mod actors;
mod letters;
mod tree;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::routing::{get, post};
use coppice_runtime::Inspector;

use crate::state::AppState;

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

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
