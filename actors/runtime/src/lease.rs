//! Who may speak for which entities, and until when.
//!
//! **Invariant:** [`Lease::epoch`] answers with an epoch only while this node certainly owns the
//! shard, measured on a clock that counts suspended time. A node that was frozen and wakes after
//! its lease finds `None` and answers nothing from its old state; its appends are refused by the
//! store in any case.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::{Epoch, ShardId, StreamKey};
use coppice_persistence::{ClaimOutcome, ShardClaim, Store, StoreError};
use coppice_supervisors::StopSignal;
use parking_lot::RwLock;
use rustix::time::{ClockId, clock_gettime};
use tracing::{error, info, warn};

/// Ownership of shards, as the runtime asks for it: before a decision and again after it.
pub trait Lease: fmt::Debug + Send + Sync + 'static {
    /// How many shards there are.
    fn shard_count(&self) -> u16;

    /// The epoch of a shard that this node owns right now.
    fn epoch(&self, shard: ShardId) -> Option<Epoch>;

    /// The shard of an entity and its epoch, where this node owns it right now.
    fn owned(&self, key: &StreamKey) -> Option<(ShardId, Epoch)> {
        let shard = key.shard(self.shard_count());
        self.epoch(shard).map(|epoch| (shard, epoch))
    }
}

/// A lease that nobody can take away: the node holds the only lock on its embedded store.
#[derive(Debug)]
pub struct ExclusiveLease {
    epochs: BTreeMap<ShardId, Epoch>,
    count: u16,
}

impl ExclusiveLease {
    /// Of all shards, under the epochs that the store granted.
    #[must_use]
    pub fn new(epochs: BTreeMap<ShardId, Epoch>) -> Self {
        let count = u16::try_from(epochs.len()).unwrap_or(u16::MAX);
        Self { epochs, count }
    }
}

impl Lease for ExclusiveLease {
    fn shard_count(&self) -> u16 {
        self.count
    }

    fn epoch(&self, shard: ShardId) -> Option<Epoch> {
        self.epochs.get(&shard).copied()
    }
}

/// A point on a clock that goes on while the machine or the process is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Boottime(Duration);

impl Boottime {
    const NEVER: Self = Self(Duration::ZERO);

    fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Self(Duration::new(seconds, nanos))
    }
}

#[derive(Debug)]
struct Held {
    epochs: Arc<BTreeMap<ShardId, Epoch>>,
    until: Boottime,
}

/// A lease kept in the database and renewed before it ends.
#[derive(Debug)]
pub struct TimedLease {
    count: u16,
    held: RwLock<Held>,
}

impl Lease for TimedLease {
    fn shard_count(&self) -> u16 {
        self.count
    }

    fn epoch(&self, shard: ShardId) -> Option<Epoch> {
        let held = self.held.read();
        (Boottime::now() < held.until).then(|| held.epochs.get(&shard).copied()).flatten()
    }
}

/// Keeps a [`TimedLease`] alive.
pub struct LeaseKeeper {
    store: Arc<dyn Store>,
    lease: Arc<TimedLease>,
    claim: ShardClaim,
    duration: Duration,
}

impl fmt::Debug for LeaseKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseKeeper").field("claim", &self.claim).finish_non_exhaustive()
    }
}

/// Renewals within one lease: two may be lost and the third still comes in time.
const RENEWALS_PER_LEASE: u32 = 3;

/// What is taken off the lease's length for clocks that don't run equally fast: one twentieth,
/// far more than any clock drifts within a lease.
const DRIFT_DIVISOR: u32 = 20;

impl LeaseKeeper {
    /// Claims all shards, waiting while another owner's lease lasts.
    ///
    /// # Errors
    /// The store's, where the first claim can't be made.
    pub async fn claim(
        store: Arc<dyn Store>,
        claim: ShardClaim,
        duration: Duration,
    ) -> Result<(Self, Arc<TimedLease>), StoreError> {
        let claim = ShardClaim { duration: Some(duration), ..claim };
        let held = Held { epochs: Arc::default(), until: Boottime::NEVER };
        let lease = Arc::new(TimedLease { count: claim.count, held: RwLock::new(held) });
        let keeper = Self { store, lease: Arc::clone(&lease), claim, duration };
        while let Some(wait) = keeper.try_claim().await? {
            tokio::time::sleep(wait).await;
        }
        Ok((keeper, lease))
    }

    /// One claim; how long to wait before the next where another holds the shards.
    async fn try_claim(&self) -> Result<Option<Duration>, StoreError> {
        let asked = Boottime::now();
        match self.store.claim(&self.claim).await? {
            ClaimOutcome::Granted(epochs) => {
                self.hold(asked, Arc::new(epochs));
                Ok(None)
            }
            ClaimOutcome::Held { owner, remaining } => {
                info!(owner, ?remaining, "another node holds the shards, waiting");
                Ok(Some(remaining.unwrap_or(self.duration).min(self.duration)))
            }
        }
    }

    /// Counts from before the request was sent, so that it ends here before it ends there.
    fn hold(&self, asked: Boottime, epochs: Arc<BTreeMap<ShardId, Epoch>>) {
        let until = Boottime(asked.0 + self.duration - self.duration / DRIFT_DIVISOR);
        *self.lease.held.write() = Held { epochs, until };
    }

    /// Renews until `stopping` says so, then gives the shards back.
    pub async fn run(&self, stopping: StopSignal) {
        loop {
            tokio::select! {
                biased;
                () = stopping.raised() => break,
                () = tokio::time::sleep(self.duration / RENEWALS_PER_LEASE) => {}
            }
            self.renew().await;
        }
        self.lease.held.write().until = Boottime::NEVER;
        if let Err(error) = self.store.release(&self.claim.owner).await {
            warn!(%error, "lease can't be released, it will expire");
        }
    }

    async fn renew(&self) {
        let asked = Boottime::now();
        let epochs = Arc::clone(&self.lease.held.read().epochs);
        match self.store.renew(&self.claim.owner, &epochs, self.duration).await {
            Ok(true) => self.hold(asked, epochs),
            Ok(false) => {
                self.lease.held.write().until = Boottime::NEVER;
                error!("lease is lost, claiming again");
                // Only a node that starts may succeed itself; a running one waits its turn.
                let claim = ShardClaim { succeed_own: false, ..self.claim.clone() };
                match self.store.claim(&claim).await {
                    Ok(ClaimOutcome::Granted(epochs)) => self.hold(asked, Arc::new(epochs)),
                    Ok(ClaimOutcome::Held { owner, .. }) => {
                        warn!(owner, "another node holds the shards");
                    }
                    Err(error) => warn!(%error, "lease can't be claimed"),
                }
            }
            Err(error) => warn!(%error, "lease can't be renewed"),
        }
    }
}
