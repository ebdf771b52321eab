//! What is exposed, gathered when somebody asks: nothing is computed for it before.

use std::time::Duration;

use coppice_api::health::{Criticality, DependencyStatus, Status};
use coppice_runtime::Inspector;
use coppice_runtime::histogram::Counted;
use coppice_runtime::supervisors::ChildSnapshot;
use tokio::time::timeout;

use super::expose::{Samples, Value};
use super::http::HttpMetrics;
use super::table as t;
use super::table::Metric;
use super::{plugins, process};
use crate::health::Health;
use crate::otlp::SpanCounters;
use crate::state::App;

/// How long the tree may take to say how it is; without its answer its restarts are left out.
const TREE_WITHIN: Duration = Duration::from_secs(1);

const MICROSECONDS_PER_SECOND: f64 = 1e6;

/// Everything that there is to expose.
pub async fn gather(app: &App) -> Samples {
    let mut samples = Samples::default();
    gauge(&mut samples, t::BUILD, &[env!("CARGO_PKG_VERSION")], 1_u32);
    process::gather(&mut samples);
    http(&mut samples, &app.observed.http);
    gauge(&mut samples, t::STREAMS_OPEN, &[], count(app.streams.open()));
    spans(&mut samples, &app.observed.span_counters);
    health(&mut samples, &app.observed.health);
    if let Some(journal) = &app.journal {
        counter(&mut samples, t::UNREADABLE, &[], journal.feed.unreadable());
        for (model, at) in journal.read_models.all() {
            gauge(&mut samples, t::READ_MODEL_POSITION, &[model], number(at.0));
        }
    }
    if let Some(known) = &app.plugins {
        plugins::gather(&mut samples, known);
    }
    if let Some(inspector) = &app.inspector {
        writer(&mut samples, inspector);
        kinds(&mut samples, inspector);
        effects(&mut samples, inspector);
        parts(&mut samples, inspector).await;
    }
    samples
}

/// Exact up to 2^53, which nothing here reaches.
#[expect(clippy::cast_precision_loss, reason = "the format's numbers are floats")]
fn number(value: u64) -> f64 {
    value as f64
}

fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(super) fn gauge(samples: &mut Samples, metric: Metric, labels: &[&str], value: impl Into<f64>) {
    samples.add(metric, labels, Value::Gauge(value.into()));
}

pub(super) fn counter(samples: &mut Samples, metric: Metric, labels: &[&str], value: u64) {
    samples.add(metric, labels, Value::Counter(number(value)));
}

fn histogram(samples: &mut Samples, metric: Metric, labels: &[&str], of: &Counted, scale: f64) {
    let bounds = of.buckets.iter().map(|(bound, count)| (number(*bound) / scale, *count));
    let buckets = bounds.chain([(f64::MAX, of.above)]).collect();
    samples.add(metric, labels, Value::Histogram(buckets, number(of.sum) / scale));
}

fn http(samples: &mut Samples, http: &HttpMetrics) {
    for served in http.served() {
        let labels = [served.route.as_str(), served.method];
        for (class, count) in served.by_class {
            counter(samples, t::HTTP_REQUESTS, &[labels[0], labels[1], class], count);
        }
        histogram(samples, t::HTTP_DURATION, &labels, &served.time, MICROSECONDS_PER_SECOND);
    }
    for (route, count) in http.abandoned() {
        counter(samples, t::HTTP_ABANDONED, &[&route], count);
    }
    http.problems().for_each(|(code, count)| counter(samples, t::HTTP_PROBLEMS, &[code], count));
    for (reason, count) in http.auth_refusals() {
        counter(samples, t::AUTH_REFUSALS, &[reason], count);
    }
    for (scope, count) in http.rate_refusals() {
        counter(samples, t::RATE_REFUSALS, &[scope], count);
    }
    gauge(samples, t::HTTP_OPEN, &[], number(http.open().max(0).unsigned_abs()));
}

fn spans(samples: &mut Samples, counters: &SpanCounters) {
    use std::sync::atomic::Ordering::Relaxed;
    counter(samples, t::SPANS, &["sent"], counters.sent.load(Relaxed));
    counter(samples, t::SPANS, &["dropped"], counters.dropped.load(Relaxed));
    counter(samples, t::SPANS, &["failed"], counters.failed.load(Relaxed));
}

fn health(samples: &mut Samples, health: &Health) {
    gauge(samples, t::UPTIME, &[], health.uptime().as_secs_f64());
    let whole = match health.whole().status {
        Status::Ok => 0_u32,
        Status::Degraded => 1,
        Status::Down => 2,
    };
    gauge(samples, t::HEALTH, &[], whole);
    for dependency in health.dependencies() {
        let criticality = match dependency.criticality {
            Criticality::Critical => "critical",
            Criticality::Important => "important",
            Criticality::Optional => "optional",
        };
        let status = match dependency.status {
            DependencyStatus::Up => 0_u32,
            DependencyStatus::Degraded => 1,
            DependencyStatus::Down => 2,
        };
        gauge(samples, t::DEPENDENCY, &[&dependency.name, criticality], status);
        if let Some(took) = dependency.latency_us {
            let seconds = number(took) / MICROSECONDS_PER_SECOND;
            gauge(samples, t::DEPENDENCY_LATENCY, &[&dependency.name], seconds);
        }
    }
}

