//! A thin client of the gateway's counter, for tests that speak HTTP.

use std::time::Duration;

use coppice_core::Sequence;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::history::Completion;

/// How long a request may take. Longer than any deadline of the server's own.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one server with one key. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

/// An answer of the server, whatever it says.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body; [`Value::Null`] where it is no JSON.
    pub body: Value,
    /// The `content-type` header.
    pub content_type: Option<String>,
    /// The `retry-after` header, in seconds.
    pub retry_after: Option<u64>,
}

impl Client {
    /// A client of the server at a URL.
    ///
    /// # Panics
    /// Where the HTTP client can't be set up at all.
    #[must_use]
    pub fn new(url: &str, key: &str) -> Self {
        Self::with_timeout(url, key, TIMEOUT)
    }

    /// A client that waits no longer than this for an answer.
    ///
    /// # Panics
    /// As [`Client::new`].
    #[must_use]
    pub fn with_timeout(url: &str, key: &str, timeout: Duration) -> Self {
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .no_proxy()
            .build()
            .expect("a client without TLS has nothing to fail on");
        Self { http, url: url.trim_end_matches('/').to_owned(), key: key.to_owned() }
    }

    /// The same client for a server that moved, after a restart.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// The route of an add, as the server sees it.
    #[must_use]
    pub fn add_route(id: &str) -> String {
        format!("/v1/entities/counter/{id}/add")
    }

    /// Adds to a counter.
    ///
    /// # Errors
    /// Where no whole answer came.
    pub async fn add(
        &self,
        id: &str,
        n: i64,
        idempotency_key: Option<&str>,
    ) -> Result<Reply, reqwest::Error> {
        self.post(&Self::add_route(id), &json!({ "n": n }), idempotency_key).await
    }

    /// Reads a counter.
    ///
    /// # Errors
    /// Where no whole answer came.
    pub async fn get(&self, id: &str) -> Result<Reply, reqwest::Error> {
        self.get_path(&format!("/v1/entities/counter/{id}")).await
    }

    /// Posts any JSON to any path.
    ///
    /// # Errors
    /// Where no whole answer came.
    pub async fn post(
        &self,
        path: &str,
        body: &Value,
        idempotency_key: Option<&str>,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.key);
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        Reply::read(request.json(body).send().await?).await
    }

    /// Gets any path.
    ///
    /// # Errors
    /// Where no whole answer came.
    pub async fn get_path(&self, path: &str) -> Result<Reply, reqwest::Error> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.key);
        Reply::read(request.send().await?).await
    }

    /// Deletes at any path.
    ///
    /// # Errors
    /// Where no whole answer came.
    pub async fn delete(&self, path: &str) -> Result<Reply, reqwest::Error> {
        let request = self.http.delete(format!("{}{path}", self.url)).bearer_auth(&self.key);
        Reply::read(request.send().await?).await
    }

    /// The HTTP client itself, for requests that no well-behaved client sends.
    #[must_use]
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }
}

impl Reply {
    async fn read(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let status = response.status();
        let content_type = header("content-type");
        let retry_after = header("retry-after").and_then(|text| text.parse().ok());
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Self { status, body, content_type, retry_after })
    }

    /// The problem's code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.body["code"].as_str()
    }

    /// What happened to the command, as the problem says: `not_applied` or `unknown`.
    #[must_use]
    pub fn outcome(&self) -> Option<&str> {
        self.body["outcome"].as_str()
    }

    /// The entity's sequence.
    #[must_use]
    pub fn sequence(&self) -> Option<Sequence> {
        self.body["sequence"].as_u64().map(Sequence)
    }

    /// The counter's value: of an add's reply or of a state that was read.
    #[must_use]
    pub fn value(&self) -> Option<i64> {
        let [replied, read] = ["/reply/value", "/state/value"].map(|path| self.body.pointer(path));
        replied.or(read).and_then(Value::as_i64)
    }

    /// Whether an add's answer repeats an earlier one.
    #[must_use]
    pub fn repeated(&self) -> Option<bool> {
        self.body["repeated"].as_bool()
    }

    /// What the answer says for a [`History`](crate::History). An answer that isn't understood is
    /// `Unknown`: it claims nothing.
    #[must_use]
    pub fn completion(&self) -> Completion {
        if let (StatusCode::OK, Some(sequence), Some(value)) =
            (self.status, self.sequence(), self.value())
        {
            return Completion::Ok { sequence, value };
        }
        match (self.status, self.outcome()) {
            (StatusCode::UNPROCESSABLE_ENTITY, Some("not_applied")) => Completion::Rejected,
            (_, Some("not_applied")) => Completion::NotApplied,
            (_, Some(_) | None) => Completion::Unknown,
        }
    }
}

/// What came of a request for a [`History`](crate::History): a connection that was never made
/// applied nothing; one that broke may have.
#[must_use]
pub fn completion_of(result: &Result<Reply, reqwest::Error>) -> Completion {
    match result {
        Ok(reply) => reply.completion(),
        Err(error) if error.is_connect() => Completion::NotApplied,
        Err(_) => Completion::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: Value) -> Reply {
        let status = StatusCode::from_u16(status).unwrap();
        Reply { status, body, content_type: None, retry_after: None }
    }

    #[test]
    fn answers_and_reads_give_sequence_and_value() {
        let ok = Completion::Ok { sequence: Sequence(2), value: 5 };
        let added = json!({"sequence": 2, "reply": {"value": 5}, "repeated": true});
        assert_eq!(reply(200, added.clone()).completion(), ok);
        assert_eq!(reply(200, added).repeated(), Some(true));
        let read = json!({"kind": "counter", "id": "c", "sequence": 2, "state": {"value": 5}});
        assert_eq!(reply(200, read).completion(), ok);
    }

    #[test]
    fn problems_say_what_happened_and_anything_else_is_unknown() {
        let problem = |outcome: &str| json!({"code": "x", "outcome": outcome});
        assert_eq!(reply(422, problem("not_applied")).completion(), Completion::Rejected);
        assert_eq!(reply(503, problem("not_applied")).completion(), Completion::NotApplied);
        assert_eq!(reply(504, problem("unknown")).completion(), Completion::Unknown);
        assert_eq!(reply(500, Value::Null).completion(), Completion::Unknown);
        assert_eq!(reply(200, json!({"sequence": 2})).completion(), Completion::Unknown);
    }

    #[tokio::test]
    async fn a_connection_that_was_never_made_applied_nothing() {
        // Bound and dropped: nobody listens there.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let result = Client::new(&format!("http://{free}"), "k").add("c", 1, None).await;
        assert_eq!(completion_of(&result), Completion::NotApplied);
    }
}
