//! How the node is: its dependencies by criticality, checked in the background.
//!
//! **Invariants:** a request never waits for a check, it is answered from the last one; a check is
//! never cut off in the middle, for a database connection does not survive that (a cancelled begin
//! poisons it): one that takes too long counts as failed and is left to end by itself; a dependency
//! is checked by one check at a time. What is shown names no tenant, address or secret.
//!
//! Whoever has to act on the whole follows [`Health::watch`].

mod checks;
mod freezer;
mod keeper;
mod record;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coppice_api::health::{Criticality, DependencyHealth, DependencyStatus, Status};
use coppice_core::Timestamp;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

pub use self::checks::{Parts, SHARDS, STORE_READ, STORE_WRITE, TREE, of_node, receiver};
pub use self::freezer::freezer;
pub use self::keeper::keeper;
pub use self::record::Finding;

use self::record::{Record, whole};
use crate::config::HealthConfig;

/// How a dependency is looked at.
pub type Check = Box<dyn Fn() -> BoxFuture<'static, Finding> + Send + Sync>;

/// A dependency with the way to look at it.
pub struct Dependency {
    /// Its name, the same for ever.
    pub name: &'static str,
    /// What it means for the whole when it is down.
    pub criticality: Criticality,
    /// One look. It runs in a task of its own, to its end.
    pub check: Check,
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dependency")
            .field("name", &self.name)
            .field("criticality", &self.criticality)
            .finish_non_exhaustive()
    }
}

/// How often and how long is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthOptions {
    /// Between the beginnings of two rounds.
    pub interval: Duration,
    /// How long a check may take before it counts as failed.
    pub timeout: Duration,
    /// Failures in a row that make a dependency down.
    pub failures_max: u32,
}

impl From<&HealthConfig> for HealthOptions {
    fn from(config: &HealthConfig) -> Self {
        Self {
            interval: Duration::from_millis(config.interval_ms),
            timeout: Duration::from_millis(config.timeout_ms),
            failures_max: config.failures_max,
        }
    }
}

/// Rounds that may be missed before the node's own tasks count as stuck.
const ROUNDS_MISSED_MAX: u32 = 3;

#[derive(Debug)]
struct Shared {
    options: HealthOptions,
    dependencies: Vec<Dependency>,
    records: RwLock<Vec<Record>>,
    whole: watch::Sender<Whole>,
    /// When the last round ended; `None` before the first.
    round: RwLock<Option<Instant>>,
    draining: AtomicBool,
    started: Instant,
}

/// The whole at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// How it is.
    pub status: Status,
    /// Since when.
    pub since: Timestamp,
}

/// What is known of the node's health. Clones know the same.
#[derive(Debug, Clone)]
pub struct Health(Arc<Shared>);

impl Health {
    /// Of these dependencies, none of which is up before it was checked.
    #[must_use]
    pub fn new(options: HealthOptions, dependencies: Vec<Dependency>, now: Timestamp) -> Self {
        let unknown = |dependency: &Dependency| {
            // One failure away from down, had it been up: the first check decides.
            let failures = options.failures_max.saturating_sub(1);
            Record::new(dependency.name, dependency.criticality, failures, now)
        };
        let records: Vec<Record> = dependencies.iter().map(unknown).collect();
        let status = whole(&records);
        Self(Arc::new(Shared {
            options,
            dependencies,
            records: RwLock::new(records),
            whole: watch::Sender::new(Whole { status, since: now }),
            round: RwLock::new(None),
            draining: AtomicBool::new(false),
            started: Instant::now(),
        }))
    }

    /// Of something that depends on nothing.
    #[must_use]
    pub fn of_nothing() -> Self {
        let options = HealthOptions {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            failures_max: 3,
        };
        Self::new(options, Vec::new(), Timestamp::EPOCH)
    }

    /// The whole, and every change of it from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Whole> {
        self.0.whole.subscribe()
    }

    /// The whole.
    #[must_use]
    pub fn whole(&self) -> Whole {
        *self.0.whole.borrow()
    }

    /// Every dependency as it was found.
    #[must_use]
    pub fn dependencies(&self) -> Vec<DependencyHealth> {
        self.0.records.read().iter().map(Record::show).collect()
    }

    /// Whether the node knows a dependency of that name and it is down.
    #[must_use]
    pub fn is_down(&self, name: &str) -> bool {
        let records = self.0.records.read();
        let record = records.iter().find(|record| record.name() == name);
        record.is_some_and(|record| record.status() == DependencyStatus::Down)
    }

    /// Whether rounds come to an end, so that what is shown is of today.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        let options = self.0.options;
        let patience = (options.interval + options.timeout) * ROUNDS_MISSED_MAX;
        let since = self.0.round.read().unwrap_or(self.0.started);
        self.0.dependencies.is_empty() || since.elapsed() <= patience
    }

    /// How long the node has been running.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Says whether the node takes requests in or is on its way to stop.
    pub fn drains(&self, draining: bool) {
        self.0.draining.store(draining, Ordering::Relaxed);
    }

    /// Whether the node is on its way to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Takes in what a round of checks found, in the order of the dependencies.
    fn learn(&self, found: Vec<(Finding, Duration)>, now: Timestamp) {
        let mut records = self.0.records.write();
        for (record, (finding, latency)) in records.iter_mut().zip(found) {
            let (first, before) = (!record.is_checked(), record.status());
            record.learn(finding, self.0.options.failures_max, now, latency);
            // That a node starts well is no news.
            let news = if first { DependencyStatus::Up } else { before };
            if news != record.status() {
                tell(&record.show());
            }
        }
        let status = whole(&records);
        drop(records);
        *self.0.round.write() = Some(Instant::now());
        let changed = self.0.whole.send_if_modified(|whole| {
            let changed = whole.status != status;
            if changed {
                *whole = Whole { status, since: now };
            }
            changed
        });
        if changed && status == Status::Down {
            error!(severity = "critical", "the node is down");
        }
    }
}

/// A dependency's change is a line of the log, however often it is checked.
fn tell(dependency: &DependencyHealth) {
    let (name, detail) = (dependency.name.as_ref(), dependency.detail.as_deref());
    match dependency.status {
        DependencyStatus::Up => info!(dependency = name, "dependency is up"),
        DependencyStatus::Degraded => warn!(dependency = name, detail, "dependency is degraded"),
        DependencyStatus::Down => error!(dependency = name, detail, "dependency is down"),
    }
}
