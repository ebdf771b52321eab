//! Every metric of the node: its name, type, labels and what it means.
//!
//! `docs/metrics.md` is made of this table and nothing else is exposed. **Invariant:** a label's
//! values come from the code, the configuration or what operators registered, which is bounded, and
//! never from a tenant's request or an entity of its own, so that the number of series is bounded.

/// What a metric counts like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process ends. Its series are exposed with `_total` behind the name.
    Counter,
    /// It is what it is at the moment.
    Gauge,
    /// Values by size. Exposed as `_bucket`, `_count` and `_sum`.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name, without what its type adds.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The names of its labels, in the order of their values.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub(super) const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// Every metric. Made of the same lines as the constants, so that none can be left out.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD = Gauge "coppice_build_info" ["version"] "1, with the build's version.";
    RESIDENT_MEMORY = Gauge "process_resident_memory_bytes" []
        "Memory of the process that is in RAM, in bytes.";
    OPEN_FDS = Gauge "process_open_fds" [] "File descriptors that the process holds.";
    CPU_SECONDS = Counter "process_cpu_seconds" [] "Processor time of the process, in seconds.";
    UPTIME = Gauge "coppice_uptime_seconds" [] "Time since the node started, in seconds.";

    HTTP_REQUESTS = Counter "coppice_http_requests" ["route", "method", "status"]
        "Requests that were answered, by route template, method and class of the status.";
    HTTP_ABANDONED = Counter "coppice_http_requests_abandoned" ["route"]
        "Requests whose client went away before the answer.";
    HTTP_DURATION = Histogram "coppice_http_request_duration_seconds" ["route", "method"]
        "Time from the head of a request to the head of its answer, in seconds.";
    HTTP_PROBLEMS = Counter "coppice_http_problems" ["code"]
        "Problem bodies by code. `refused_by_kind` stands for all refusals by entities' own rules.";
    HTTP_OPEN = Gauge "coppice_http_requests_open" [] "Requests that are being answered.";
    STREAMS_OPEN = Gauge "coppice_streams_open" [] "Streams of events that are open.";
    AUTH_REFUSALS = Counter "coppice_auth_refusals" ["reason"]
        "Requests that did not come in: no or no valid key, a missing scope, or no way to check.";
    RATE_REFUSALS = Counter "coppice_rate_limit_refusals" ["scope"]
        "Requests that exceeded their tenant's rate, by the scope that they needed; `ingress` for webhooks.";

    WRITER_BATCHES = Counter "coppice_writer_batches" [] "Commits that wrote something.";
    WRITER_TICKETS = Counter "coppice_writer_tickets" ["outcome"]
        "Decisions that were committed, or fell.";
    WRITER_BYTES = Counter "coppice_writer_bytes" []
        "Bytes of payloads and replies that were committed, about.";
    WRITER_RETRIES = Counter "coppice_writer_store_retries" []
        "Tries of a commit that ended without an answer from the store.";
    WRITER_WAITING = Gauge "coppice_writer_waiting" [] "Decisions that wait for the next commit.";
    WRITER_DEGRADED = Gauge "coppice_writer_degraded" []
        "1 while the store gives the writer no answer.";
    WRITER_BATCH_TICKETS = Histogram "coppice_writer_batch_tickets" []
        "Decisions by commit.";
    WRITER_COMMIT = Histogram "coppice_writer_commit_duration_seconds" []
        "Time of a commit, retries included, in seconds.";

    RESIDENTS = Gauge "coppice_residents" ["kind", "temperature"]
        "Entities in memory: running, or hibernated.";
    COMMANDS_OPEN = Gauge "coppice_commands_open" ["kind"]
        "Commands whose answers somebody waits for; at server.commands_open_max no more are taken in.";
    RESIDENT_BYTES = Gauge "coppice_resident_bytes" ["kind"]
        "Memory of entities, estimated, in bytes.";
    HIBERNATED = Counter "coppice_entities_hibernated" ["kind"] "Entities that fell asleep.";
    PASSIVATED = Counter "coppice_entities_passivated" ["kind"] "Entities that left the memory.";
    CRASHES = Counter "coppice_entity_crashes" ["kind"] "Crashes of entities' own code.";
    STUCK = Gauge "coppice_entities_stuck" ["kind"]
        "Entities whose own code has held a thread for far longer than it may.";
    MAILBOX_REFUSALS = Counter "coppice_mailbox_refusals" ["kind"]
        "Commands that found their entity's mailbox full.";

    RESTARTS = Counter "coppice_part_restarts" ["part"]
        "Restarts of a part of the node's tree, since its supervisor started.";
    SHARDS_HELD = Gauge "coppice_shards_held" [] "Shards that the node may speak for.";

    EFFECT_CALLS = Counter "coppice_effect_calls" ["pool"] "Calls that were started.";
    EFFECT_RETRIES = Counter "coppice_effect_retries" ["pool"] "Calls that were tried again.";
    EFFECTS_COMPUTED = Counter "coppice_effects_computed" ["pool"]
        "Effects that were computed in the turn that added them, and so not called.";
    EFFECTS_COMPUTED_LATE = Counter "coppice_effects_computed_late" ["pool"]
        "Computations that took longer, each, than effects.computing_ms allows a whole turn.";
    EFFECTS_ENDED = Counter "coppice_effects_ended" ["pool", "outcome"]
        "Effects that ended as done, failed or unknown; parked ones are out of delivery.";
    EFFECTS_OPEN = Gauge "coppice_effects_open" ["pool"] "Effects that wait or are under way.";
    EFFECTS_OVERFLOWED = Counter "coppice_effects_overflowed" ["pool"]
        "Effects that found no place in their pool and wait for a scan.";
    BREAKER_STATE = Gauge "coppice_breaker_state" ["plugin", "version"]
        "Whether a version of a plugin is called: 0 it is, 1 one call is made to see, 2 it is not.";
    BREAKER_OPENED = Counter "coppice_breaker_opened" ["plugin", "version"]
        "How often the circuit breaker of a version opened, since it was first registered.";
    PLUGIN_CALLS = Counter "coppice_plugin_calls" ["plugin", "version", "outcome"]
        "Calls of a version that succeeded, failed or timed out; refused ones were never made.";
    PLUGIN_OPEN = Gauge "coppice_plugin_calls_open" ["plugin", "version"]
        "Calls of a version that are under way.";
    PLUGIN_HEALTH = Gauge "coppice_plugin_health" ["plugin", "version"]
        "What a version says of itself: 0 healthy, 1 degraded, 2 unhealthy or not known.";
    PLUGIN_LATE = Counter "coppice_plugin_late_answers" []
        "Answers of plugins that came when nobody waited for them any more.";
    TIMERS_SET = Gauge "coppice_timers_set" [] "Timers of entities in memory.";
    TIMERS_FIRED = Counter "coppice_timers_fired" [] "Timers that were sent to their entities.";
    DEAD_LETTERS = Counter "coppice_dead_letters" ["reason"]
        "Messages and entities that were taken out of delivery.";
    FOLLOWERS = Gauge "coppice_journal_followers" [] "Streams that follow the journal.";
    UNREADABLE = Counter "coppice_journal_unreadable_events" []
        "Events that were met on the way to streams and can't be read.";
    READ_MODEL_POSITION = Gauge "coppice_read_model_position" ["model"]
        "The position up to which a read model has the journal.";

    SPANS = Counter "coppice_trace_spans" ["outcome"]
        "Spans that were sent, were dropped for want of room, or were not taken by the receiver.";

    HEALTH = Gauge "coppice_health_status" [] "The node as a whole: 0 ok, 1 degraded, 2 down.";
    DEPENDENCY = Gauge "coppice_dependency_status" ["dependency", "criticality"]
        "A dependency: 0 up, 1 degraded, 2 down.";
    DEPENDENCY_LATENCY = Gauge "coppice_dependency_check_seconds" ["dependency"]
        "How long the last check of a dependency took, in seconds.";
}

