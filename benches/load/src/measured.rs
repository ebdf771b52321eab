//! What a run measured: latencies, the generator's own lag, and what happened in each second.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::record::{Nanos, Operation, Outcome};

/// 1 us to 60 s with three digits; values are nanoseconds / 1,000.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are constants that fit")
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
    /// Most requests at once.
    pub in_flight: u64,
    /// Behind the plan, in microseconds, of what was written in it.
    pub lag: Histogram<u64>,
    /// The server's resident memory in bytes and its counters by metric name, where they could be had.
    pub server: BTreeMap<String, f64>,
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
}
