//! Around every route: a request gets its place in a trace, and what became of it is counted, told
//! and logged once its answer begins.
//!
//! **Invariant:** one line of the log per request, at the level of what became of it: `error` for
//! what is broken, `warning` for what was slow, else `debug`. What comes in floods (a full mailbox, a
//! store that is away) is logged once by whoever finds it, and not for every request that it meets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use coppice_api::codes;
use coppice_runtime::trace::SpanKind;
use coppice_runtime::{Span, Trace};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::Arrived;
use crate::exchange::Told;
use crate::state::AppState;

/// Lines about slow requests in a second, at most: where everything is slow, more tell nothing.
const SLOW_LINES_PER_S: u64 = 10;

/// Lines about slow requests in the present second: the second above, the lines below.
#[derive(Debug, Default)]
pub(super) struct SlowLines(AtomicU64);

const LINES_BITS: u32 = 16;

impl SlowLines {
    /// Whether another may be written, `second` seconds after some moment.
    fn take(&self, second: u64) -> bool {
        let next = |seen: u64| match seen >> LINES_BITS == second {
            true if seen & ((1 << LINES_BITS) - 1) >= SLOW_LINES_PER_S => None,
            true => Some(seen + 1),
            false => Some((second << LINES_BITS) + 1),
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

/// Observes a request and its answer.
pub async fn observe(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let observed = &state.observed;
    let arrived = Arrived::read(request.headers(), observed.spans.as_ref());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let template = matched.as_ref().map(MatchedPath::as_str);
    let open = observed.http.begin(template, request.method());
    let method = request.method().clone();
    request.extensions_mut().insert(arrived.clone());
    let mut response = next.run(request).await;
    let took = started.elapsed();
    let status = response.status();
    open.answered(status, took);
    let told = response.extensions_mut().remove::<Told>();
    if let Some(problem) = told.as_ref().and_then(|told| told.problem.as_ref()) {
        observed.http.problem(problem.code);
    }
    let seen = Seen { template: template.unwrap_or("none"), method, status, took, told };
    if arrived.trace.sampled {
        observed.spans.ended(seen.span(&arrived, started));
    }
    let slow = took >= observed.slow_after && !seen.is_broken();
    let told = slow && observed.slow_lines.take(observed.health.uptime().as_secs());
    seen.log(&arrived.trace, told);
    response
}

/// What became of a request.
struct Seen<'a> {
    template: &'a str,
    method: Method,
    status: StatusCode,
    took: Duration,
    told: Option<Told>,
}

impl Seen<'_> {
    fn is_broken(&self) -> bool {
        let problem = self.told.as_ref().and_then(|told| told.problem.as_ref());
        let crashed = problem.is_some_and(|problem| problem.code == codes::ACTOR_CRASHED);
        crashed || self.status == StatusCode::INTERNAL_SERVER_ERROR
    }

    fn span(&self, arrived: &Arrived, started: Instant) -> Span {
        let times = (started, started + self.took);
        let (trace, parent) = (arrived.trace.clone(), arrived.parent);
        let span = Span::at(trace, parent, "request", SpanKind::Server, times);
        let span = span
            .with("http.request.method", self.method.as_str())
            .with("http.route", self.template)
            .with("http.response.status_code", self.status.as_str());
        Span { failed: self.status.is_server_error(), ..span }
    }

    fn log(&self, trace: &Trace, slow: bool) {
        let told = self.told.as_ref();
        let problem = told.and_then(|told| told.problem.as_ref());
        let request_id = told.map(Told::request_id);
        let tenant = told.and_then(|told| told.tenant.as_ref()).map(|tenant| tenant.as_str());
        let correlation_id = told.map(|told| tracing::field::display(told.correlation.0));
        let code = problem.map(|problem| problem.code.code);
        // What a client did wrong is told with its own words, and those may be anything.
        let ours = problem.filter(|problem| problem.code.status >= 500);
        let detail = ours.map(|problem| problem.detail.as_ref());
        let inner = problem.and_then(|problem| problem.inner.as_deref());
        let (route, method) = (self.template, self.method.as_str());
        let (status, trace_id) = (self.status.as_u16(), trace.id);
        let duration_ms = self.took.as_secs_f64() * 1e3;
        if self.is_broken() {
            error!(
                tenant, request_id, correlation_id, %trace_id, route, method, status, code, detail,
                inner, duration_ms, "request failed"
            );
        } else if slow {
            warn!(
                tenant, request_id, correlation_id, %trace_id, route, method, status, code, detail,
                inner, duration_ms, "request was slow"
            );
        } else {
            debug!(
                tenant, request_id, correlation_id, %trace_id, route, method, status, code, detail,
                inner, duration_ms, "request answered"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_lines_are_bounded_by_the_second() {
        let lines = SlowLines::default();
        let taken = |second| (0..100).filter(|_| lines.take(second)).count() as u64;
        assert_eq!(taken(7), SLOW_LINES_PER_S);
        assert_eq!(taken(8), SLOW_LINES_PER_S);
    }
}
