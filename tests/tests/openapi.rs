//! The API against its own document: requests that schemathesis makes of it.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::path::PathBuf;
use std::process::{Command, Output};

use coppice_testkit::{Client, Sandbox, binary};
use serde_json::json;

/// Requests that a run must come to.
const REQUESTS: u64 = 10_000;
/// Two runs at once, for each is one thread of Python, with about as many requests each. By their seeds
/// a found fault is found again; what covers the document is the same for every seed, so one does it.
const RUNS: [Run; 2] = [
    Run { seed: "20261121", phases: "examples,coverage,fuzzing", cases: "25" },
    Run { seed: "4711", phases: "fuzzing", cases: "50" },
];
const WEBHOOK_SECRET: &str = "a secret of the tests and of nobody else";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,ignored_auth,allow_header_conformance";

/// What one process of schemathesis does.
struct Run {
    seed: &'static str,
    phases: &'static str,
    /// Drawn for each route, at most.
    cases: &'static str,
}

/// How many requests the node has answered, as it counts them itself.
async fn answered(client: &Client, sandbox: &Sandbox) -> u64 {
    let request = client.http().get(format!("{}/metrics", sandbox.url()));
    let answer = request.bearer_auth(sandbox.key()).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with("coppice_http_requests_total{"));
    // Written as a fraction: 52.0.
    let count = |line: &str| line.rsplit([' ', '.']).nth(1).unwrap().parse::<u64>().unwrap();
    lines.map(count).sum()
}

fn schemathesis(url: &str, key: &str, run: &Run) -> Output {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/schemathesis");
    let mut command = Command::new(script);
    command.args([url, key, "--max-examples", run.cases, "--seed", run.seed, "--workers", "1"]);
    command.args(["--phases", run.phases, "--checks", CHECKS]);
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_requests_made_of_the_document_are_answered_as_it_says() {
    // Without it webhooks are refused with 503, which is no answer that a node should give.
    let builder = Sandbox::builder(binary()).env("COPPICE_GITHUB_WEBHOOK_SECRET", WEBHOOK_SECRET);
    let sandbox = builder.start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    client.post("/v1/entities/counter/a/add", &json!({ "n": 1 }), None).await.unwrap();
    let halves = RUNS.map(|run| {
        let (url, key) = (sandbox.url().to_owned(), sandbox.key().to_owned());
        tokio::task::spawn_blocking(move || schemathesis(&url, &key, &run))
    });
    for half in halves {
        let output = half.await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let erred = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{erred}\n{}", sandbox.log_tail());
    }
    let count = answered(&client, &sandbox).await;
    assert!(count >= REQUESTS, "{count} requests");
}
