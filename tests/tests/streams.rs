//! Lists, events and streams of events, tags and rates, over HTTP against the real binary.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "streams/activity.rs"]
mod activity;
#[path = "streams/ends.rs"]
mod ends;

use std::time::{Duration, Instant};

use coppice_testkit::{Sandbox, binary};
use futures_util::StreamExt;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const PATIENCE: Duration = Duration::from_secs(20);
/// How long a node that stops waits for whoever has a connection.
const GRACE: Duration = Duration::from_secs(60);

struct Http<'a> {
    sandbox: &'a Sandbox,
    client: reqwest::Client,
}

impl<'a> Http<'a> {
    fn new(sandbox: &'a Sandbox) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { sandbox, client }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.sandbox.url());
        self.client.request(method, url).bearer_auth(self.sandbox.key())
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    fn add(&self, counter: &str) -> RequestBuilder {
        let path = format!("/v1/entities/counter/{counter}/add");
        self.request(Method::POST, &path).json(&serde_json::json!({ "n": 1 }))
    }

    async fn adds(&self, counter: &str, times: usize) {
        for _ in 0..times {
            assert_eq!(self.add(counter).send().await.unwrap().status(), 200);
        }
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }
}

async fn refused(response: Response, status: u16, code: &str) -> Value {
    let found = response.status();
    let problem: Value = response.json().await.unwrap();
    assert_eq!((found.as_u16(), problem["code"].as_str()), (status, Some(code)), "{problem}");
    problem
}

/// Server-sent events as they come: their ids and types.
struct Sse {
    response: Response,
    text: String,
}

impl Sse {
    async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next block of lines; `None` once the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.unwrap();
            let Ok(Some(chunk)) = chunk else { return None };
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn event(&mut self) -> (String, String, Value) {
        let block = self.block().await.unwrap();
        let line = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{block:?} has no {name}")).to_owned()
        };
        let data = serde_json::from_str(&line("data: ")).unwrap();
        (line("id: "), line("event: "), data)
    }
}

#[tokio::test]
async fn a_stream_goes_on_behind_the_last_event_that_was_seen() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let http = Http::new(&sandbox);
    http.adds("before", 1).await;
    let mut live = Sse::open(http.get("/v1/events?kind=counter")).await;
    http.adds("a", 2).await;
    let (id, event_type, data) = live.event().await;
    assert_eq!((&*id, &*event_type), ("2", "counter.added.v1"));
    assert_eq!(
        (&data["id"], &data["sequence"], &data["data"]["n"]),
        (&"a".into(), &1.into(), &1.into())
    );
    assert_eq!(live.event().await.0, "3");
    drop(live);
    http.adds("b", 1).await;
    http.adds("a", 1).await;
    let again = http.get("/v1/events?kind=counter&id=a").header("last-event-id", "2");
    let mut again = Sse::open(again).await;
    for expected in ["3", "5"] {
        assert_eq!(again.event().await.0, expected);
    }
    let mut whole = Sse::open(http.get("/v1/events?after=0")).await;
    for expected in 1..=5 {
        assert_eq!(whole.event().await.0, expected.to_string());
    }
}

#[tokio::test]
async fn streams_beat_have_their_number_and_end_with_the_node() {
    let mut sandbox = Sandbox::builder(binary())
        .env("COPPICE_SERVER__STREAMS_MAX", "1")
        .env("COPPICE_SERVER__STREAM_HEARTBEAT_MS", "200")
        .env("COPPICE_SERVER__SHUTDOWN_GRACE_MS", GRACE.as_millis().to_string())
        .start()
        .await
        .unwrap();
    let http = Http::new(&sandbox);
    http.adds("a", 1).await;
    let mut one = Sse::open(http.get("/v1/events")).await;
    assert_eq!(one.block().await.unwrap(), "id: 1\n:\n\n", "a heartbeat names the place");
    let full = refused(http.get("/v1/events").send().await.unwrap(), 503, "streams_full").await;
    assert_eq!(full["outcome"], "not_applied");
    drop(one);
    let deadline = Instant::now() + PATIENCE;
    let mut two = loop {
        let response = http.get("/v1/events").send().await.unwrap();
        if response.status() == 200 {
            break Sse { response, text: String::new() };
        }
        assert!(Instant::now() < deadline, "its place is never free");
    };
    assert!(two.block().await.is_some());
    let started = Instant::now();
    sandbox.terminate().await.unwrap();
    while two.block().await.is_some() {}
    assert!(started.elapsed() < GRACE / 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_websocket_tells_the_same() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let http = Http::new(&sandbox);
    http.adds("a", 2).await;
    let url = format!("{}/v1/events/ws?after=1", sandbox.url().replace("http", "ws"));
    let mut request = url.into_client_request().unwrap();
    let key = format!("Bearer {}", sandbox.key()).parse().unwrap();
    request.headers_mut().insert("authorization", key);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    http.adds("a", 1).await;
    for expected in [2, 3] {
        let message = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        let Message::Text(text) = message else { panic!("{message:?}") };
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&event["position"], &event["type"]),
            (&expected.into(), &"counter.added.v1".into())
        );
    }
    let plain = http.get("/v1/events/ws").send().await.unwrap();
    refused(plain, 426, "upgrade_required").await;
    let keyless = reqwest::get(format!("{}/v1/events", sandbox.url())).await.unwrap();
    refused(keyless, 401, "auth_invalid").await;
}

