//! Asking the node, as anybody would.

use std::time::Duration;

use reqwest::{Client as Http, Method};
use serde_json::Value;
use thiserror::Error;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no answer to go on with.
#[derive(Debug, Error)]
pub enum AskError {
    /// The node could not be reached, or its answer broke off.
    #[error("the node did not answer")]
    Unreached(#[source] reqwest::Error),
    /// It refused.
    #[error("{method} {path} was answered with {status}: {body}")]
    Refused {
        /// The method.
        method: Method,
        /// The path.
        path: String,
        /// The status.
        status: u16,
        /// What it said.
        body: String,
    },
}

/// A client with a key.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: Http,
    url: String,
    key: String,
}

impl Client {
    pub(super) fn new(url: &str, key: &str) -> Result<Self, AskError> {
        let http = Http::builder().no_proxy().timeout(TIMEOUT).build();
        let http = http.map_err(AskError::Unreached)?;
        Ok(Self { http, url: url.to_owned(), key: key.to_owned() })
    }

    /// The same client for a node that moved, after a restart.
    pub(super) fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, AskError> {
        self.ask(Method::GET, path, None, &[]).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, AskError> {
        self.ask(Method::POST, path, Some(body.to_string()), &[]).await
    }

    /// Posts bytes as they are, with headers and without the key.
    pub(super) async fn deliver(
        &self,
        path: &str,
        body: String,
        headers: &[(&str, String)],
    ) -> Result<Value, AskError> {
        self.ask(Method::POST, path, Some(body), headers).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        headers: &[(&str, String)],
    ) -> Result<Value, AskError> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        request = if headers.is_empty() {
            request.bearer_auth(&self.key)
        } else {
            headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
        };
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.map_err(AskError::Unreached)?;
        let status = response.status();
        let body = response.text().await.map_err(AskError::Unreached)?;
        if !status.is_success() {
            let (path, status) = (path.to_owned(), status.as_u16());
            return Err(AskError::Refused { method, path, status, body });
        }
        Ok(serde_json::from_str(&body).unwrap_or_default())
    }
}
