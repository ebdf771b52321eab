//! How a stream ends: its key is taken back, an event can't be read; and who may have one.

use std::path::Path;
use std::time::{Duration, Instant};

use coppice_testkit::postgres::shared_database;
use coppice_testkit::{Sandbox, binary};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::{Http, PATIENCE, Sse, refused};

/// What another process does to the journal's file while the node runs.
async fn meanwhile(data: &Path, text: &'static str) {
    let options = SqliteConnectOptions::new().filename(data.join("journal.db"));
    let options = options.busy_timeout(PATIENCE);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query(text).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The last block of a stream, which says why it ended.
async fn ended(stream: &mut Sse) -> Value {
    let mut last = String::new();
    while let Some(block) = stream.block().await {
        last = block;
    }
    let data = last.strip_prefix("event: coppice.stream-ended.v1\ndata: ");
    let data = data.unwrap_or_else(|| panic!("{last:?} is no end"));
    serde_json::from_str(data).unwrap()
}

async fn socket(sandbox: &Sandbox, query: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let url = format!("{}/v1/events/ws{query}", sandbox.url().replace("http", "ws"));
    let mut request = url.into_client_request().unwrap();
    let key = format!("Bearer {}", sandbox.key()).parse().unwrap();
    request.headers_mut().insert("authorization", key);
    tokio_tungstenite::connect_async(request).await.unwrap().0
}

/// The code and reason that a socket is closed with; what comes before is passed over.
async fn closed(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> (u16, String) {
    loop {
        let message = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        if let Message::Close(frame) = message {
            let frame = frame.unwrap();
            return (frame.code.into(), frame.reason.to_string());
        }
    }
}

#[tokio::test]
async fn a_stream_ends_once_its_key_is_revoked_or_has_expired_and_says_so() {
    for (change, word) in [
        ("UPDATE api_keys SET revoked_at = 1", "revoked"),
        ("UPDATE api_keys SET expires_at = 1", "expired"),
    ] {
        // Another node has done it: this one asks again once it believes the key no longer.
        let mut sandbox = Sandbox::builder(binary())
            .env("COPPICE_AUTH__CACHE_TTL_S", "0")
            .env("COPPICE_SERVER__STREAM_RECHECK_MS", "50")
            .start()
            .await
            .unwrap();
        let http = Http::new(&sandbox);
        let mut sse = Sse::open(http.get("/v1/events")).await;
        let mut ws = socket(&sandbox, "").await;
        http.adds("a", 1).await;
        assert_eq!(sse.event().await.0, "1", "it goes on until then");
        meanwhile(sandbox.data(), change).await;
        let end = ended(&mut sse).await;
        assert_eq!((&end["code"], &end["position"]), (&"auth_invalid".into(), &Value::Null));
        assert!(end["detail"].as_str().unwrap().contains(word), "{end}");
        let (code, reason) = closed(&mut ws).await;
        assert_eq!(
            (code, reason),
            (1008, format!("auth_invalid: {}", end["detail"].as_str().unwrap()))
        );
        sandbox.terminate().await.unwrap();
    }
}

#[tokio::test]
async fn an_event_that_can_not_be_read_ends_the_streams_that_should_carry_it_and_no_other() {
    // The embedded store hands on what it has just written out of memory; here the tail is read.
    let url = shared_database().unwrap();
    let mut sandbox = Sandbox::builder(binary()).database(&url).start().await.unwrap();
    let http = Http::new(&sandbox);
    http.adds("a", 1).await;
    let mut database = PgConnection::connect(&url).await.unwrap();
    for text in [
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.payload LIKE '%666%' THEN NEW.correlation := '\\x00'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER spoil BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION spoil()",
    ] {
        sqlx::query(text).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
    let mut all = Sse::open(http.get("/v1/events")).await;
    let mut a = Sse::open(http.get("/v1/events?kind=counter&id=a")).await;
    let mut b = Sse::open(http.get("/v1/events?kind=counter&id=b")).await;
    let mut b_socket = socket(&sandbox, "?kind=counter&id=b").await;
    http.adds("a", 1).await;
    let spoiled = http.request(Method::POST, "/v1/entities/counter/b/add");
    let spoiled = spoiled.json(&serde_json::json!({ "n": 666 })).send().await.unwrap();
    assert_eq!(spoiled.status(), 200);
    http.adds("a", 1).await;
    for expected in ["2", "4"] {
        assert_eq!(a.event().await.0, expected, "who doesn't carry it goes on");
    }
    assert_eq!(all.event().await.0, "2", "what stands before it is told");
    let (whole, own) = (ended(&mut all).await, ended(&mut b).await);
    for end in [&whole, &own] {
        assert_eq!((&end["code"], &end["position"]), (&"journal_damaged".into(), &3.into()));
    }
    let (code, reason) = closed(&mut b_socket).await;
    assert_eq!(code, 1011);
    assert!(reason.contains("position 3"), "{reason}");
    let metrics = http.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("\ncoppice_journal_unreadable_events_total 1"), "{metrics}");
    // The same from behind, out of the journal itself, and past it where the client says so.
    sandbox.restart().await.unwrap();
    let http = Http::new(&sandbox);
    let mut again = Sse::open(http.get("/v1/events").header("last-event-id", "1")).await;
    assert_eq!(again.event().await.0, "2");
    assert_eq!(ended(&mut again).await["position"], 3);
    let mut past = Sse::open(http.get("/v1/events?after=3")).await;
    assert_eq!(past.event().await.0, "4");
}

#[tokio::test]
async fn a_tenant_has_its_share_of_the_streams() {
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_SERVER__STREAMS_PER_TENANT_MAX", "1")
        .start()
        .await
        .unwrap();
    let http = Http::new(&sandbox);
    let one = Sse::open(http.get("/v1/events")).await;
    let full = refused(http.get("/v1/events").send().await.unwrap(), 503, "streams_full").await;
    assert!(full["detail"].as_str().unwrap().contains("tenant"), "{full}");
    drop(one);
}

#[tokio::test]
async fn a_websocket_keeps_its_place_among_the_connections() {
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_SERVER__CONNECTIONS_MAX", "2")
        .start()
        .await
        .unwrap();
    let first = socket(&sandbox, "").await;
    let second = socket(&sandbox, "").await;
    let ask = || async {
        // A client of its own: a connection of its own.
        let http = Http::new(&sandbox);
        http.get("/v1/entities?kind=counter").timeout(Duration::from_millis(500)).send().await
    };
    assert!(ask().await.is_err(), "there are as many connections as there may be");
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    while ask().await.is_err() {
        assert!(Instant::now() < deadline, "its place is never free");
    }
    drop(second);
}
