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

use sqlx::SqlitePool;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Appends between two checkpoints: about a second under load. More often writes the same pages again
/// and again; less often leaves more to the commit that must finish the job.
const APPENDS_PER_CHECKPOINT: u64 = 512;

/// Wakes the checkpoints, and ends them when it is dropped.
#[derive(Debug)]
pub(super) struct Checkpoints {
    appends: AtomicU64,
    bell: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Checkpoints {
    /// Checkpoints on a pool of its own.
    pub(super) fn start(pool: SqlitePool) -> Self {
        let bell = Arc::new(Notify::new());
        let mut task = JoinSet::new();
        task.spawn(run(pool, Arc::clone(&bell)));
        Self { appends: AtomicU64::new(0), bell, _task: task }
    }

    /// Counts an append.
    pub(super) fn appended(&self) {
        if self.appends.fetch_add(1, Ordering::Relaxed).is_multiple_of(APPENDS_PER_CHECKPOINT) {
            self.bell.notify_one();
        }
    }
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