fn writer(samples: &mut Samples, inspector: &Inspector) {
    use std::sync::atomic::Ordering::Relaxed;
    let (writer, counters) = (inspector.writer(), inspector.writer().counters());
    counter(samples, t::WRITER_BATCHES, &[], counters.batches.load(Relaxed));
    counter(samples, t::WRITER_TICKETS, &["committed"], counters.committed.load(Relaxed));
    counter(samples, t::WRITER_TICKETS, &["fallen"], counters.fallen.load(Relaxed));
    counter(samples, t::WRITER_BYTES, &[], counters.bytes.load(Relaxed));
    counter(samples, t::WRITER_RETRIES, &[], counters.store_retries.load(Relaxed));
    gauge(samples, t::WRITER_WAITING, &[], count(writer.waiting()));
    gauge(samples, t::WRITER_DEGRADED, &[], u32::from(writer.is_degraded()));
    histogram(samples, t::WRITER_BATCH_TICKETS, &[], &counters.batch_tickets.counted(), 1.0);
    let commits = counters.commit_time.counted();
    histogram(samples, t::WRITER_COMMIT, &[], &commits, MICROSECONDS_PER_SECOND);
}

fn kinds(samples: &mut Samples, inspector: &Inspector) {
    for census in inspector.registry().census() {
        let kind = census.kind;
        let hibernated = census.residents.saturating_sub(census.running);
        gauge(samples, t::RESIDENTS, &[kind, "running"], count(census.running));
        gauge(samples, t::RESIDENTS, &[kind, "hibernated"], count(hibernated));
        gauge(samples, t::COMMANDS_OPEN, &[kind], count(census.commands_open));
        let bytes = u64::try_from(census.resident_bytes).unwrap_or(u64::MAX);
        gauge(samples, t::RESIDENT_BYTES, &[kind], number(bytes));
        counter(samples, t::HIBERNATED, &[kind], census.hibernated_total);
        counter(samples, t::PASSIVATED, &[kind], census.passivated_total);
        counter(samples, t::CRASHES, &[kind], census.crashes_total);
        gauge(samples, t::STUCK, &[kind], count(census.stuck));
        counter(samples, t::MAILBOX_REFUSALS, &[kind], census.refused_total);
    }
}

fn effects(samples: &mut Samples, inspector: &Inspector) {
    use std::sync::atomic::Ordering::Relaxed;
    for pool in inspector.pools().iter() {
        let (name, counters) = (pool.spec().name, pool.counters());
        counter(samples, t::EFFECT_CALLS, &[name], counters.calls.load(Relaxed));
        counter(samples, t::EFFECT_RETRIES, &[name], counters.retries.load(Relaxed));
        counter(samples, t::EFFECTS_COMPUTED, &[name], counters.computed.load(Relaxed));
        let late = counters.computed_late.load(Relaxed);
        counter(samples, t::EFFECTS_COMPUTED_LATE, &[name], late);
        for (outcome, ended) in [
            ("done", &counters.done),
            ("failed", &counters.failed),
            ("unknown", &counters.unknown),
            ("parked", &counters.parked),
        ] {
            counter(samples, t::EFFECTS_ENDED, &[name, outcome], ended.load(Relaxed));
        }
        gauge(samples, t::EFFECTS_OPEN, &[name], count(pool.len()));
        counter(samples, t::EFFECTS_OVERFLOWED, &[name], counters.overflowed.load(Relaxed));
    }
    gauge(samples, t::TIMERS_SET, &[], count(inspector.timers().len()));
    counter(samples, t::TIMERS_FIRED, &[], inspector.timers().fired());
    for (reason, count) in inspector.dead_letters_total() {
        counter(samples, t::DEAD_LETTERS, &[reason.as_str()], count);
    }
    gauge(samples, t::FOLLOWERS, &[], count(inspector.followers()));
}

async fn parts(samples: &mut Samples, inspector: &Inspector) {
    gauge(samples, t::SHARDS_HELD, &[], inspector.shards_held());
    let tree = timeout(TREE_WITHIN, inspector.supervisor().snapshot()).await;
    if let Ok(Ok(tree)) = tree {
        tree.children.iter().for_each(|child| restarts(samples, "", child));
    }
}

/// Under the path of names from the root, for two groups may have a part of the same name.
fn restarts(samples: &mut Samples, above: &str, child: &ChildSnapshot) {
    let name = child.info.id.as_str();
    let path = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
    counter(samples, t::RESTARTS, &[&path], child.info.restarts);
    let below = child.supervisor.iter().flat_map(|supervisor| &supervisor.children);
    below.for_each(|child| restarts(samples, &path, child));
}
