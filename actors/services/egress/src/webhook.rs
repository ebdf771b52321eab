//! One address that is sent what entities owe.

use std::time::Duration;

use coppice_runtime::{EffectCall, EffectError, EffectHandler};
use futures_util::future::BoxFuture;
use reqwest::{Client, Response, StatusCode, Url, header, redirect};
use tokio::time::{Instant, timeout_at};

/// The header that carries the effect's key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The headers of the W3C trace context.
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";

/// How long an answer's body may take once its status is there.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// The longest answer that is recorded, in bytes; it goes into an event.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Posts requests as JSON to one address.
#[derive(Debug, Clone)]
pub struct Webhook {
    client: Client,
    url: Url,
}

impl Webhook {
    /// To an `http` address.
    ///
    /// # Errors
    /// What is wrong with the address, for people.
    pub fn new(url: &str) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        if url.scheme() != "http" {
            return Err("only http addresses can be called".to_owned());
        }
        // A redirect would send a second request somewhere else under the same key.
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().build();
        client.map(|client| Self { client, url }).map_err(|error| error.to_string())
    }

    async fn post(&self, call: EffectCall) -> Result<String, EffectError> {
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, call.idempotency_key.to_string())
            .header(TRACE_PARENT, call.trace.header());
        let request = match &call.trace.state {
            Some(state) => request.header(TRACE_STATE, state.as_ref()),
            None => request,
        };
        let sent = request.body(call.request.into_string()).send().await;
        let response = sent.map_err(|error| {
            let detail = error.to_string();
            if error.is_connect() || error.is_builder() {
                EffectError::NotSent { detail }
            } else {
                EffectError::Unknown { detail }
            }
        })?;
        let status = response.status();
        match verdict(status) {
            Verdict::Done => Ok(answer(response).await),
            Verdict::NotNow => Err(EffectError::NotSent { detail: status.to_string() }),
            Verdict::Refused => {
                let code = format!("http_{}", status.as_u16());
                Err(EffectError::Refused { code, detail: answer(response).await })
            }
            Verdict::Unknown => Err(EffectError::Unknown { detail: status.to_string() }),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Done,
    /// The other side says that it did nothing and may do it later.
    NotNow,
    Refused,
    Unknown,
}

/// What a status says. Of the 5xx only 503 promises that nothing was done (RFC 9110, 15.6.4, with
/// 429 of RFC 6585).
fn verdict(status: StatusCode) -> Verdict {
    match status {
        status if status.is_success() => Verdict::Done,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Verdict::NotNow,
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Verdict::Unknown
        }
        _ => Verdict::Refused,
    }
}

/// The answer as JSON text: itself where it is JSON and short, else its beginning as a string. An
/// answer that breaks off changes nothing: its status has arrived.
async fn answer(mut response: Response) -> String {
    let mut bytes = Vec::new();
    let until = Instant::now() + ANSWER_TIME_MAX;
    while bytes.len() <= ANSWER_BYTES_MAX
        && let Ok(Ok(Some(chunk))) = timeout_at(until, response.chunk()).await
    {
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() <= ANSWER_BYTES_MAX
        && let Ok(text) = std::str::from_utf8(&bytes)
        && serde_json::from_str::<serde_json::Value>(text).is_ok()
    {
        return text.to_owned();
    }
    bytes.truncate(ANSWER_BYTES_MAX);
    serde_json::Value::String(String::from_utf8_lossy(&bytes).into_owned()).to_string()
}

impl EffectHandler for Webhook {
    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        Box::pin(self.post(call))
    }
}

/// Refuses everything: the operator set no address.
#[derive(Debug, Clone, Copy)]
pub struct Unset(
    /// The setting that is empty.
    pub &'static str,
);

impl EffectHandler for Unset {
    fn call(&self, _: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        let detail = format!("the setting {} is empty", self.0);
        let refused = EffectError::Refused { code: "not_configured".to_owned(), detail };
        Box::pin(std::future::ready(Err(refused)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_certainly_had_no_effect_counts_as_failed() {
        let said = |code: u16| verdict(StatusCode::from_u16(code).unwrap());
        assert!([200, 201, 204].iter().all(|code| said(*code) == Verdict::Done));
        assert!([429, 503].iter().all(|code| said(*code) == Verdict::NotNow));
        assert!([400, 404, 409, 422, 301].iter().all(|code| said(*code) == Verdict::Refused));
        assert!([408, 500, 502, 504].iter().all(|code| said(*code) == Verdict::Unknown));
    }

    #[test]
    fn an_address_that_can_not_be_called_is_refused() {
        assert!(Webhook::new("http://127.0.0.1:1/x").is_ok());
        for url in ["", "x", "ftp://a/b", "https://a/b"] {
            assert!(Webhook::new(url).is_err(), "{url}");
        }
    }
}
