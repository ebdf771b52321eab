//! Finds entities that have something to do and are not in memory.
//!
//! At the start, after every change of ownership and when a pool has room again, all that owe
//! effects are woken; while the node runs, those whose timer is due. A woken entity recovers and
//! then sees to its effects and timers itself.

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
use crate::lease::Lease;
use crate::work::courier::Courier;

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

/// The scans of one node.
#[derive(Clone)]
pub(crate) struct Scanner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lease: Arc<dyn Lease>,
    pub(crate) courier: Courier,
    pub(crate) rescan: Arc<Notify>,
}

impl Scanner {
    /// Scans until `stopping` says so.
    pub(crate) async fn run(self, stopping: StopSignal) {
        let mut owned = BTreeMap::new();
        let mut woken = BTreeMap::new();
        let mut everything = true;
        loop {
            let owns = self.owned();
            everything |= owns != owned;
            owned = owns;
            if everything {
                match self.wake_owing().await {
                    Ok(count) => {
                        everything = false;
                        info!(count, "entities that owe effects are awake");
                    }
                    Err(error) => warn!(%error, "what is owed can't be read"),
                }
            }
            if let Err(error) = self.wake_due(&mut woken).await {
                warn!(%error, "due timers can't be read");
            }
            tokio::select! {
                biased;
                () = stopping.raised() => return,
                () = self.rescan.notified() => everything = true,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    fn owned(&self) -> BTreeMap<ShardId, Epoch> {
        (0..self.lease.shard_count())
            .map(ShardId)
            .filter_map(|shard| self.lease.epoch(shard).map(|epoch| (shard, epoch)))
            .collect()
    }

    async fn wake_owing(&self) -> Result<usize, StoreError> {
        let (mut after, mut count) = (None, 0);
        loop {
            let rows = self.store.owing(after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.stream());
            let whole = rows.len() == PAGE;
            count += self.wake(rows.into_iter().map(|row| row.key)).await;
            if !whole {
                break;
            }
        }
        let before = self.clock.now().saturating_add_micros(-STALE_AFTER_MICROS);
        while self.store.drop_stale_attempts(before, PAGE).await? == PAGE as u64 {}
        Ok(count)
    }

    async fn wake_due(&self, woken: &mut BTreeMap<StreamId, Instant>) -> Result<(), StoreError> {
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
                .filter(|key| !self.courier.registry.is_resident(key))
                .collect();
            woken.extend(asleep.iter().map(|key| (key.stream(), now)));
            self.wake(asleep.into_iter()).await;
            if !whole || after.is_none() {
                return Ok(());
            }
        }
    }

    /// Wakes those that are this node's; how many they are.
    async fn wake(&self, keys: impl Iterator<Item = StreamKey>) -> usize {
        let own: Vec<StreamKey> = keys.filter(|key| self.lease.owned(key).is_some()).collect();
        let count = own.len();
        let waking = stream::iter(own).map(|key| async move { self.courier.wake(&key).await });
        waking.buffer_unordered(WAKING_MAX).count().await;
        count
    }
}
