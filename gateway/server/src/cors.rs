//! Cross-origin requests: which pages of other origins a browser lets read our answers.
//!
//! **Invariants:** no origin is allowed that isn't configured; where none is, nothing stands around
//! the routes. A preflight is answered before the caller is known, so it asks for no credential,
//! reaches no tenant and takes from no limit. Credentials mode is never allowed: callers set
//! `Authorization` themselves, and what a browser sends by itself (a cookie, a certificate) is none
//! of ours.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use crate::config::CorsConfig;
use crate::exchange::Exchange;

/// The text for every origin.
pub const ANY: &str = "*";

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, \
     X-Correlation-Id, X-Request-Id, X-Request-Timeout-Ms",
);
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "ETag, Idempotency-Hit, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, \
     X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id",
);
const VARY_PREFLIGHT: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);
const VARY: HeaderValue = HeaderValue::from_static("Origin");

#[derive(Debug)]
struct Cors {
    origins: Vec<HeaderValue>,
    any: bool,
    max_age: Duration,
}

/// A router that pages of the configured origins can use; the router itself where there are none.
pub fn around(router: Router, config: &CorsConfig) -> Router {
    if config.origins.is_empty() {
        return router;
    }
    let cors = Cors {
        any: config.origins.iter().any(|origin| origin == ANY),
        // Checked where the settings are read.
        origins: config
            .origins
            .iter()
            .filter_map(|text| HeaderValue::from_str(text).ok())
            .collect(),
        max_age: Duration::from_secs(config.max_age_s),
    };
    router.layer(from_fn_with_state(Arc::new(cors), serve))
}

async fn serve(State(cors): State<Arc<Cors>>, request: Request, next: Next) -> Response {
    let allowed = request.headers().get(header::ORIGIN).and_then(|origin| cors.allow(origin));
    if is_preflight(&request) {
        let exchange = Exchange::begin(&request.into_parts().0);
        return exchange.finish(cors.preflight(allowed));
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(header::VARY, VARY);
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    }
    response
}

fn is_preflight(request: &Request) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

impl Cors {
    /// What an origin is told where it is allowed.
    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.any {
            return Some(HeaderValue::from_static(ANY));
        }
        self.origins.iter().find(|allowed| *allowed == origin).cloned()
    }

    /// An origin that isn't allowed is told nothing, by which the browser knows.
    fn preflight(&self, allowed: Option<HeaderValue>) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers: &mut HeaderMap = response.headers_mut();
        headers.insert(header::VARY, VARY_PREFLIGHT);
        if let Some(origin) = allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            let age = HeaderValue::from(self.max_age.as_secs());
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, age);
        }
        response
    }
}

/// Whether a text is an origin as browsers send it: scheme, host and port, and nothing behind.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte)
        };
        !host.is_empty() && host.bytes().all(allowed)
    })
}
