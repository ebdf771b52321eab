//! One request and its answer: ids, time, and what every answer carries.
//!
//! **Invariant:** every answer that passes through here has an `x-request-id`, the caller's own if
//! it is well formed.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::response::Response;
use coppice_api::{codes, headers};
use coppice_core::{CommandId, CorrelationId};
use tokio::time::Instant;
use uuid::Uuid;

use crate::problem::Fault;

const REQUEST_ID: HeaderName = HeaderName::from_static(headers::REQUEST_ID);
const CORRELATION_ID: HeaderName = HeaderName::from_static(headers::CORRELATION_ID);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(headers::IDEMPOTENCY_KEY);

const REQUEST_ID_LENGTH_MAX: usize = 128;
const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 255;

/// What is known of a request before anything is done for it.
#[derive(Debug, Clone)]
pub struct Exchange {
    request_id: HeaderValue,
    correlation: CorrelationId,
    /// Drawn once per request. Request id, correlation and command id are all it, where the caller
    /// gave none: an id out of a log line then finds the event.
    fresh: Uuid,
    received: Instant,
    uri: Uri,
}

impl Exchange {
    /// Of a request that arrives now.
    #[must_use]
    pub fn begin(parts: &Parts) -> Self {
        let fresh = Uuid::now_v7();
        let request_id = match parts.headers.get(REQUEST_ID) {
            Some(given) if is_visible(given.as_bytes(), REQUEST_ID_LENGTH_MAX) => given.clone(),
            Some(_) | None => uuid_value(fresh),
        };
        let correlation = parts
            .headers
            .get(CORRELATION_ID)
            .and_then(|given| Uuid::try_parse_ascii(given.as_bytes()).ok())
            .unwrap_or(fresh);
        Self {
            request_id,
            correlation: CorrelationId(correlation),
            fresh,
            received: Instant::now(),
            uri: parts.uri.clone(),
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

    /// When it arrived.
    #[must_use]
    pub const fn received(&self) -> Instant {
        self.received
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

    /// Adds what every answer carries.
    #[must_use]
    pub fn finish(&self, mut response: Response) -> Response {
        response.headers_mut().insert(REQUEST_ID, self.request_id.clone());
        response
    }
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
