//! Finds entities that have something to do and don't know, most of all those not in memory.
//!
//! At the start, after every change of ownership, when a pool has room again and where something
//! was left undone, all that owe effects are woken; while the node runs, those whose timer is due
//! and not looked after. A woken entity recovers and then sees to its effects and timers itself.
//!
//! Under a freeze nobody is looked for but the platform's own; what was to be looked for then is,
//! once, when it ends. Whoever is stopped alone is passed over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::{Epoch, ShardId, StreamId, StreamKey};
use coppice_persistence::{Store, StoreError};
use coppice_supervisors::StopSignal;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::gate::Gate;
use crate::lease::Lease;
use crate::work::courier::Courier;
use crate::work::timers::Timers;

/// How often due timers and the lease are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Rows read at once.
const PAGE: usize = 500;

/// Entities that recover at once for a scan, so that commands find room beside them.
const WAKING_MAX: usize = 32;

/// How long an entity that was woken in vain (it can't be recovered, or its timer is out of
/// delivery) is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// Counts that nobody forgot are swept once this old.
const STALE_AFTER_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// The shards of this node at the beginning of a look.
type Owned = BTreeMap<ShardId, Epoch>;

/// The scans of one node.
#[derive(Clone)]
pub(crate) struct Scanner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lease: Arc<dyn Lease>,
    pub(crate) courier: Courier,
    pub(crate) timers: Timers,
    pub(crate) rescan: Arc<Notify>,
    pub(crate) gate: Arc<Gate>,
}

impl Scanner {
    /// Scans until `stopping` says so.
    pub(crate) async fn run(self, stopping: StopSignal) {
        let mut owned = BTreeMap::new();
        let mut woken = BTreeMap::new();
        let (mut everything, mut turns) = (true, self.gate.turns());
        loop {
            let owns = self.owned();
            everything |= self.courier.left.take_owned() || owns != owned;
            everything |= self.gate.take_released();
            owned = owns;
            if turns != self.gate.turns() {
                // Who was woken before in vain may have been stopped.
                turns = self.gate.turns();
                woken.clear();
            }
            if everything {
                match self.wake_owing(&owned).await {
                    Ok(count) => {
                        everything = false;
                        info!(count, "entities that owe effects are awake");
                    }
                    Err(error) => warn!(%error, "what is owed can't be read"),
                }
            }
            if let Err(error) = self.wake_due(&owned, &mut woken).await {
                warn!(%error, "due timers can't be read");
            }
            tokio::select! {
                biased;
                () = stopping.raised() => return,
                () = self.rescan.notified() => everything = true,
                () = self.gate.turned() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    fn owned(&self) -> Owned {
        (0..self.lease.shard_count())
            .map(ShardId)
            .filter_map(|shard| self.lease.epoch(shard).map(|epoch| (shard, epoch)))
            .collect()
    }

    async fn wake_owing(&self, owned: &Owned) -> Result<usize, StoreError> {
        let (mut after, mut count) = (None, 0);
        loop {
            let rows = self.store.owing(after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.stream());
            let whole = rows.len() == PAGE;
            count += self.wake(owned, rows.into_iter().map(|row| row.key)).await.len();
            if !whole {
                break;
            }
        }
        let before = self.clock.now().saturating_add_micros(-STALE_AFTER_MICROS);
        while self.store.drop_stale_attempts(before, PAGE).await? == PAGE as u64 {}
        Ok(count)
    }

    async fn wake_due(
        &self,
        owned: &Owned,
        woken: &mut BTreeMap<StreamId, Instant>,
    ) -> Result<(), StoreError> {
        // No kind of the platform's own has timers.
        if self.gate.is_frozen() {
            return Ok(());
        }
        let now = Instant::now();
        woken.retain(|_, at| now.duration_since(*at) < LEFT_ALONE);
        let mut after = None;
        loop {
            let rows = self.store.due(self.clock.now(), after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.wake_at.map(|at| (at, last.key.stream()));
            let whole = rows.len() == PAGE;
            let asleep: Vec<StreamKey> = rows
                .into_iter()
                .map(|row| row.key)
                .filter(|key| !woken.contains_key(&key.stream()))
                .filter(|key| self.gate.holding(key).is_none())
                .filter(|key| !self.timers.looks_after(key.stream()))
                .collect();
            for key in self.wake(owned, asleep.into_iter()).await {
                woken.insert(key.stream(), now);
            }
            if !whole || after.is_none() {
                return Ok(());
            }
        }
    }

    /// Wakes those that are this node's; those of them that need not be tried again soon.
    async fn wake(&self, owned: &Owned, keys: impl Iterator<Item = StreamKey>) -> Vec<StreamKey> {
        let is_to_wake = |key: &StreamKey| {
            if let Some(target) = self.gate.holding(key) {
                self.gate.leave(target);
                return false;
            }
            let owns = self.lease.owned(key).is_some();
            // Lost while the rows were read: it may come back as if nothing had been.
            if !owns && owned.contains_key(&key.shard(self.lease.shard_count())) {
                self.courier.left.note(key);
            }
            owns
        };
        let own: Vec<StreamKey> = keys.filter(is_to_wake).collect();
        let waking = stream::iter(own)
            .map(|key| async move { self.courier.wake(&key).await.then_some(key) })
            .buffer_unordered(WAKING_MAX);
        waking.filter_map(std::future::ready).collect().await
    }
}
