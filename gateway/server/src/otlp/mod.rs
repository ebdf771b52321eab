//! Spans to an OTLP receiver, as protobuf over HTTP.
//!
//! **Invariants:** whoever hands a span over never waits: where the queue is full it is dropped and
//! counted; what a receiver refuses or doesn't take in time is dropped and counted too; a stop waits
//! for what is left no longer than `trace.timeout_ms`.

mod messages;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use coppice_runtime::task;
use coppice_runtime::trace::{Span, SpanKind, Spans};
use prost::Message;
use reqwest::{Client, Url, header};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use self::messages as wire;
use crate::config::TraceConfig;
use crate::logging;
use crate::observed::Sampling;

const SERVICE: &str = "coppice";

/// What became of spans since the start.
#[derive(Debug, Default)]
pub struct SpanCounters {
    /// The receiver took them.
    pub sent: AtomicU64,
    /// The queue was full.
    pub dropped: AtomicU64,
    /// The receiver did not take them.
    pub failed: AtomicU64,
}

/// Takes spans in.
#[derive(Debug)]
pub struct Exporter {
    queue: mpsc::Sender<Span>,
    sampling: Sampling,
    counters: Arc<SpanCounters>,
}

impl Spans for Exporter {
    fn samples(&self, id: Uuid) -> bool {
        self.sampling.takes(id)
    }

    fn ended(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The task that sends.
#[derive(Debug)]
pub struct Sending {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    patience: Duration,
}

impl Sending {
    /// Sends what is left, for a while.
    pub async fn stop(mut self) {
        // An error means that it has ended already.
        let _gone = self.stop.send(());
        if timeout(self.patience, &mut self.task).await.is_err() {
            self.task.abort();
            warn!("spans were left unsent at the stop");
        }
    }
}

struct Sender {
    queue: mpsc::Receiver<Span>,
    client: Client,
    url: Url,
    batch_max: usize,
    delay: Duration,
    counters: Arc<SpanCounters>,
    /// Whether the last request failed: told once, not for every request.
    failing: bool,
}

/// Starts sending.
///
/// # Errors
/// What is wrong with the address, for people.
pub fn start(
    config: &TraceConfig,
    counters: Arc<SpanCounters>,
) -> Result<(Arc<Exporter>, Sending), String> {
    let url = Url::parse(&config.otlp_url).map_err(|error| error.to_string())?;
    if url.scheme() != "http" {
        return Err("only http addresses can be sent to".to_owned());
    }
    let patience = Duration::from_millis(config.timeout_ms);
    let client = Client::builder().no_proxy().timeout(patience).build();
    let client = client.map_err(|error| error.to_string())?;
    let (queue, spans) = mpsc::channel(config.queue_max);
    let sender = Sender {
        queue: spans,
        client,
        url,
        batch_max: config.batch_max,
        delay: Duration::from_millis(config.delay_ms),
        counters: Arc::clone(&counters),
        failing: false,
    };
    let (stop, stopped) = oneshot::channel();
    let task = task::spawn(sender.run(stopped));
    let sampling = Sampling(config.sampled_per_million);
    Ok((Arc::new(Exporter { queue, sampling, counters }), Sending { stop, task, patience }))
}

impl Sender {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut batch = Vec::new();
        let mut stopping = false;
        while !stopping {
            tokio::select! {
                biased;
                _ = &mut stopped => stopping = true,
                received = self.queue.recv_many(&mut batch, self.batch_max) => {
                    if received == 0 {
                        return;
                    }
                }
            }
            let due = Instant::now() + self.delay;
            while !stopping && batch.len() < self.batch_max {
                let room = self.batch_max - batch.len();
                tokio::select! {
                    biased;
                    _ = &mut stopped => stopping = true,
                    () = sleep_until(due) => break,
                    received = self.queue.recv_many(&mut batch, room) => {
                        stopping |= received == 0;
                    }
                }
            }
            self.send(std::mem::take(&mut batch)).await;
        }
        self.queue.close();
        while self.queue.recv_many(&mut batch, self.batch_max).await > 0 {
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    async fn send(&mut self, batch: Vec<Span>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let sent = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(request(batch).encode_to_vec())
            .send()
            .await;
        let status = sent.as_ref().ok().map(|response| response.status().as_u16());
        let taken = sent.is_ok_and(|response| response.status().is_success());
        let counted = if taken { &self.counters.sent } else { &self.counters.failed };
        counted.fetch_add(count, Ordering::Relaxed);
        if self.failing == taken {
            self.failing = !taken;
            if taken {
                info!("spans are taken again");
            } else {
                warn!(status, "spans are not taken");
            }
        }
    }
}

fn request(batch: Vec<Span>) -> wire::ExportTraceServiceRequest {
    let version = env!("CARGO_PKG_VERSION");
    let mut attributes = vec![
        wire::KeyValue::text("service.name", SERVICE),
        wire::KeyValue::text("service.version", version),
    ];
    attributes.extend(logging::node().map(|id| wire::KeyValue::text("service.instance.id", id)));
    let scope = wire::Scope { name: SERVICE.to_owned(), version: version.to_owned() };
    wire::ExportTraceServiceRequest {
        resource_spans: vec![wire::ResourceSpans {
            resource: Some(wire::Resource { attributes }),
            scope_spans: vec![wire::ScopeSpans {
                scope: Some(scope),
                spans: batch.into_iter().map(span).collect(),
            }],
        }],
    }
}

fn span(span: Span) -> wire::Span {
    const ERROR: i32 = 2;
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let started = since(span.started);
    let attributes = span.attributes.into_iter();
    wire::Span {
        trace_id: span.trace.id.0.to_vec(),
        span_id: span.trace.span.0.to_vec(),
        trace_state: span.trace.state.as_deref().unwrap_or_default().to_owned(),
        parent_span_id: span.parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
        name: span.name.to_owned(),
        kind: match span.kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
        },
        start_time_unix_nano: nanos(started),
        end_time_unix_nano: nanos(started + span.took),
        attributes: attributes.map(|(key, value)| wire::KeyValue::text(key, value)).collect(),
        status: span.failed.then_some(wire::Status { code: ERROR }),
        flags: u32::from(span.trace.sampled),
    }
}
