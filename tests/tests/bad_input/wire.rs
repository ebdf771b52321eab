//! Requests that no well-behaved client sends, and what every answer to them must have.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use coppice_testkit::{Client, Sandbox};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// How long any request may take: nothing hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The command that most requests are about.
pub(crate) const ADD: &str = "/v1/entities/counter/a/add";

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// Speaks to one sandbox.
pub(crate) struct Wire<'a> {
    sandbox: &'a Sandbox,
    http: reqwest::Client,
}

impl<'a> Wire<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox) -> Self {
        let client = Client::with_timeout(sandbox.url(), sandbox.key(), PATIENCE);
        Self { sandbox, http: client.http().clone() }
    }

    /// A request without anything, not even a key.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.sandbox.url()))
    }

    /// A request with the key.
    pub(crate) fn keyed(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(self.sandbox.key())
    }

    /// A command with the key and a body that says that it is JSON.
    pub(crate) fn command(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let json = HeaderValue::from_static("application/json");
        self.keyed(Method::POST, path).header("content-type", json).body(body)
    }

    /// Adds to the counter `a`; the whole answer.
    pub(crate) async fn add(&self, n: i64) -> Answer {
        send(self.command(ADD, format!("{{\"n\":{n}}}"))).await
    }

    /// The value of the counter `a`, 0 where it isn't there.
    pub(crate) async fn value(&self) -> i64 {
        let answer = send(self.keyed(Method::GET, "/v1/entities/counter/a")).await;
        match answer.status {
            404 => 0,
            _ => answer.body["state"]["value"].as_i64().expect("a counter shows its value"),
        }
    }

    /// What the server answers to these bytes, until it closes the connection. The client says
    /// no more, and stays.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        read(&mut self.write(bytes))
    }

    /// As [`Wire::raw`], from a client that has closed its side, which may cost it the answer.
    pub(crate) fn raw_and_closed(&self, bytes: &[u8]) -> String {
        let mut stream = self.write(bytes);
        stream.shutdown(Shutdown::Write).unwrap();
        read(&mut stream)
    }

    fn write(&self, bytes: &[u8]) -> TcpStream {
        let address = self.sandbox.url().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    /// The head of an add as bytes, up to the headers that are added.
    pub(crate) fn raw_add(&self, headers: &str) -> String {
        let key = self.sandbox.key();
        format!(
            "POST {ADD} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\n{headers}\r\n"
        )
    }
}

fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        // What came before the end is judged.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("no answer: {error}, after {}", String::from_utf8_lossy(&bytes)),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A whole answer that was read as bytes holds a problem.
#[track_caller]
pub(crate) fn is_raw_problem(answer: &str, status: u16, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let text = answer.to_ascii_lowercase();
    assert!(text.contains("content-type: application/problem+json"), "{answer}");
    assert!(text.contains("x-request-id: "), "{answer}");
    assert!(text.contains(&format!("\"code\":\"{code}\"")), "{answer}");
    assert!(text.contains("\"outcome\":\"not_applied\""), "{answer}");
}

/// Sends it and reads the whole answer.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("there is an answer in time");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.expect("there is a whole answer");
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status, headers, body }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// It is a problem with this code after which nothing has changed; its detail.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> &str {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert_eq!(self.body["outcome"], "not_applied", "{self:?}");
        assert_eq!(self.body["type"], format!("/problems/{code}"), "{self:?}");
        let request_id = self.header("x-request-id").expect("every answer has a request id");
        assert_eq!(self.body["request_id"], request_id, "{self:?}");
        assert_eq!(self.body["error"]["code"], code, "{self:?}");
        self.body["detail"].as_str().expect("a problem has a detail")
    }

    /// It was accepted.
    #[track_caller]
    pub(crate) fn is_accepted(&self) {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(self.headers.contains_key("x-request-id"), "{self:?}");
    }
}
