//! `fetch`: the plugin that gets text from hosts that the operator named.
//!
//! **Invariants:** nothing is asked of a host that isn't on the list, redirects are not followed, and
//! no answer is larger than its limit. **Deliberately absent:** TLS; where it is needed, the listed
//! host is a proxy of the operator's.

use std::collections::BTreeSet;

use coppice_plugin_sdk::{
    BoxFuture, InputEnvelope, Latency, Manifest, OutputEnvelope, Plugin, PluginError, codes,
};
use reqwest::{Client, Url, redirect};
use serde_json::{Value, json};

/// Its name.
pub const FETCH: &str = "fetch";

const VERSION: &str = "1.0.0";

/// The one thing that it does.
const GET: &str = "get";

/// How long a host may take, in seconds.
const TIMEOUT_SECONDS: u32 = 20;

/// The plugin.
#[derive(Debug)]
pub struct Fetch {
    manifest: Manifest,
    client: Client,
    hosts: BTreeSet<String>,
    bytes_max: usize,
}

/// Why there is no text, with the code that says what may be done about it.
struct Refusal(&'static str, String);

impl Fetch {
    /// From these hosts, each with its port, texts of at most so many bytes.
    ///
    /// # Errors
    /// Where no client can be made.
    pub fn new(
        hosts: impl IntoIterator<Item = String>,
        bytes_max: usize,
    ) -> Result<Self, PluginError> {
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().build();
        let client = client.map_err(|error| PluginError(error.to_string()))?;
        let mut manifest = Manifest::new(FETCH, VERSION)
            .description("Gets text from hosts that the operator named.")
            .category("platform")
            .capability(GET)
            .input_schema(json!({
                "type": "object",
                "required": ["url"],
                "properties": {"url": {"type": "string"}},
            }));
        manifest.estimated_latency = Latency::Medium;
        manifest.config.timeout_seconds = TIMEOUT_SECONDS;
        Ok(Self { manifest, client, hosts: hosts.into_iter().collect(), bytes_max })
    }

    async fn get(&self, input: &Value) -> Result<String, Refusal> {
        let url = input["url"].as_str().unwrap_or_default();
        let invalid = |why: String| Refusal(codes::INVALID_INPUT, why);
        let url = Url::parse(url).map_err(|error| invalid(format!("{url:?}: {error}")))?;
        let host = url.host_str().unwrap_or_default();
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        if url.scheme() != "http" || !self.hosts.contains(&authority) {
            return Err(invalid(format!("{authority} is no host that may be asked")));
        }
        let passing = |error: reqwest::Error| Refusal(codes::TRANSIENT, error.to_string());
        let mut response = self.client.get(url).send().await.map_err(passing)?;
        let status = response.status();
        if status.is_server_error() {
            return Err(Refusal(codes::TRANSIENT, status.to_string()));
        }
        if !status.is_success() {
            return Err(invalid(format!("{authority} answered {status}")));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(passing)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > self.bytes_max {
                return Err(invalid(format!("the text has more than {} bytes", self.bytes_max)));
            }
        }
        // What isn't UTF-8 is still a diff: its odd bytes are replaced.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Plugin for Fetch {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn execute(&self, input: InputEnvelope) -> BoxFuture<'_, OutputEnvelope> {
        Box::pin(async move {
            match self.get(&input.input).await {
                Ok(text) => {
                    let said = format!("{} bytes", text.len());
                    OutputEnvelope::success(&input, said).with_output(json!({ "text": text }))
                }
                Err(Refusal(code, why)) => OutputEnvelope::failed(&input, code, why),
            }
        })
    }
}
