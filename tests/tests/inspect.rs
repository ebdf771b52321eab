//! `coppice inspect`: what an operator sees of a running node from a terminal, and what the end of
//! the command tells a script.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::process::{Command, Stdio};

use axum::Router;
use axum::http::{HeaderMap, Uri};
use coppice_testkit::{Client, Sandbox, binary};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// What a command said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn inspect(url: &str, key: Option<&str>, arguments: &[&str]) -> Said {
    let mut command = Command::new(binary());
    command.env_remove("COPPICE_API_KEY");
    if let Some(key) = key {
        command.env("COPPICE_API_KEY", key);
    }
    command.args(["inspect", "--url", url]).args(arguments).stdin(Stdio::null());
    let done = command.output().unwrap();
    Said {
        code: done.status.code(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

#[track_caller]
fn shows(said: &Said, texts: &[&str]) {
    assert_eq!(said.code, Some(0), "{said:?}");
    for text in texts {
        assert!(said.stdout.contains(text), "it does not show {text:?}:\n{}", said.stdout);
    }
}

#[track_caller]
fn refuses(said: &Said, code: i32, text: &str) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(said.stderr.contains(text), "{said:?}");
    assert_eq!(said.stdout, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_node_is_shown_as_text_and_as_json() {
    // The key of the operator may be set where the node is started as well.
    let sandbox = Sandbox::builder(binary()).env("COPPICE_API_KEY", "other").start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("visits", 42, None).await.unwrap().value(), Some(42));
    let look = |arguments: &[&str]| inspect(sandbox.url(), Some(sandbox.key()), arguments);

    shows(
        &look(&["entity", "counter", "visits"]),
        &["counter/visits at sequence 1", "\"value\": 42"],
    );
    let tree = look(&["tree"]);
    shows(&tree, &["node", "  regions", "writer", "gateway", "counter", "bell", "committed 1"]);
    shows(&look(&["actors", "counter"]), &["visits", "running", "idle"]);
    shows(&look(&["dead-letters"]), &["number", "reason"]);
    let raw = look(&["--json", "entity", "counter", "visits"]);
    assert_eq!(raw.code, Some(0), "{raw:?}");
    let raw: Value = serde_json::from_str(&raw.stdout).unwrap();
    assert_eq!(raw["state"], json!({"value": 42}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_shown_ends_with_a_code_that_says_why() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let url = sandbox.url().to_owned();
    let key = Some(sandbox.key());
    refuses(&inspect(&url, key, &["entity", "counter", "nobody"]), 5, "entity_not_found");
    refuses(&inspect(&url, key, &["actors", "nothing"]), 5, "unknown_kind");
    refuses(&inspect(&url, None, &["tree"]), 2, "COPPICE_API_KEY");
    refuses(&inspect(&url, key, &["entity", "counter", "../../inspect/tree"]), 2, "no name");
    refuses(&inspect(&url, key, &["nonsense"]), 2, "nonsense");
    refuses(&inspect(&url, Some("sk_test_ffffffffffffffffffffffffffffffff"), &["tree"]), 1, "auth");
    drop(sandbox);
    refuses(&inspect(&url, Some("k"), &["tree"]), 1, "does not answer");
}

/// What answers in place of a node, on a port of its own.
async fn stub(answer: fn(HeaderMap, Uri) -> (u16, String)) -> (String, JoinSet<()>) {
    let router = Router::new().fallback(move |headers: HeaderMap, uri: Uri| async move {
        let (status, body) = answer(headers, uri);
        (axum::http::StatusCode::from_u16(status).unwrap(), body)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_asked_for_page_by_page() {
    let (url, _serving) = stub(|headers, uri| {
        assert_eq!(headers["authorization"], "Bearer k");
        assert_eq!(uri.path(), "/v1/entities/counter/a/events");
        let event = json!({
            "position": 9, "kind": "counter", "id": "a", "sequence": 4, "event_id": "e",
            "type": "counter.added.v1", "recorded_at": 1_795_287_820_000_123_i64, "causation": "c",
            "correlation": "r", "workflow": null, "policy_bundle": null, "subject": null,
            "previous_hash": "00", "hash": "01", "data": {"n": 2},
        });
        let next = if uri.query() == Some("limit=1") { json!("4") } else { Value::Null };
        (200, json!({"events": [event], "next_cursor": next}).to_string())
    })
    .await;
    let first = inspect(&url, Some("k"), &["events", "counter", "a", "--limit", "1"]);
    let line = "4         9         2026-11-21T19:03:40.000123Z  counter.added.v1  c";
    shows(&first, &[line, "{\"n\":2}", "more: --cursor 4"]);
    let arguments = ["events", "counter", "a", "--limit", "1", "--cursor", "4"];
    let last = inspect(&url, Some("k"), &arguments);
    shows(&last, &[line]);
    assert!(!last.stdout.contains("more"), "{last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_a_nodes_is_told_without_its_control_characters() {
    let (url, _serving) = stub(|_, _| (502, "\u{1b}[2Jbad gateway".to_owned())).await;
    let said = inspect(&url, Some("k"), &["tree"]);
    refuses(&said, 1, "status 502");
    assert!(said.stderr.contains("bad gateway") && !said.stderr.contains('\u{1b}'), "{said:?}");
}
