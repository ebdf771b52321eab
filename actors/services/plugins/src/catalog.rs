//! The versions of plugins that there are, in process and out of it, and which one is offered.
//!
//! A view of the entities `plugin`, made at the start and kept up by whoever changes one. **Invariant:**
//! a version that has left is given no call any more, also by whoever found it a moment before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use coppice_core::Timestamp;
use coppice_domain::plugin::version::Lifecycle;
use coppice_plugin_sdk::contract::Contract;
use coppice_plugin_sdk::{Health, HealthReport, Manifest, Plugin};
use parking_lot::{Mutex, RwLock};
use semver::{Version, VersionReq};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::http::Endpoint;

/// Versions in service at the same time. Each is asked how it is twice a minute, and has series of
/// its own among the metrics.
pub const VERSIONS_MAX: usize = 1_000;

/// Where a version is called.
#[derive(Debug, Clone)]
pub(crate) enum Seat {
    /// In this process.
    Inside(Arc<dyn Plugin>),
    /// At an address.
    Outside(Endpoint),
}

/// How a version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionHealth {
    /// Whether it is in service.
    pub lifecycle: Lifecycle,
    /// Its last report; none before the first.
    pub report: Option<HealthReport>,
    /// When it was last asked or spoke up; none since this node started.
    pub checked_at: Option<Timestamp>,
}

/// How calls ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) timed_out: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// How calls of a version ended since this node took it in, and how many are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Whole or in part.
    pub succeeded: u64,
    /// With a failure.
    pub failed: u64,
    /// Without an answer in time.
    pub timed_out: u64,
    /// Before they were made: by the contract, the policy or the breaker.
    pub refused: u64,
    /// Not yet.
    pub open: u64,
}

/// A version of a plugin in service.
#[derive(Debug)]
pub struct Offer {
    pub(crate) id: String,
    pub(crate) version: Version,
    pub(crate) contract: Arc<Contract>,
    pub(crate) seat: Seat,
    pub(crate) tally: Tally,
    pub(crate) check: Mutex<Check>,
    /// Whether its entity knows it. One of the node's own is recorded with its first call: a node
    /// that calls nothing writes nothing.
    pub(crate) recorded: AtomicBool,
    health: RwLock<VersionHealth>,
    flight: Flight,
}

/// When a version is asked next how it is.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) due: Instant,
    /// Checks in a row that it did not come up in.
    pub(crate) in_vain: u32,
    /// Whether its own preparations are done.
    pub(crate) initialized: bool,
    pub(crate) under_way: bool,
}

#[derive(Debug, Default)]
struct Flight {
    open: AtomicU64,
    closed: AtomicBool,
    landed: Notify,
}

/// A call under way. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Aboard(Arc<Offer>);

impl Drop for Aboard {
    fn drop(&mut self) {
        self.0.flight.open.fetch_sub(1, Ordering::SeqCst);
        self.0.flight.landed.notify_waiters();
    }
}

impl Offer {
    pub(crate) fn new(contract: Arc<Contract>, version: Version, seat: Seat) -> Self {
        Self {
            id: contract.manifest().plugin_id(),
            version,
            contract,
            check: Mutex::new(Check {
                due: Instant::now(),
                in_vain: 0,
                initialized: matches!(seat, Seat::Outside(_)),
                under_way: false,
            }),
            recorded: AtomicBool::new(matches!(seat, Seat::Outside(_))),
            seat,
            tally: Tally::default(),
            health: RwLock::new(VersionHealth {
                lifecycle: Lifecycle::Registered,
                report: None,
                checked_at: None,
            }),
            flight: Flight::default(),
        }
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.contract.manifest()
    }

    /// Whether it is a part of the node.
    #[must_use]
    pub const fn is_in_process(&self) -> bool {
        matches!(self.seat, Seat::Inside(_))
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> VersionHealth {
        self.health.read().clone()
    }

    pub(crate) fn learn(&self, lifecycle: Lifecycle, report: Option<HealthReport>, at: Timestamp) {
        let checked_at = report.as_ref().map(|_| at);
        *self.health.write() = VersionHealth { lifecycle, report, checked_at };
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Relaxed)
    }

    /// What it says of itself before its entity knows it.
    pub(crate) fn learn_unrecorded(&self, report: HealthReport, at: Timestamp) {
        let is_well = report.status == Health::Healthy;
        let before = self.health().lifecycle;
        self.learn(if is_well { Lifecycle::Active } else { before }, Some(report), at);
    }

    /// As it was when the node ended: not asked yet by this one.
    pub(crate) fn recall(&self, lifecycle: Lifecycle, report: Option<HealthReport>) {
        *self.health.write() = VersionHealth { lifecycle, report, checked_at: None };
    }

