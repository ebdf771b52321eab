//! The stub itself: that it answers as a gateway does, and lies as it is told.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

mod stub;

use serde_json::{Value, json};
use stub::{Faults, Stub};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ask(stub: &Stub, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(stub.address()).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: stub\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        Stub::KEY,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_default())
}

async fn add(stub: &Stub, key: &str) -> (u16, Value) {
    let headers = format!("idempotency-key: {key}\r\nx-correlation-id: c-{key}\r\n");
    ask(stub, "POST", "/v1/entities/counter/a/add", &headers, r#"{"n":2}"#).await
}

#[tokio::test]
async fn it_counts_lists_and_tells_its_events_as_a_gateway_does() {
    let stub = Stub::start();
    let answer = |sequence: u64, value: i64, repeated: bool| {
        (200, json!({"sequence": sequence, "reply": {"value": value}, "repeated": repeated}))
    };
    assert_eq!(add(&stub, "k1").await, answer(1, 2, false));
    assert_eq!(add(&stub, "k1").await, answer(1, 2, true));
    assert_eq!(add(&stub, "k2").await, answer(2, 4, false));
    let (_, state) = ask(&stub, "GET", "/v1/entities/counter/a", "", "").await;
    let expected = json!({"kind": "counter", "id": "a", "sequence": 2, "state": {"value": 4}});
    assert_eq!(state, expected);
    let (_, page) = ask(&stub, "GET", "/v1/entities/counter/a/events?limit=1", "", "").await;
    assert_eq!(page["next_cursor"], "1");
    let path = "/v1/entities/counter/a/events?limit=1&cursor=1";
    let (_, page) = ask(&stub, "GET", path, "", "").await;
    assert_eq!(page["next_cursor"], Value::Null);
    assert_eq!(page["events"][0]["correlation"], "c-k2");
    let (_, list) = ask(&stub, "GET", "/v1/entities?kind=counter", "", "").await;
    assert_eq!(list["entities"], json!([{"kind": "counter", "id": "a", "sequence": 2}]));
    let (status, problem) = ask(&stub, "GET", "/v1/entities/counter/b", "", "").await;
    assert_eq!((status, &problem["outcome"]), (404, &json!("not_applied")));
}

#[tokio::test]
async fn it_breaks_loses_and_doubles_as_it_is_told() {
    let stub = Stub::with(Faults { lose_every: 1, ..Faults::default() });
    assert_eq!(add(&stub, "k1").await.0, 200);
    assert!(stub.world().counters["a"].events.is_empty());
    stub.set(|faults| *faults = Faults { duplicate_every: 1, ..Faults::default() });
    assert_eq!(add(&stub, "k2").await.0, 200);
    assert_eq!(stub.world().counters["a"].events.len(), 2);
    stub.set(|faults| *faults = Faults { break_after_every: 1, ..Faults::default() });
    assert_eq!(add(&stub, "k3").await.0, 0);
    assert_eq!(stub.world().counters["a"].events.len(), 3);
    stub.set(|faults| *faults = Faults { break_before_every: 1, ..Faults::default() });
    assert_eq!(add(&stub, "k4").await.0, 0);
    assert_eq!(stub.world().counters["a"].events.len(), 3);
}
