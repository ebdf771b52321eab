//! The read model of activity: it has what its reader has written, counts as the journal does, and
//! is made again where it is lost.

use std::time::{Duration, Instant};

use coppice_testkit::postgres::shared_database;
use coppice_testkit::{Sandbox, binary};
use reqwest::{Method, Response};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::{Http, refused};

fn place(response: &Response) -> String {
    assert_eq!(response.status(), 200);
    response.headers()["x-position"].to_str().unwrap().to_owned()
}

impl Http<'_> {
    async fn activity(&self, query: &str, after: &str) -> Response {
        let path = format!("/v1/activity{query}");
        self.get(&path).header("x-read-after", after).send().await.unwrap()
    }

    /// Events, created and deleted of a kind, over its days.
    async fn counted(&self, kind: &str, after: &str) -> [u64; 3] {
        let response = self.activity(&format!("?kind={kind}"), after).await;
        let list: Value = response.json().await.unwrap();
        let days = list["days"].as_array().unwrap();
        assert!(days.iter().all(|day| day["kind"] == kind), "{list}");
        ["events", "created", "deleted"]
            .map(|name| days.iter().map(|day| day[name].as_u64().unwrap()).sum())
    }
}

/// Whoever reads behind its own write finds it; the place at the end.
async fn read_your_writes(http: &Http<'_>) -> String {
    for number in 1..=30 {
        let entity = if number <= 3 { format!("c{number}") } else { "c1".to_owned() };
        let added = place(&http.add(&entity).send().await.unwrap());
        assert_eq!(http.counted("counter", &added).await, [number, number.min(3), 0]);
    }
    let path = "/v1/entities/counter/c2";
    let deleted = place(&http.request(Method::DELETE, path).send().await.unwrap());
    assert_eq!(http.counted("counter", &deleted).await, [31, 3, 1]);
    // What was read is as good a place as what was written, and so is what a read model showed.
    let seen = place(&http.get("/v1/entities/counter/c1").send().await.unwrap());
    let of_list = place(&http.get("/v1/entities?kind=counter").send().await.unwrap());
    let of_events = place(&http.get("/v1/entities/counter/c1/events").send().await.unwrap());
    let own = place(&http.activity("", &of_list).await);
    for after in [&seen, &of_events, &own] {
        assert_eq!(http.counted("counter", after).await, [31, 3, 1]);
    }
    assert_eq!(http.counted("alarm", &own).await, [0, 0, 0]);
    own
}

/// Pages show every day once; the place behind what this writes.
async fn pages(http: &Http<'_>) -> String {
    let set = http.request(Method::POST, "/v1/entities/alarm/a/set");
    let body = serde_json::json!({ "timer": "late", "in_ms": 3_600_000 });
    let after = place(&set.json(&body).send().await.unwrap());
    let whole: Value = http.activity("", &after).await.json().await.unwrap();
    let (mut days, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = http.activity(&format!("?limit=1{cursor}"), &after).await;
        let page: Value = page.json().await.unwrap();
        days.extend(page["days"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!(days.len() >= 2, "{days:?}");
    assert_eq!(Value::from(days), whole["days"]);
    after
}

#[tokio::test]
async fn a_read_model_has_what_its_reader_wrote_and_is_made_again_where_it_is_lost_on_sqlite() {
    let mut sandbox = Sandbox::builder(binary()).start().await.unwrap();
    read_your_writes(&Http::new(&sandbox)).await;
    let own = pages(&Http::new(&sandbox)).await;
    let live: Value = Http::new(&sandbox).activity("", &own).await.json().await.unwrap();
    assert!(sandbox.terminate().await.unwrap().success());
    for name in ["read.db", "read.db-wal", "read.db-shm"] {
        let file = sandbox.data().join(name);
        assert!(!file.exists() || std::fs::remove_file(&file).is_ok(), "{name}");
    }
    sandbox.restart().await.unwrap();
    let again: Value = Http::new(&sandbox).activity("", &own).await.json().await.unwrap();
    assert_eq!(again, live);
}

#[tokio::test]
async fn a_read_model_has_what_its_reader_wrote_and_is_made_again_where_it_is_lost_on_postgresql() {
    let url = shared_database().unwrap();
    let mut sandbox = Sandbox::builder(binary()).database(&url).start().await.unwrap();
    let own = read_your_writes(&Http::new(&sandbox)).await;
    let live: Value = Http::new(&sandbox).activity("", &own).await.json().await.unwrap();
    assert!(sandbox.terminate().await.unwrap().success());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for text in ["DELETE FROM subscriptions", "DELETE FROM documents"] {
        let gone = sqlx::query(text).execute(&mut connection).await.unwrap();
        assert!(gone.rows_affected() > 0, "{text}");
    }
    connection.close().await.unwrap();
    sandbox.restart().await.unwrap();
    let again: Value = Http::new(&sandbox).activity("", &own).await.json().await.unwrap();
    assert_eq!(again, live);
}

#[tokio::test]
async fn a_read_model_that_is_behind_says_so_at_the_deadline_and_shows_itself_to_who_does_not_ask()
{
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let http = Http::new(&sandbox);
    let before = place(&http.add("a").send().await.unwrap());
    assert_eq!(http.counted("counter", &before).await, [1, 1, 0]);
    // Another process holds the file: the read model can't be written.
    let options = SqliteConnectOptions::new().filename(sandbox.data().join("read.db"));
    let mut holder = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
    let after = place(&http.add("a").send().await.unwrap());
    let began = Instant::now();
    let behind = http.get("/v1/activity").header("x-read-after", &after);
    let behind = behind.header("x-request-timeout-ms", "300").send().await.unwrap();
    assert_eq!(behind.headers()["retry-after"], "1");
    let problem = refused(behind, 503, "read_model_behind").await;
    assert_eq!(problem["outcome"], "not_applied");
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(http.counted("counter", &before).await, [1, 1, 0], "who asks for less is answered");
    sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    assert_eq!(http.counted("counter", &after).await, [2, 1, 0]);
    for bad in ["", "1", "1.p.999999", "1.e.9.counter.a", "1.e.1.counter.none", "x"] {
        refused(http.activity("", bad).await, 400, "malformed_request").await;
    }
    refused(http.activity("?kind=nobody", &after).await, 404, "unknown_kind").await;
}
