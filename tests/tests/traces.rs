//! Traces of the real binary, as a receiver that speaks OTLP sees them.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use coppice_runtime::task;
use coppice_testkit::sandbox::SandboxBuilder;
use coppice_testkit::{Client, Sandbox, binary};
use coppice_tests::node::PATIENCE;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What arrived: spans, and the headers of calls.
#[derive(Debug, Clone, Default)]
struct Stub {
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    calls: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Stub {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/bell", post(bell))
            .with_state(self.clone());
        task::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock();
        let scopes = requests.iter().flat_map(|request| &request.resource_spans);
        let scopes = scopes.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// Waits for a span of a name in a trace.
    async fn span(&self, name: &str, trace: Option<&str>) -> Span {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let fits = |span: &Span| {
                span.name == name && trace.is_none_or(|trace| hex(&span.trace_id) == trace)
            };
            if let Some(span) = self.spans().into_iter().find(fits) {
                return span;
            }
            assert!(Instant::now() < deadline, "no {name} among {:?}", self.spans());
            tokio::task::yield_now().await;
        }
    }
}

async fn traces(State(stub): State<Stub>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    stub.requests.lock().push(ExportTraceServiceRequest::decode(body).unwrap());
    StatusCode::OK
}

async fn bell(State(stub): State<Stub>, headers: HeaderMap) -> StatusCode {
    stub.calls.lock().push(headers);
    StatusCode::OK
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let attributes = span.attributes.iter();
    attributes
        .map(|one| (one.key.clone(), text(one.value.as_ref().unwrap().value.as_ref().unwrap())))
        .collect()
}

fn recording(url: &str) -> SandboxBuilder {
    Sandbox::builder(binary())
        .env("COPPICE_TRACE__OTLP_URL", format!("{url}/v1/traces"))
        .env("COPPICE_TRACE__SAMPLED_PER_MILLION", "1000000")
        .env("COPPICE_TRACE__DELAY_MS", "50")
        .env("COPPICE_EFFECTS__BELL_URL", format!("{url}/bell"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_its_decision_and_its_commit_stand_in_the_senders_trace() {
    let stub = Stub::default();
    let sandbox = recording(&stub.start().await).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let response = client
        .http()
        .post(format!("{}/v1/entities/counter/a/add", sandbox.url()))
        .bearer_auth(sandbox.key())
        .header("traceparent", PARENT)
        .header("tracestate", "vendor=1")
        .json(&json!({ "n": 1 }))
        .send()
        .await
        .unwrap();
    let told = response.headers()["traceresponse"].to_str().unwrap().to_owned();
    let id = "0af7651916cd43dd8448eb211c80319c";
    let request = stub.span("request", Some(id)).await;
    assert_eq!(told, format!("00-{id}-{}-01", hex(&request.span_id)));
    assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331");
    assert_eq!((request.kind, request.trace_state.as_str()), (2, "vendor=1"));
    let known = attributes(&request);
    assert_eq!(known["http.route"], "/v1/entities/{kind}/{id}/{command}");
    assert_eq!(known["http.response.status_code"], "200");
    for name in ["decide", "commit"] {
        let span = stub.span(name, Some(id)).await;
        assert_eq!(span.parent_span_id, request.span_id, "{name}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{name}");
        assert_eq!(attributes(&span)["coppice.kind"], "counter");
    }
    // The event has the trace's id in a place that it had all along.
    let events = client.get_path("/v1/entities/counter/a/events").await.unwrap().body;
    let correlation = "0af76519-16cd-43dd-8448-eb211c80319c";
    assert!(events.to_string().contains(correlation), "{events}");
    let resource = stub.requests.lock()[0].resource_spans[0].resource.clone().unwrap();
    assert!(resource.attributes.iter().any(|one| one.key == "service.instance.id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_the_outside_carries_its_trace() {
    let stub = Stub::default();
    let sandbox = recording(&stub.start().await).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let set = json!({ "timer": "t", "in_ms": 1 });
    client.post("/v1/entities/alarm/a/set", &set, None).await.unwrap();
    let effect = stub.span("effect", None).await;
    let sent = stub.calls.lock()[0]["traceparent"].to_str().unwrap().to_owned();
    assert_eq!(sent, format!("00-{}-{}-01", hex(&effect.trace_id), hex(&effect.span_id)));
    assert_eq!((effect.kind, attributes(&effect)["coppice.pool"].as_str()), (3, "bell"));
    stub.span("commit", Some(&hex(&effect.trace_id))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_sends_what_is_left() {
    let stub = Stub::default();
    let builder = recording(&stub.start().await).env("COPPICE_TRACE__DELAY_MS", "600000");
    let mut sandbox = builder.start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    client.add("a", 1, None).await.unwrap();
    assert!(stub.spans().is_empty(), "they wait for others");
    assert!(sandbox.terminate().await.unwrap().success());
    let names: Vec<_> = stub.spans().into_iter().map(|span| span.name).collect();
    assert!(["request", "decide", "commit"].iter().all(|name| names.iter().any(|one| one == name)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_never_answers_slows_nobody_down_and_is_counted() {
    // It takes connections and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut sandbox = recording(&url)
        .env("COPPICE_TRACE__QUEUE_MAX", "8")
        .env("COPPICE_TRACE__BATCH_MAX", "4")
        .env("COPPICE_TRACE__TIMEOUT_MS", "2000")
        .start()
        .await
        .unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let mut slow = 0;
    for _ in 0..50 {
        let started = Instant::now();
        client.add("a", 1, None).await.unwrap();
        slow += u32::from(started.elapsed() >= Duration::from_secs(2));
    }
    // Nearly all would be where one waited for the receiver; a machine that stands still slows one.
    assert!(slow <= 2, "{slow} waited for the receiver");
    let metrics = client.http().get(format!("{}/metrics", sandbox.url()));
    let text = metrics.bearer_auth(sandbox.key()).send().await.unwrap().text().await.unwrap();
    let line = text.lines().find(|line| line.contains("outcome=\"dropped\"")).unwrap();
    let dropped: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(dropped >= 100.0, "{line}");
    let started = Instant::now();
    assert!(sandbox.terminate().await.unwrap().success());
    assert!(started.elapsed() < Duration::from_secs(12), "the stop waited for the receiver");
}
