//! What a run measured: latencies, the generator's own lag, and what happened in each second.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::record::{Nanos, Operation, Outcome};
use crate::recovery::{SECOND, median, second_of};

/// Beyond this nothing is told apart: an hour, in microseconds. An operation with all its retries takes
/// minutes where the target is away.
pub const LONGEST_US: u64 = 3_600_000_000;
/// A thread that sends and has used more of a processor than this was busy with itself.
const BUSY_MAX: f64 = 0.95;

/// 1 us to an hour with three digits; values are nanoseconds / 1,000.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the bounds are constants that fit")]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds fit")
}

/// One for a single second: two digits, and as large as what it holds. A run has thousands.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "two digits are within the bounds")]
pub fn second_histogram() -> Histogram<u64> {
    let mut grows = Histogram::new(2).expect("two digits are within the bounds");
    grows.auto(true);
    grows
}

/// A stretch of the plan with one arrival rule.
#[derive(Debug, Clone)]
pub struct Phase {
    /// Its name in the scenario.
    pub name: String,
    /// From when.
    pub from: Nanos,
    /// Until when.
    pub to: Nanos,
    /// Whether it counts; a warm-up doesn't.
    pub counts: bool,
}

/// What a latency is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Index of the phase in which it was to begin.
    pub phase: usize,
    /// What was asked.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
}

/// Latencies in microseconds.
#[derive(Debug, Clone)]
pub struct Latencies {
    /// From the intended start.
    pub corrected: Histogram<u64>,
    /// From the moment the request was written.
    pub service: Histogram<u64>,
}

/// One second of the run.
#[derive(Debug, Clone)]
pub struct Second {
    /// How many were to begin in it by the plan.
    pub intended: u64,
    /// How many were written in it.
    pub started: u64,
    /// How many ended in it, by outcome.
    pub ended: BTreeMap<Outcome, u64>,
    /// Corrected latencies of the acknowledged that ended in it.
    pub corrected: Histogram<u64>,
    /// Service times of the same.
    pub service: Histogram<u64>,
    /// Operations that were to begin in it and had no place.
    pub dropped: u64,
    /// Most requests at once; over several threads, the sum of what each had at most.
    pub in_flight: u64,
    /// Behind the plan, in microseconds, of what was written in it.
    pub lag: Histogram<u64>,
    /// How much of a processor the busiest thread that sends has used.
    pub busiest: f64,
    /// The server's resident memory in bytes and its counters by metric name, where they could be had.
    pub server: BTreeMap<String, f64>,
}

impl Second {
    /// One in which nothing has happened.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            intended: 0,
            started: 0,
            ended: BTreeMap::new(),
            corrected: second_histogram(),
            service: second_histogram(),
            dropped: 0,
            in_flight: 0,
            lag: second_histogram(),
            busiest: 0.0,
            server: BTreeMap::new(),
        }
    }

    /// Takes in what another thread or generator had in the same second. Counts add.
    #[expect(clippy::missing_panics_doc, reason = "a histogram without a bound takes any")]
    pub fn merge(&mut self, other: &Self) {
        self.intended += other.intended;
        self.started += other.started;
        self.dropped += other.dropped;
        self.in_flight += other.in_flight;
        self.busiest = self.busiest.max(other.busiest);
        for (outcome, count) in &other.ended {
            *self.ended.entry(*outcome).or_default() += count;
        }
        let grows = "a histogram without a bound takes any";
        self.corrected.add(&other.corrected).expect(grows);
        self.service.add(&other.service).expect(grows);
        self.lag.add(&other.lag).expect(grows);
        for (name, value) in &other.server {
            self.server.insert(name.clone(), *value);
        }
    }
}

impl Measured {
    /// Whether the generator was the bottleneck, and not the target: what it measured then is of
    /// itself. It was further behind its plan than the scenario allows, or a thread of it had no time
    /// left; a closed loop has no plan that it could be behind of.
    #[must_use]
    pub fn is_generator_limited(&self) -> bool {
        self.lag_p99_us() > self.generator.lag_p99_max_us || self.is_generator_busy()
    }

    /// Behind the plan at the 99th percentile: of all, or of the thread that was furthest behind where
    /// that is more. In a sum it would be one of many.
    #[must_use]
    pub fn lag_p99_us(&self) -> u64 {
        self.lag.value_at_quantile(0.99).max(self.generator.lag_p99_us)
    }

    /// Whether a thread that sends had no time left.
    #[must_use]
    pub fn is_generator_busy(&self) -> bool {
        self.generator.busiest > BUSY_MAX
    }
}

/// How much of a processor the busiest thread that sends has used, in the median over the whole seconds
/// of a phase: of those that count and of the one that was best as a capacity, in that where it was
/// most.
#[must_use]
pub fn busiest(phases: &[Phase], capacity: Option<Peak>, seconds: &[Second]) -> f64 {
    let best = capacity.map(|peak| capacity_phase(peak.sessions));
    let looked_at =
        phases.iter().filter(|phase| phase.counts || Some(&phase.name) == best.as_ref());
    let shares = looked_at.filter_map(|phase| {
        let whole = second_of(phase.from.next_multiple_of(SECOND))..second_of(phase.to);
        median(seconds.get(whole)?.iter().map(|second| second.busiest))
    });
    shares.fold(0.0, f64::max)
}

/// What the stretch is called in which the capacity is looked at.
#[must_use]
pub fn capacity_phase(sessions: u32) -> String {
    format!("capacity-{sessions}")
}

/// One fault as it was carried out.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its name in the scenario, such as `kill`.
    pub name: String,
    /// When it struck.
    pub from: Nanos,
    /// When it was taken back or made good by the harness; the same as `from` for one that has no end.
    pub to: Nanos,
    /// Whether it could be carried out, and if not why.
    pub failed: Option<String>,
}

/// All that a run measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Names the run in correlation ids.
    pub run: u64,
    /// The seed all choices came from.
    pub seed: u64,
    /// In order.
    pub phases: Vec<Phase>,
    /// By phase, operation and outcome.
    pub cells: BTreeMap<Cell, Latencies>,
    /// By second since the run began.
    pub seconds: Vec<Second>,
    /// Behind the plan, in microseconds, over the phases that count.
    pub lag: Histogram<u64>,
    /// Operations that were never sent since too many were in flight.
    pub dropped: u64,
    /// In order of time.
    pub faults: Vec<Fault>,
    /// Problem codes by how often they came.
    pub codes: BTreeMap<String, u64>,
    /// Refusals for want of room, 429 and 503, that came without `Retry-After`.
    pub without_retry_after: u64,
    /// What the ids of the run's entities begin with.
    pub prefix: String,
    /// What the target could do at most, where it was measured before the phases.
    pub capacity: Option<Peak>,
    /// What the generator itself took.
    pub generator: Generator,
}

/// The best of several closed loops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Acknowledged in a second.
    pub per_s: f64,
    /// With how many sessions.
    pub sessions: u32,
}

/// What the generator took of the machine, and whether that was too much.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Generator {
    /// Threads that sent.
    pub threads: u32,
    /// Processor time of the harness's whole process, in nanoseconds.
    pub processor: Nanos,
    /// From the first phase's begin to the last answer.
    pub elapsed: Nanos,
    /// The most that the lag may be at its 99th percentile, in microseconds.
    pub lag_p99_max_us: u64,
    /// What it was for the thread that was furthest behind.
    pub lag_p99_us: u64,
    /// How much of a processor the busiest thread used: see [`busiest`].
    pub busiest: f64,
}
