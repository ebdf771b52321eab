//! Around every route: what becomes of a request is counted once its answer begins.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use crate::exchange::Told;
use crate::state::AppState;

/// Counts a request and its answer.
pub async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let http = &state.observed.http;
    let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let open = http.begin(template, request.method());
    let mut response = next.run(request).await;
    let told = response.extensions_mut().remove::<Told>();
    if let Some(problem) = told.and_then(|told| told.problem) {
        http.problem(problem.code);
    }
    open.answered(response.status(), started.elapsed());
    response
}