    pub(crate) fn standing(&self) -> Option<Health> {
        let health = self.health.read();
        let is_active = health.lifecycle == Lifecycle::Active;
        health.report.as_ref().filter(|_| is_active).map(|report| report.status)
    }

    /// How long it may take over a call.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.manifest().config.timeout_seconds))
    }

    /// Begins a call; none where it has left.
    pub(crate) fn board(self: &Arc<Self>) -> Option<Aboard> {
        self.flight.open.fetch_add(1, Ordering::SeqCst);
        let aboard = Aboard(Arc::clone(self));
        (!self.flight.closed.load(Ordering::SeqCst)).then_some(aboard)
    }

    /// How its calls ended.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            succeeded: of(&self.tally.succeeded),
            failed: of(&self.tally.failed),
            timed_out: of(&self.tally.timed_out),
            refused: of(&self.tally.refused),
            open: self.open(),
        }
    }

    /// Calls under way.
    pub(crate) fn open(&self) -> u64 {
        self.flight.open.load(Ordering::SeqCst)
    }

    /// Takes no call any more, and waits for those under way; how many are left then.
    pub(crate) async fn land(&self, until: Instant) -> u64 {
        self.flight.closed.store(true, Ordering::SeqCst);
        loop {
            let landed = self.flight.landed.notified();
            let open = self.open();
            if open == 0 || timeout_at(until, landed).await.is_err() {
                return open;
            }
        }
    }
}

/// Why there is no version to call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// Nobody has registered such a plugin.
    #[error("no plugin {0:?} is registered")]
    Unknown(String),
    /// What was asked for are no versions.
    #[error("{0:?} says no versions")]
    Requirement(String),
    /// None of its versions will do.
    #[error("no version of {0:?} fits {1:?}")]
    Version(String, String),
    /// None of those that would do is in service and well.
    #[error("no version of {0:?} is healthy")]
    Unhealthy(String),
}

/// Versions by the plugin's name, then in order.
type Offers = BTreeMap<String, BTreeMap<Version, Arc<Offer>>>;

/// Every version in service. Clones are the same catalog.
#[derive(Clone, Default)]
pub struct Catalog(Arc<RwLock<Offers>>);

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("versions", &self.len()).finish()
    }
}

/// A version with how it is, to be shown.
#[derive(Debug, Clone)]
pub struct VersionReport {
    /// The version.
    pub offer: Arc<Offer>,
    /// How it is.
    pub health: VersionHealth,
}

impl Catalog {
    /// The version to call: of those that will do and are in service the highest healthy one; where
    /// none is healthy, the highest that is degraded. A pre-release is offered only to whoever asks
    /// for it, or where there is nothing else.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn resolve(&self, name: &str, required: Option<&str>) -> Result<Arc<Offer>, Unavailable> {
        let known = self.0.read();
        let versions = known.get(name).ok_or_else(|| Unavailable::Unknown(name.to_owned()))?;
        let fits: Vec<&Arc<Offer>> = match required {
            None => {
                let released = || versions.values().filter(|of| of.version.pre.is_empty());
                let any = released().next().is_none();
                versions.values().filter(|of| any || of.version.pre.is_empty()).collect()
            }
            Some(required) => {
                let requirement = VersionReq::parse(required)
                    .map_err(|_| Unavailable::Requirement(required.to_owned()))?;
                versions.values().filter(|of| requirement.matches(&of.version)).collect()
            }
        };
        if let (true, Some(required)) = (fits.is_empty(), required) {
            return Err(Unavailable::Version(name.to_owned(), required.to_owned()));
        }
        let highest = |health| fits.iter().rev().find(|of| of.standing() == Some(health));
        let found = highest(Health::Healthy).or_else(|| highest(Health::Degraded));
        found.map(|of| Arc::clone(of)).ok_or_else(|| Unavailable::Unhealthy(name.to_owned()))
    }

    /// A version, however it is.
    #[must_use]
    pub fn get(&self, name: &str, version: &Version) -> Option<Arc<Offer>> {
        self.0.read().get(name)?.get(version).cloned()
    }

    /// Every version of a plugin, the lowest first.
    #[must_use]
    pub fn versions(&self, name: &str) -> Vec<VersionReport> {
        self.0.read().get(name).into_iter().flat_map(BTreeMap::values).map(report).collect()
    }

    /// Every version, in order of name and version.
    #[must_use]
    pub fn all(&self) -> Vec<VersionReport> {
        self.0.read().values().flat_map(BTreeMap::values).map(report).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// Puts a version in, in place of the one of its name and version.
    pub(crate) fn put(&self, offer: Arc<Offer>) {
        let mut known = self.0.write();
        let versions = known.entry(offer.manifest().name.clone()).or_default();
        versions.insert(offer.version.clone(), offer);
    }

    /// Takes a version out.
    pub(crate) fn take(&self, name: &str, version: &Version) -> Option<Arc<Offer>> {
        let mut known = self.0.write();
        let versions = known.get_mut(name)?;
        let taken = versions.remove(version);
        if versions.is_empty() {
            known.remove(name);
        }
        taken
    }
}

