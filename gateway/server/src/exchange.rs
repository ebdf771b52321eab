//! One request and its answer: ids, time, and what every answer carries.
//!
//! **Invariant:** every answer that passes through here has an `x-request-id`, the caller's own if
//! it is well formed.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::Response;
use coppice_api::{Code, codes, headers};
use coppice_core::{CommandId, CorrelationId, Sequence, TenantId};
use coppice_runtime::{NoSpans, Trace};
use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::observed::Arrived;
use crate::problem::Fault;
use crate::rates::Allowance;

const REQUEST_ID: HeaderName = HeaderName::from_static(headers::REQUEST_ID);
const CORRELATION_ID: HeaderName = HeaderName::from_static(headers::CORRELATION_ID);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(headers::IDEMPOTENCY_KEY);

const POSITION: HeaderName = HeaderName::from_static(headers::POSITION);
const TRACE_RESPONSE: HeaderName = HeaderName::from_static(headers::TRACE_RESPONSE);
const REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static(headers::REQUEST_TIMEOUT_MS);

const REQUEST_ID_LENGTH_MAX: usize = 128;
const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 255;

/// What is known of a request before anything is done for it.
#[derive(Debug, Clone)]
pub struct Exchange {
    request_id: HeaderValue,
    correlation: CorrelationId,
    trace: Trace,
    /// Whose request it is, once that is known.
    tenant: OnceLock<TenantId>,
    /// Drawn once per request. Request id, trace, correlation and command id are all it, where the
    /// caller gave none: an id out of a log line then finds the event.
    fresh: Uuid,
    received: Instant,
    uri: Uri,
    /// What the caller's tenant has left, once that is known.
    allowance: OnceLock<Allowance>,
    /// The place in the journal that the answer shows.
    place: Arc<Mutex<Option<HeaderValue>>>,
}

impl Exchange {
    /// Of a request that arrives now.
    #[must_use]
    pub fn begin(parts: &Parts) -> Self {
        let arrived = match parts.extensions.get::<Arrived>() {
            Some(arrived) => arrived.clone(),
            None => Arrived::read(&parts.headers, &NoSpans),
        };
        let fresh = match arrived.parent {
            None => arrived.trace.uuid(),
            Some(_) => Uuid::now_v7(),
        };
        let request_id = match parts.headers.get(REQUEST_ID) {
            Some(given) if is_visible(given.as_bytes(), REQUEST_ID_LENGTH_MAX) => given.clone(),
            Some(_) | None => uuid_value(fresh),
        };
        let correlation = parts
            .headers
            .get(CORRELATION_ID)
            .and_then(|given| Uuid::try_parse_ascii(given.as_bytes()).ok())
            // So the trace's id stands in every event of it, in a place that is there already.
            .unwrap_or_else(|| arrived.trace.uuid());
        Self {
            request_id,
            correlation: CorrelationId(correlation),
            trace: arrived.trace,
            tenant: OnceLock::new(),
            fresh,
            received: Instant::now(),
            uri: parts.uri.clone(),
            allowance: OnceLock::new(),
            place: Arc::default(),
        }
    }

    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> &str {
        // Visible ASCII by construction.
        self.request_id.to_str().unwrap_or_default()
    }

    /// The conversation that it belongs to.
    #[must_use]
    pub const fn correlation(&self) -> CorrelationId {
        self.correlation
    }

    /// Its place in a trace.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Notes whose request it is, for the log.
    pub fn belongs_to(&self, tenant: &TenantId) {
        self.tenant.get_or_init(|| tenant.clone());
    }

    /// When it arrived.
    #[must_use]
    pub const fn received(&self) -> Instant {
        self.received
    }

