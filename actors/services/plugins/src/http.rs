//! Plugins behind HTTP.
//!
//! **Invariants:** only addresses that an operator registered are called, and no redirect leads
//! anywhere else; no answer is read beyond its limit.

use std::time::Duration;

use coppice_plugin_sdk::HealthReport;
use coppice_plugin_sdk::contract::Breach;
use coppice_runtime::Trace;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header, redirect};
use uuid::Uuid;

use crate::failure::CallFault;

/// The header that carries the key of a call.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The headers of the W3C trace context.
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";

/// The header that shows that a request is the node's.
const SIGNATURE: &str = "x-coppice-signature";

/// The largest health report, in bytes: a hundred components fit.
const REPORT_BYTES_MAX: usize = 16 * 1024;

/// A connection that nobody has used for so long is closed: sooner than most servers do it.
const IDLE: Duration = Duration::from_secs(4);

/// Calls plugins.
#[derive(Debug, Clone)]
pub(crate) struct HttpCaller(Client);

/// What goes out with a call.
pub(crate) struct Sent<'a> {
    pub(crate) envelope: Vec<u8>,
    pub(crate) key: Uuid,
    pub(crate) trace: &'a Trace,
    /// Of the envelope, where the node has a key for the plugin.
    pub(crate) signature: Option<String>,
}

/// Where a plugin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    execute: Url,
    health: Url,
}

impl Endpoint {
    /// At an address that an operator gave.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let base = Url::parse(url).map_err(|error| format!("the url: {error}"))?;
        if base.scheme() != "http" {
            return Err("the url: only http addresses can be called".to_owned());
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err("the url has neither a query nor a fragment".to_owned());
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err("the url holds no credentials".to_owned());
        }
        let below = |name: &str| {
            let mut url = base.clone();
            url.set_path(&format!("{}/{name}", base.path().trim_end_matches('/')));
            url
        };
        Ok(Self { execute: below("execute"), health: below("health") })
    }
}

impl HttpCaller {
    /// # Errors
    /// Where the library can't be set up, for people.
    pub(crate) fn new() -> Result<Self, String> {
        // A redirect would send a second request somewhere that nobody registered.
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .pool_idle_timeout(IDLE)
            .no_proxy()
            .build();
        client.map(Self).map_err(|error| error.to_string())
    }

    /// Hands a call over and gives the bytes of the answer.
    pub(crate) async fn execute(
        &self,
        endpoint: &Endpoint,
        Sent { envelope, key, trace, signature }: Sent<'_>,
        bytes_max: usize,
    ) -> Result<Vec<u8>, CallFault> {
        let request = self
            .0
            .post(endpoint.execute.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, key.to_string())
            .header(TRACE_PARENT, trace.header());
        let request = match &trace.state {
            Some(state) => request.header(TRACE_STATE, state.as_ref()),
            None => request,
        };
        let request = signed(request, signature);
        answer(request.body(envelope).send().await, bytes_max).await
    }

    /// Asks how a plugin is.
    pub(crate) async fn health(
        &self,
        endpoint: &Endpoint,
        signature: Option<String>,
    ) -> Result<HealthReport, CallFault> {
        let request = signed(self.0.get(endpoint.health.clone()), signature);
        let sent = request.send().await;
        let bytes = answer(sent, REPORT_BYTES_MAX).await?;
        let report = serde_json::from_slice(&bytes);
        report.map_err(|error| CallFault::Breach(Breach::Envelope(error.to_string())))
    }
}

fn signed(request: RequestBuilder, signature: Option<String>) -> RequestBuilder {
    match signature {
        Some(signature) => request.header(SIGNATURE, signature),
        None => request,
    }
}

async fn answer(
    sent: Result<Response, reqwest::Error>,
    bytes_max: usize,
) -> Result<Vec<u8>, CallFault> {
    let mut response = sent.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            CallFault::Unreachable(chain(&error))
        } else {
            CallFault::Broken(chain(&error))
        }
    })?;
    if response.status() != StatusCode::OK {
        return Err(CallFault::Status(response.status().as_u16()));
    }
    let mut bytes = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|error| CallFault::Broken(chain(&error)))?;
        let Some(chunk) = chunk else { return Ok(bytes) };
        if bytes.len() + chunk.len() > bytes_max {
            return Err(CallFault::TooLarge(bytes_max));
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// An error with what caused it. The address is left out: tenants see it.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    if text.is_empty() { "no connection".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_two_paths_below_it() {
        for url in ["http://127.0.0.1:9", "http://127.0.0.1:9/"] {
            let endpoint = Endpoint::new(url).unwrap();
            assert_eq!(endpoint.execute.as_str(), "http://127.0.0.1:9/execute");
            assert_eq!(endpoint.health.as_str(), "http://127.0.0.1:9/health");
        }
        let below = Endpoint::new("http://plugins.internal/word-count/").unwrap();
        assert_eq!(below.execute.as_str(), "http://plugins.internal/word-count/execute");
    }

    #[test]
    fn an_address_that_can_not_be_called_is_refused() {
        for url in [
            "",
            "x",
            "ftp://a",
            "https://a",
            "file:///etc/hostname",
            "http://a/?b",
            "http://a/#b",
            "http://user@a",
            "http://user:secret@a",
        ] {
            assert!(Endpoint::new(url).is_err(), "{url}");
        }
    }
}