impl Kind {
    /// As documentation and exposition write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Metric {
    /// The name that a query asks for.
    #[must_use]
    pub fn exposed(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

/// `docs/metrics.md`.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         `GET /metrics` in OpenMetrics text. It needs a key with the scope `metrics:read`, unless \
         the setting `server.metrics_public` is true. This page is made of the table in \
         `gateway/server/src/metrics/table.rs` by `cargo run -p coppice-server --example \
         metrics_page`, and a test compares the two.\n\n\
         Labels never name a tenant or an entity: their values come from the code, the \
         configuration and the plugins that operators registered, so there are as many series on a \
         node with a million entities as on an empty one. Counters begin at zero with the process, \
         unless their row says otherwise.\n\n\
         | Metric | Type | Labels | What it is |\n| --- | --- | --- | --- |\n",
    );
    for metric in METRICS {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "-".to_owned() } else { labels.join(", ") };
        let (name, kind, help) = (metric.exposed(), metric.kind.name(), metric.help);
        page.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_alike_and_no_label_names_who_asks() {
        for (index, metric) in METRICS.iter().enumerate() {
            let name = metric.name;
            assert!(METRICS[index + 1..].iter().all(|other| other.name != name), "{name} twice");
            assert!(!name.ends_with("_total"), "{name}: the type adds that");
            assert!(name.starts_with("coppice_") || name.starts_with("process_"), "{name}");
            for label in metric.labels {
                assert!(!["tenant", "entity", "id", "key", "subject"].contains(label), "{name}");
            }
            assert!(metric.help.ends_with('.'), "{name}");
        }
    }
}
