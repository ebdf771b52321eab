//! The answers of `/health`, `/health/live` and `/health/ready`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a role is as a whole, by the criticality of what it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything that matters is up.
    Ok,
    /// It serves, and something that matters isn't as it should be.
    Degraded,
    /// Something that it can't do without is down.
    Down,
}

/// How a dependency is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DependencyStatus {
    /// Its last check found nothing wrong.
    Up,
    /// It works with limits, or has failed less often in a row than makes it down.
    Degraded,
    /// It has failed as often in a row as the setting `health.failures_max` says.
    Down,
}

/// What it means for the whole when a dependency is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// The whole is down.
    Critical,
    /// The whole is degraded.
    Important,
    /// The whole is as it was.
    Optional,
}

/// One thing that the role depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DependencyHealth {
    /// Which.
    pub name: Cow<'static, str>,
    /// How it is.
    pub status: DependencyStatus,
    /// What it means for the whole.
    pub criticality: Criticality,
    /// Since when it has this status, in microseconds since 1970.
    pub since: i64,
    /// When it was last checked; `null` before the first check has ended.
    pub checked_at: Option<i64>,
    /// How long the last check took, in microseconds.
    pub latency_us: Option<u64>,
    /// Checks that have failed in a row.
    pub failures: u32,
    /// What the last check found, for people. It holds no address, secret or tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'static, str>>,
}

/// The health of a role: the common part, and what only this role has under `details`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// The whole.
    pub status: Status,
    /// The build's version.
    pub version: Cow<'static, str>,
    /// What answers: `node`.
    pub role: Cow<'static, str>,
    /// Since when the whole has this status, in microseconds since 1970.
    pub since: i64,
    /// When this was said, likewise.
    pub at: i64,
    /// What it depends on, in the order of the checks.
    pub dependencies: Vec<DependencyHealth>,
    /// Figures of a node.
    pub details: NodeDetails,
}

/// Figures of a node, of all tenants together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeDetails {
    /// Since when it runs, in seconds.
    pub uptime_s: u64,
    /// Whether it is on its way to stop.
    pub draining: bool,
    /// Shards that it may speak for.
    pub shards_held: u32,
    /// Entities in memory.
    pub residents: u64,
    /// Decisions that wait for the next commit.
    pub writer_waiting: u64,
    /// Effects that wait or are under way.
    pub effects_outstanding: u64,
    /// Timers of entities in memory.
    pub timers: u64,
    /// Streams of events that are open.
    pub streams_open: u64,
}

/// The answer to a probe: 200 where `ok`, 503 where not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// What was asked for holds.
    pub ok: bool,
    /// Why not; empty where it does.
    pub reasons: Vec<Cow<'static, str>>,
}