#[tokio::test]
async fn entities_and_their_events_are_listed_in_pages() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let http = Http::new(&sandbox);
    for counter in ["c", "a", "b@1", "d:2", "e"] {
        http.adds(counter, 3).await;
    }
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = http.json(&format!("/v1/entities?kind=counter&limit=2{cursor}")).await;
        for entity in page["entities"].as_array().unwrap() {
            assert_eq!(entity["sequence"], 3);
            ids.push(entity["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(ids, ["a", "b@1", "c", "d:2", "e"]);
    let page = http.json("/v1/entities/counter/b%401/events?limit=2").await;
    let events = page["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["hash"], events[1]["previous_hash"]);
    let last = http.json("/v1/entities/counter/b@1/events?limit=2&cursor=2").await;
    assert_eq!((&last["events"][0]["sequence"], &last["next_cursor"]), (&3.into(), &Value::Null));
    for (path, status, code) in [
        ("/v1/entities", 400, "malformed_request"),
        ("/v1/entities?kind=nobody", 404, "unknown_kind"),
        ("/v1/entities?kind=counter&limit=x", 400, "malformed_request"),
        ("/v1/entities?kind=counter&cursor=%20", 422, "invalid_entity_id"),
        ("/v1/entities/counter/none/events", 404, "entity_not_found"),
        ("/v1/entities/counter/a/events?cursor=-1", 400, "malformed_request"),
    ] {
        refused(http.get(path).send().await.unwrap(), status, code).await;
    }
    // A command of that name would go the ordinary way.
    let named = http.request(Method::POST, "/v1/entities/counter/a/events").json(&Value::Null);
    refused(named.send().await.unwrap(), 404, "unknown_command").await;
}

#[tokio::test]
async fn tags_say_where_an_entity_is_and_a_deleted_one_is_gone() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let http = Http::new(&sandbox);
    let first = http.add("a").header("if-match", "\"0\"").send().await.unwrap();
    assert_eq!(
        (first.status().as_u16(), &first.headers()["etag"]),
        (200, &"\"1\"".parse().unwrap())
    );
    let late = http.add("a").header("if-match", "\"0\"").send().await.unwrap();
    refused(late, 412, "sequence_mismatch").await;
    let path = "/v1/entities/counter/a";
    let read = http.get(path).send().await.unwrap();
    assert_eq!(read.headers()["etag"], "\"1\"");
    let same = http.get(path).header("if-none-match", "\"1\"").send().await.unwrap();
    assert_eq!(same.status(), 304);
    let delete = || http.request(Method::DELETE, path).header("idempotency-key", "end");
    let ended: Value = delete().send().await.unwrap().json().await.unwrap();
    assert_eq!((&ended["sequence"], &ended["repeated"]), (&2.into(), &false.into()));
    refused(http.get(path).send().await.unwrap(), 410, "entity_deleted").await;
    refused(http.add("a").send().await.unwrap(), 410, "entity_deleted").await;
    let again: Value = delete().send().await.unwrap().json().await.unwrap();
    assert_eq!(again["repeated"], true);
    let events = http.json("/v1/entities/counter/a/events").await;
    assert_eq!(events["events"][1]["type"], "coppice.deleted.v1");
    let absent = http.request(Method::DELETE, "/v1/entities/counter/none").send().await.unwrap();
    refused(absent, 404, "entity_not_found").await;
}

#[tokio::test]
async fn a_tenant_that_asks_too_often_is_told_when_to_come_again() {
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_RATES__WRITE_PER_S", "1")
        .env("COPPICE_RATES__BURST_S", "2")
        .start()
        .await
        .unwrap();
    let http = Http::new(&sandbox);
    let began = Instant::now();
    let first = http.add("a").send().await.unwrap();
    assert_eq!(
        (&first.headers()["x-ratelimit-limit"], &first.headers()["ratelimit-policy"]),
        (&"2".parse().unwrap(), &"\"write\";q=2;w=2".parse().unwrap())
    );
    // The second is the last of the burst, unless a second has passed since the first.
    let mut taken = 1;
    let refusal = loop {
        let answer = http.add("a").send().await.unwrap();
        if answer.status() == 429 {
            break answer;
        }
        taken += 1;
        assert!(taken <= 3 + began.elapsed().as_secs(), "{taken} were taken");
    };
    assert_eq!(refusal.headers()["retry-after"], "1");
    for (name, value) in [
        ("x-ratelimit-limit", "2"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "2"),
        ("ratelimit-policy", "\"write\";q=2;w=2"),
        ("ratelimit", "\"write\";r=0;t=2"),
    ] {
        assert_eq!(refusal.headers()[name], value, "a refusal tells the limit, too: {name}");
    }
    refused(refusal, 429, "rate_limited").await;
    http.json("/v1/entities/counter/a").await;
    let short = http.add("a").header("x-request-timeout-ms", "soon").send().await.unwrap();
    refused(short, 400, "malformed_request").await;
}