    /// When the answer is due: after the node's own limit, or what the caller asks for if that is
    /// sooner.
    ///
    /// # Errors
    /// `malformed_request` for a header that is no whole number of milliseconds from 1.
    pub fn deadline(&self, parts: &Parts, limit: Duration) -> Result<Instant, Fault> {
        let Some(asked) = parts.headers.get(REQUEST_TIMEOUT_MS) else {
            return Ok(self.received + limit);
        };
        let asked = asked.to_str().ok().and_then(|text| text.parse().ok()).filter(|ms| *ms > 0);
        let Some(asked) = asked.map(Duration::from_millis) else {
            let detail = "X-Request-Timeout-Ms is a whole number of milliseconds, at least 1";
            return Err(Fault::new(codes::MALFORMED_REQUEST, detail));
        };
        Ok(self.received + asked.min(limit))
    }

    /// The path that was asked for.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// A command id that no other request has.
    #[must_use]
    pub const fn fresh_command_id(&self) -> CommandId {
        CommandId(self.fresh)
    }

    /// Notes what the caller's tenant has left, for the answer.
    pub fn allow(&self, allowance: Allowance) {
        self.allowance.get_or_init(|| allowance);
    }

    /// Notes the place in the journal that the answer shows: of several the last, for what a request
    /// looks at before it does something is not what it answers.
    pub fn at(&self, place: HeaderValue) {
        *self.place.lock() = Some(place);
    }

    /// Adds what every answer carries.
    #[must_use]
    pub fn finish(&self, response: Response) -> Response {
        self.finish_with(response, None)
    }

    /// Adds what every answer carries to one that tells of a problem.
    #[must_use]
    pub fn finish_problem(&self, response: Response, problem: Noted) -> Response {
        self.finish_with(response, Some(problem))
    }

    fn finish_with(&self, mut response: Response, problem: Option<Noted>) -> Response {
        response.extensions_mut().insert(Told {
            request_id: self.request_id.clone(),
            correlation: self.correlation,
            tenant: self.tenant.get().cloned(),
            problem,
        });
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, self.request_id.clone());
        // Digits and hyphens are always a valid value.
        if let Ok(value) = HeaderValue::try_from(self.trace.header()) {
            headers.insert(TRACE_RESPONSE, value);
        }
        if let Some(allowance) = self.allowance.get() {
            allowance.write(headers);
        }
        let place = self.place.lock().clone();
        if let Some(place) = place {
            headers.insert(POSITION, place);
        }
        response
    }
}

/// What an answer was made of, for whoever counts and logs; it goes no further.
#[derive(Debug, Clone)]
pub struct Told {
    request_id: HeaderValue,
    /// The conversation that the request belongs to.
    pub correlation: CorrelationId,
    /// Whose request it is, where that became known.
    pub tenant: Option<TenantId>,
    /// The problem, where it tells of one.
    pub problem: Option<Noted>,
}

/// A problem as it is counted and logged.
#[derive(Debug, Clone)]
pub struct Noted {
    /// Its code.
    pub code: Code,
    /// What happened, as the client was told.
    pub detail: Cow<'static, str>,
    /// What the client was not told.
    pub inner: Option<Box<str>>,
}

impl Told {
    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> &str {
        // Visible ASCII by construction.
        self.request_id.to_str().unwrap_or_default()
    }
}

/// The sequence that the caller expects the entity to be at, from `If-Match`.
///
/// # Errors
/// `malformed_request` for anything but one strong entity tag that is a sequence.
pub fn expected_sequence(headers: &HeaderMap) -> Result<Option<Sequence>, Fault> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let tag = value.to_str().ok().filter(|_| values.next().is_none());
    let number = tag
        .and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok())
        .filter(|number| i64::try_from(*number).is_ok());
    let malformed = || {
        let detail = "If-Match must be given once, as the entity's ETag, such as \"7\"";
        Fault::new(codes::MALFORMED_REQUEST, detail)
    };
    number.map(|number| Some(Sequence(number))).ok_or_else(malformed)
}

/// The idempotency key of a request, if it gives one.
///
/// # Errors
/// `invalid_idempotency_key` for one that is malformed, too long or given twice.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Fault> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        values.next().is_none() && is_visible(key.as_bytes(), IDEMPOTENCY_KEY_LENGTH_MAX)
    });
    match key {
        Some(key) => Ok(Some(key)),
        None => Err(Fault::new(
            codes::INVALID_IDEMPOTENCY_KEY,
            "Idempotency-Key must be given once, as 1 to 255 visible ASCII characters",
        )),
    }
}

