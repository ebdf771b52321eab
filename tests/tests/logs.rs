//! The log of the real binary: every line an object, and nothing secret in any.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use coppice_testkit::{Client, Sandbox, binary};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

const WEBHOOK_SECRET: &str = "marker-secret-of-webhooks";
const PLATFORM_KEY: &str = "5a5b5c5d5e5f606162636465666768696a6b6c6d6e6f70717273747576777879";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_is_an_object_with_known_fields_and_no_secret() {
    let builder = Sandbox::builder(binary()).env("COPPICE_LOG__LEVEL", "debug");
    let builder = builder.env("COPPICE_GITHUB_WEBHOOK_SECRET", WEBHOOK_SECRET);
    let mut sandbox = builder.env("COPPICE_PLATFORM_KEY", PLATFORM_KEY).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let person = json!({ "subject": "ada", "name": "Marker-Name", "email": "marker@mail.test" });
    let reply = client.post("/v1/entities/contact/c/register", &person, None).await.unwrap();
    assert!(reply.status.is_success(), "{reply:?}");
    client.add("a", 1, Some("marker-idempotency")).await.unwrap();
    let garbage = [
        (sandbox.key(), r#"{"n":"marker-body"}"#),
        (sandbox.key(), "marker-body"),
        (sandbox.key(), r#"{"marker-body":1}"#),
        ("sk_test_deadbeefdeadbeefdeadbeefdeadbeef", r#"{"n":1}"#),
    ];
    for (key, body) in garbage {
        let request = client.http().post(format!("{}/v1/entities/counter/a/add", sandbox.url()));
        let request = request.bearer_auth(key).header(CONTENT_TYPE, "application/json");
        let request = request.header("X-Request-Id", "find-me").body(body);
        assert!(request.send().await.unwrap().status().is_client_error());
    }
    let request = client.http().post(format!("{}/ingress/github", sandbox.url()));
    let request = request.header("x-hub-signature-256", format!("sha256={}", "0".repeat(64)));
    let answer = request.body("marker-body").send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let key = sandbox.key().to_owned();
    let log = sandbox.data().with_file_name("coppice.log");
    assert!(sandbox.terminate().await.unwrap().success());
    let text = std::fs::read_to_string(log).unwrap();
    for secret in [
        &key,
        PLATFORM_KEY,
        WEBHOOK_SECRET,
        "deadbeef",
        "Marker-Name",
        "marker@mail",
        "marker-body",
        "marker-idem",
    ] {
        assert!(!text.contains(secret), "{secret} stands in the log:\n{text}");
    }
    // Standard output is copied there as well.
    let lines = text.lines().filter(|line| !line.starts_with("coppice "));
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no object: {line}")))
        .collect();
    let known = ["debug", "info", "warning", "error"];
    for line in &lines {
        for field in ["timestamp", "level", "service", "target", "message"] {
            assert!(line[field].is_string(), "no {field} in {line}");
        }
        assert!(known.contains(&line["level"].as_str().unwrap()), "{line}");
    }
    let started = lines.iter().position(|line| line["message"] == "the node has started").unwrap();
    assert!(lines[started..].iter().all(|line| line["node"].is_string()));
    let of_request: Vec<_> = lines.iter().filter(|line| line["request_id"] == "find-me").collect();
    assert_eq!(of_request.len(), 4, "one line for each: {of_request:?}");
    let tenants = of_request.iter().filter(|line| line["tenant"].is_string()).count();
    assert_eq!(tenants, 3, "whose the unknown key is nobody knows: {of_request:?}");
    for line in of_request {
        assert_eq!(line["message"], "request answered");
        assert!(line["trace_id"].is_string() && line["duration_ms"].is_f64(), "{line}");
        assert!(line["code"].is_string() && line["correlation_id"].is_string(), "{line}");
    }
}
