//! What a run came to, for people and for programs: [`Report`] as JSON, as plain text, and as one HTML
//! page that needs nothing else.
//!
//! The JSON has a schema, `benches/load/report.schema.json`. A member that is added keeps [`VERSION`];
//! one that goes or changes its meaning raises it.

mod build;
mod environment;
mod hlog;
mod html;
mod plain;
pub mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::build::{Sources, build};
pub use self::environment::Environment;
pub use self::hlog::{HlogError, write_hlog};
pub use self::html::html;
pub use self::plain::plain;
use crate::baseline::Comparison;
use crate::check::Verdict;
use crate::recovery::Aftermath;
use crate::threshold::Kept;

/// Of the JSON.
pub const VERSION: u32 = 1;

/// How a run ended. What stands first goes before what follows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// A promise was broken: whatever else was measured, the answers were wrong.
    Correctness,
    /// The generator was the bottleneck: the figures are its own and say nothing of the target.
    GeneratorLimited,
    /// A threshold was not kept, or a figure is worse than its baseline.
    Threshold,
    /// All is well.
    Pass,
}

impl Conclusion {
    /// The exit code that stands for it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Threshold => 2,
            Self::GeneratorLimited => 3,
            Self::Correctness => 4,
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Of this format.
    pub version: u32,
    /// How it ended.
    pub conclusion: Conclusion,
    /// Why, in sentences, the worst first; empty where all is well.
    pub reasons: Vec<String>,
    /// The scenario's name.
    pub scenario: String,
    /// What it is for.
    pub about: String,
    /// Names the run in correlation ids, in hex.
    pub run: String,
    /// What all choices came from.
    pub seed: u64,
    /// Where it was.
    pub environment: Environment,
    /// The stretches of the plan.
    pub phases: Vec<Phase>,
    /// All operations together over the phases that count, then each.
    pub operations: Vec<Operation>,
    /// Tries by outcome, over the phases that count.
    pub outcomes: BTreeMap<String, u64>,
    /// Problem codes by how often they came.
    pub codes: BTreeMap<String, u64>,
    /// The generator's own part.
    pub generator: Generator,
    /// What the target could do at most, where that was measured first.
    pub capacity: Option<Capacity>,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// Faults, and what came of them.
    pub faults: Vec<Aftermath>,
    /// What was to be kept to.
    pub thresholds: Vec<Kept>,
    /// Whether the answers were right; none where nobody looked.
    pub verdict: Option<Verdict>,
    /// Against a baseline, where one was given.
    pub baseline: Option<Comparison>,
    /// Everything as numbers with names; one that is endless is absent.
    pub figures: BTreeMap<String, f64>,
}

/// A stretch of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// From when, in milliseconds since the run began.
    pub from_ms: f64,
    /// Until when.
    pub to_ms: f64,
    /// Whether figures without a phase look at it.
    pub counts: bool,
}

/// Latencies of the acknowledged, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// Its name; `all` for all together.
    pub name: String,
    /// How many were acknowledged.
    pub acknowledged: u64,
    /// From the intended start.
    pub corrected: Latency,
    /// From the moment of sending.
    pub service: Latency,
}

/// A distribution of latencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// The mean.
    pub mean_ms: f64,
    /// The largest.
    pub max_ms: f64,
    /// Quantiles (0.5, 0.9 and so on) and what they are, along the distribution.
    pub curve: Vec<(f64, f64)>,
}

/// The generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// Behind its plan, in milliseconds.
    pub lag: Latency,
    /// What its p99 may be at most.
    pub lag_p99_max_ms: f64,
    /// The p99 of the thread that was furthest behind, or of all where that is more.
    #[serde(default)]
    pub lag_p99_worst_ms: f64,
    /// How much of a processor the busiest thread that sends has used, in the median over the seconds of
    /// the phase in which it was most.
    #[serde(default)]
    pub busiest: f64,
    /// Whether it was further behind than it may be, or a thread of it had no time left.
    pub is_limited: bool,
    /// Operations that it never sent, since too many were in flight.
    pub dropped: u64,
    /// Threads that sent.
    pub threads: u32,
    /// Processor time of its process for each second of the phases: 1 is one processor.
    pub processors: f64,
}

/// The best of several closed loops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Acknowledged per second.
    pub per_s: f64,
    /// With so many sessions.
    pub sessions: u32,
}

/// A second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Second {
    /// How many were to begin in it.
    pub intended: u64,
    /// How many were sent in it.
    pub started: u64,
    /// How many ended in it, by outcome.
    pub ended: BTreeMap<String, u64>,
    /// Corrected p50, p99 and p99.9 of the acknowledged, in milliseconds; none where there were none.
    pub corrected_ms: Option<[f64; 3]>,
    /// Service times likewise.
    pub service_ms: Option<[f64; 3]>,
    /// The p99 of the lag, in milliseconds.
    pub lag_p99_ms: Option<f64>,
    /// Most in flight at once.
    pub in_flight: u64,
    /// How many were dropped.
    pub dropped: u64,
    /// What the server said of itself.
    pub server: BTreeMap<String, f64>,
}

impl Report {
    /// The report as JSON.
    ///
    /// # Errors
    /// None that a report can cause: all that it holds can be written.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// The JSON Schema of [`Report::to_json`].
    #[must_use]
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }
}
