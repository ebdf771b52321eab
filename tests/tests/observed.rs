//! What a running node tells of itself: health, probes and metrics.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeSet;

use coppice_persistence::SqlStore;
use coppice_server::metrics::{Kind, METRICS};
use coppice_testkit::proxy::Proxy;
use coppice_testkit::sandbox::SandboxBuilder;
use coppice_testkit::{Client, Sandbox, binary, postgres};
use coppice_tests::node::PATIENCE;
use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tokio::time::Instant;

fn quick(builder: SandboxBuilder) -> SandboxBuilder {
    builder
        .env("COPPICE_HEALTH__INTERVAL_MS", "100")
        .env("COPPICE_HEALTH__TIMEOUT_MS", "1000")
        .env("COPPICE_HEALTH__FAILURES_MAX", "2")
}

/// Without a key, for none is needed.
async fn ask(sandbox: &Sandbox, path: &str) -> Option<(StatusCode, Value)> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.get(format!("{}{path}", sandbox.url())).send().await.ok()?;
    Some((response.status(), response.json().await.ok()?))
}

async fn until(sandbox: &Sandbox, path: &str, status: StatusCode) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = ask(sandbox, path).await;
        match told {
            Some((found, body)) if found == status => return body,
            told => assert!(Instant::now() < deadline, "{path} never said {status}: {told:?}"),
        }
        tokio::task::yield_now().await;
    }
}

fn dependency<'a>(health: &'a Value, name: &str) -> &'a Value {
    let all = health["dependencies"].as_array().unwrap();
    all.iter().find(|dependency| dependency["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_names_everything_that_it_depends_on_and_no_address() {
    let builder = quick(Sandbox::builder(binary()));
    let sandbox = builder.env("COPPICE_EFFECTS__BELL_URL", "http://127.0.0.1:1/secret-path");
    let sandbox = sandbox.start().await.unwrap();
    let health = until(&sandbox, "/health", StatusCode::OK).await;
    let names: Vec<_> =
        health["dependencies"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    let expected =
        ["store_read", "store_write", "disk", "shards", "tree", "personal_data", "policy", "bell"];
    assert_eq!(names, expected);
    assert_eq!(dependency(&health, "store_write")["status"], "up", "{health}");
    assert_eq!(dependency(&health, "tree")["status"], "up", "{health}");
    assert_eq!(health["details"]["shards_held"], 64, "{health}");
    assert_eq!(dependency(&health, "bell")["status"], "down", "nobody listens there: {health}");
    assert_eq!(health["status"], "degraded", "and that is not critical: {health}");
    let text = health.to_string();
    for secret in ["secret-path", "127.0.0.1", sandbox.key(), &sandbox.data().display().to_string()]
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    for path in ["/health/live", "/health/ready"] {
        let probe = until(&sandbox, path, StatusCode::OK).await;
        assert_eq!(probe["ok"], Value::Bool(true), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_told_to_stop_is_not_ready_before_it_closes() {
    let builder = Sandbox::builder(binary()).env("COPPICE_SERVER__DRAIN_NOTICE_MS", "5000");
    let mut sandbox = builder.start().await.unwrap();
    assert_eq!(ask(&sandbox, "/health/ready").await.unwrap().0, StatusCode::OK);
    let process = i32::try_from(sandbox.process_id().unwrap()).unwrap();
    kill_process(Pid::from_raw(process).unwrap(), Signal::TERM).unwrap();
    let probe = until(&sandbox, "/health/ready", StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(probe["reasons"][0], "the node is on its way to stop");
    assert_eq!(ask(&sandbox, "/health/live").await.unwrap().0, StatusCode::OK);
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("x", 1, None).await.unwrap().value(), Some(1), "it serves until then");
    assert!(sandbox.ended().await.unwrap().success());
}

/// What ends the journal is known in memory; that it can be read is another matter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_can_write_and_not_read_is_down() {
    let sandbox = quick(Sandbox::builder(binary())).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("x", 1, None).await.unwrap().value(), Some(1));
    let health = until(&sandbox, "/health", StatusCode::OK).await;
    assert_eq!(dependency(&health, "store_read")["status"], "up", "{health}");
    let journal = SqliteConnectOptions::new().filename(sandbox.data().join(SqlStore::JOURNAL_FILE));
    let mut connection = SqliteConnection::connect_with(&journal).await.unwrap();
    let last = "UPDATE events SET hash = x'00' WHERE position = (SELECT MAX(position) FROM events)";
    let damaged = sqlx::query(last).execute(&mut connection).await.unwrap();
    assert_eq!(damaged.rows_affected(), 1);
    let health = until(&sandbox, "/health", StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(dependency(&health, "store_read")["status"], "down", "{health}");
    assert_eq!(dependency(&health, "store_write")["status"], "up", "{health}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_database_is_away_is_down_and_comes_back() {
    let database = postgres::shared_database().unwrap();
    let rest = database.split_once("://").unwrap().1;
    let host = rest.split(['/', '?']).next().unwrap().rsplit('@').next().unwrap();
    let proxy = Proxy::start(host).await.unwrap();
    let builder = quick(Sandbox::builder(binary())).database(proxy.url(&database));
    let sandbox = builder.env("COPPICE_STORE__ACQUIRE_TIMEOUT_MS", "5000").start().await.unwrap();
    until(&sandbox, "/health/ready", StatusCode::OK).await;
    proxy.refuse(true);
    proxy.cut_all();
    let probe = until(&sandbox, "/health/ready", StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(probe["reasons"].to_string().contains("the store can't be"), "{probe}");
    let health = until(&sandbox, "/health", StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(health["status"], "down");
    assert!(!health.to_string().contains("postgres"), "{health}");
    proxy.refuse(false);
    until(&sandbox, "/health/ready", StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_declared_metric_is_exposed_and_no_other() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    for counter in ["a", "b", "a"] {
        client.add(counter, 1, None).await.unwrap();
    }
    let request = client.http().get(format!("{}/metrics", sandbox.url()));
    let text = request.bearer_auth(sandbox.key()).send().await.unwrap().text().await.unwrap();
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let found: BTreeSet<&str> =
        series.map(|line| line.split(['{', ' ']).next().unwrap_or_default()).collect();
    let mut expected = BTreeSet::new();
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => expected.extend([format!("{}_total", metric.name)]),
            Kind::Gauge => expected.extend([metric.name.to_owned()]),
            Kind::Histogram => expected
                .extend(["_bucket", "_count", "_sum"].map(|end| format!("{}{end}", metric.name))),
        }
    }
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let undeclared: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && undeclared.is_empty(), "{missing:?} {undeclared:?}\n{text}");
    for line in [
        "coppice_writer_tickets_total{outcome=\"committed\"} 3",
        "coppice_residents{kind=\"counter\",temperature=\"running\"} 2",
        "coppice_shards_held 64",
        "coppice_health_status 0",
    ] {
        assert!(text.lines().any(|found| found.trim_end_matches(".0") == line), "{line}\n{text}");
    }
}