fn is_visible(text: &[u8], length_max: usize) -> bool {
    (1..=length_max).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
}

fn uuid_value(id: Uuid) -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text = id.as_hyphenated().encode_lower(&mut buffer);
    // Hex digits and hyphens are always a valid value.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn begin(name: &'static str, value: &str) -> Exchange {
        let request = Request::builder().uri("/x").header(name, value).body(()).unwrap();
        Exchange::begin(&request.into_parts().0)
    }

    #[test]
    fn a_well_formed_request_id_is_kept_and_another_is_replaced() {
        assert_eq!(begin("x-request-id", "abc-1").request_id(), "abc-1");
        for bad in ["", "a b", "a\tb", &"a".repeat(129)] {
            let exchange = begin("x-request-id", bad);
            assert_eq!(exchange.request_id(), exchange.fresh.to_string(), "{bad:?}");
        }
    }

    #[test]
    fn a_correlation_id_must_be_a_uuid() {
        let id = "0190b6f1-6f3c-7c29-8d0e-6d1f5a3b2c4d";
        assert_eq!(begin("x-correlation-id", id).correlation().0.to_string(), id);
        let exchange = begin("x-correlation-id", "mine");
        assert_eq!(exchange.correlation().0, exchange.fresh);
    }

    #[test]
    fn a_trace_names_the_conversation_unless_the_caller_does() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let exchange = begin("traceparent", parent);
        let trace = "0af76519-16cd-43dd-8448-eb211c80319c";
        assert_eq!(exchange.correlation().0.to_string(), trace);
        assert_ne!(exchange.request_id(), trace, "it names this request");
        assert_ne!(exchange.fresh_command_id().0.to_string(), trace, "and this command");
        assert_ne!(exchange.trace().span.to_string(), "b7ad6b7169203331");
        let exchange = begin("traceparent", "garbage");
        assert_eq!(exchange.trace().uuid(), exchange.fresh, "it begins here");
        assert_eq!(exchange.correlation().0, exchange.fresh);
    }

    #[test]
    fn the_caller_may_wait_for_less_than_the_limit_and_not_for_more() {
        let limit = Duration::from_secs(30);
        let due = |value: &str| {
            let request =
                Request::builder().header("x-request-timeout-ms", value).body(()).unwrap();
            let parts = request.into_parts().0;
            let exchange = Exchange::begin(&parts);
            exchange.deadline(&parts, limit).map(|due| due - exchange.received())
        };
        assert_eq!(due("250"), Ok(Duration::from_millis(250)));
        assert_eq!(due("40000"), Ok(limit));
        for bad in ["0", "", "-1", "1.5", "1s", "99999999999999999999"] {
            assert_eq!(due(bad).unwrap_err().code(), codes::MALFORMED_REQUEST, "{bad:?}");
        }
    }

    #[test]
    fn an_expected_sequence_is_one_strong_tag() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_MATCH, HeaderValue::from_str(value).unwrap());
            }
            expected_sequence(&headers)
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["\"7\""]), Ok(Some(Sequence(7))));
        for bad in [&["7"][..], &["*"], &["W/\"7\""], &["\"7\"", "\"7\""], &["\"a\""], &["\""]] {
            assert_eq!(of(bad).unwrap_err().code(), codes::MALFORMED_REQUEST, "{bad:?}");
        }
    }

    #[test]
    fn an_idempotency_key_is_given_once_and_visible() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
            }
            idempotency_key(&headers).map(|key| key.map(str::to_owned))
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["k"]), Ok(Some("k".to_owned())));
        assert_eq!(of(&[&"k".repeat(255)]), Ok(Some("k".repeat(255))));
        for bad in [&["k", "k"][..], &[""], &["a b"], &["\u{e9}"], &[&"k".repeat(256)]] {
            assert_eq!(of(bad).unwrap_err().code(), codes::INVALID_IDEMPOTENCY_KEY, "{bad:?}");
        }
    }
}