fn report(offer: &Arc<Offer>) -> VersionReport {
    VersionReport { offer: Arc::clone(offer), health: offer.health() }
}

#[cfg(test)]
mod tests {
    use coppice_plugin_sdk::manifest;

    use super::*;

    fn offer(version: &str, health: Option<HealthReport>) -> Arc<Offer> {
        let manifest = Manifest::new("p", version).capability("c");
        let contract = Arc::new(Contract::new(manifest).unwrap());
        let version = manifest::version(version).unwrap();
        let seat = Seat::Outside(Endpoint::new("http://127.0.0.1:1").unwrap());
        let offer = Offer::new(contract, version, seat);
        if let Some(report) = health {
            offer.learn(Lifecycle::Active, Some(report), Timestamp::EPOCH);
        }
        Arc::new(offer)
    }

    fn catalog(versions: &[(&str, Option<HealthReport>)]) -> Catalog {
        let catalog = Catalog::default();
        for (version, health) in versions {
            catalog.put(offer(version, health.clone()));
        }
        catalog
    }

    fn found(catalog: &Catalog, required: Option<&str>) -> Result<String, Unavailable> {
        catalog.resolve("p", required).map(|offer| offer.id.clone())
    }

    #[tokio::test]
    async fn the_highest_healthy_version_that_will_do_is_offered() {
        let well = || Some(HealthReport::healthy());
        let ill = || Some(HealthReport::unhealthy("x"));
        let catalog = catalog(&[
            ("1.0.0", well()),
            ("1.9.0", well()),
            ("1.10.0", well()),
            ("1.11.0", ill()),
            ("2.0.0", Some(HealthReport::degraded("x"))),
            ("2.1.0", None),
            ("3.0.0-rc.1", well()),
        ]);
        assert_eq!(found(&catalog, None).unwrap(), "p@1.10.0", "not as text, and no pre-release");
        assert_eq!(found(&catalog, Some("^1")).unwrap(), "p@1.10.0");
        assert_eq!(found(&catalog, Some("~1.9")).unwrap(), "p@1.9.0");
        assert_eq!(found(&catalog, Some("^2")).unwrap(), "p@2.0.0", "degraded is better than none");
        assert_eq!(found(&catalog, Some(">=3.0.0-rc.1")).unwrap(), "p@3.0.0-rc.1");
        let unhealthy = Unavailable::Unhealthy("p".to_owned());
        assert_eq!(found(&catalog, Some("=1.11.0")), Err(unhealthy.clone()));
        assert_eq!(found(&catalog, Some("=2.1.0")), Err(unhealthy), "it never was healthy");
        let none = Unavailable::Version("p".to_owned(), "^4".to_owned());
        assert_eq!(found(&catalog, Some("^4")), Err(none));
        let garbled = Unavailable::Requirement("one or so".to_owned());
        assert_eq!(found(&catalog, Some("one or so")), Err(garbled));
        let unknown = Unavailable::Unknown("q".to_owned());
        assert_eq!(catalog.resolve("q", None).unwrap_err(), unknown);
    }

    #[tokio::test]
    async fn a_pre_release_is_offered_where_there_is_nothing_else() {
        let catalog = catalog(&[("0.1.0-a", Some(HealthReport::healthy()))]);
        assert_eq!(found(&catalog, None).unwrap(), "p@0.1.0-a");
        assert!(found(&catalog, Some("^0.1")).is_err());
    }

    #[tokio::test]
    async fn a_version_that_was_put_again_is_one_and_one_that_was_taken_is_none() {
        let catalog = catalog(&[("1.0.0", None), ("1.0.0", Some(HealthReport::healthy()))]);
        assert_eq!((catalog.len(), catalog.is_empty()), (1, false));
        let version = manifest::version("1.0.0").unwrap();
        assert!(catalog.get("p", &version).is_some());
        assert!(catalog.take("p", &version).is_some());
        assert!(catalog.take("p", &version).is_none());
        assert!(catalog.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_that_leaves_waits_for_its_calls_and_takes_no_other() {
        let offer = offer("1.0.0", Some(HealthReport::healthy()));
        let first = offer.board().unwrap();
        let until = Instant::now() + Duration::from_secs(5);
        assert_eq!(offer.land(until).await, 1, "it is still under way");
        assert_eq!(Instant::now(), until);
        assert!(offer.board().is_none());
        assert_eq!(offer.open(), 1, "who was refused counts for nothing");
        let leaving = Arc::clone(&offer);
        let until = Instant::now() + Duration::from_secs(5);
        let (left, ()) = tokio::join!(leaving.land(until), async { drop(first) });
        assert_eq!(left, 0);
        assert!(Instant::now() < until);
    }
}
