//! Copies the write-ahead log into the database beside the appends.
//!
//! SQLite copies the log by itself once it is long enough, inside the commit that made it so: every
//! caller of that commit waits for megabytes of random writes. A passive checkpoint on a connection
//! of its own blocks no writer, so the commit that still has to finish the job finds it nearly done.
//!
//! **Invariant:** the log stays bounded without this task; it only moves the work. It is woken by
//! appends and has no clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coppice_core::EventRecord;
use sqlx::SqlitePool;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::PAGE_BYTES;
use crate::store::Unit;

/// Bytes of log between two checkpoints, about: some of them a second under load. More often writes the
/// same pages again and again, less often leaves more to the commit that must finish the job
/// (docs/performance.md has both).
const BYTES_PER_CHECKPOINT: u64 = 8 * 1_024 * 1_024;

/// Pages of an append beside its events': its entity's, and those of indexes.
const PAGES_OF_AN_APPEND: u64 = 3;

/// Bytes of an event beside its payload: ids, hashes, and its place in the indexes.
const BYTES_OF_AN_EVENT: u64 = 640;

/// Wakes the checkpoints, and ends them when it is dropped.
#[derive(Debug)]
pub(super) struct Checkpoints {
    bytes: AtomicU64,
    bell: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Checkpoints {
    /// Checkpoints on a pool of its own.
    pub(super) fn start(pool: SqlitePool) -> Self {
        let bell = Arc::new(Notify::new());
        let mut task = JoinSet::new();
        task.spawn(run(pool, Arc::clone(&bell)));
        Self { bytes: AtomicU64::new(0), bell, _task: task }
    }

    /// Counts what was appended, as pages that the log has of it, about: SQLite doesn't tell.
    pub(super) fn appended(&self, units: &[Unit]) {
        let appends = units.iter().flat_map(|unit| &unit.appends);
        let bytes: u64 = appends.map(|append| bytes_of(&append.events)).sum();
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before / BYTES_PER_CHECKPOINT != (before + bytes) / BYTES_PER_CHECKPOINT {
            self.bell.notify_one();
        }
    }
}

fn bytes_of(events: &[EventRecord]) -> u64 {
    let payloads: usize = events.iter().map(|event| event.body.payload.len()).sum();
    let (payloads, events) = (payloads as u64, events.len() as u64);
    PAGES_OF_AN_APPEND * u64::from(PAGE_BYTES) + payloads + events * BYTES_OF_AN_EVENT
}

async fn run(pool: SqlitePool, bell: Arc<Notify>) {
    loop {
        bell.notified().await;
        if pool.is_closed() {
            return;
        }
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&pool).await {
            tracing::debug!(%error, "checkpoint beside the appends failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::super::recent::tests::append;
    use super::*;

    /// How often the bell is rung by so many appends of one unit each.
    fn rung(appends: usize, unit: &Unit) -> usize {
        let (bytes, bell) = (AtomicU64::new(0), Arc::default());
        let checkpoints = Checkpoints { bytes, bell, _task: JoinSet::new() };
        let unit = std::slice::from_ref(unit);
        let rings = (0..appends).filter(|_| {
            checkpoints.appended(unit);
            checkpoints.bell.notified().now_or_never().is_some()
        });
        rings.count()
    }

    #[test]
    fn the_log_is_copied_as_often_as_it_grows_by_so_much_whatever_it_grows_by() {
        let small = Unit { appends: vec![append(1, 100)] };
        let large = Unit { appends: vec![append(64, 100_000)] };
        let many = Unit { appends: (0..1_000).map(|_| append(1, 100)).collect() };
        // A small one is some 7 KB of the log: 8 MiB are 1,219 of them.
        assert_eq!((rung(1_000, &small), rung(1_300, &small), rung(13_000, &small)), (0, 1, 10));
        assert_eq!((rung(1, &many), rung(2, &many), rung(13, &many)), (0, 1, 10));
        assert_eq!((rung(1, &large), rung(2, &large), rung(3, &large)), (0, 1, 2));
    }
}
