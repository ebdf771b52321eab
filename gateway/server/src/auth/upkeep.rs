//! What is done about keys beside requests: uses are written down, ended keys are purged.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use coppice_core::Timestamp;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::Auth;
use crate::problem::Chain;

/// How often ended keys are looked for. They wait for months, so an hour more is nothing.
const PURGE_EVERY: Duration = Duration::from_secs(3_600);
/// Keys purged in one statement, so that it never holds the store for long.
const PURGE_BATCH: usize = 1_000;

impl Auth {
    /// Works until `stopped` resolves, and writes down what is left then.
    pub async fn keep(&self, stopped: impl Future<Output = ()>) {
        let mut stopped = pin!(stopped);
        let mut purge_at = Instant::now();
        loop {
            if Instant::now() >= purge_at {
                self.purge().await;
                purge_at = Instant::now() + PURGE_EVERY;
            }
            tokio::select! {
                biased;
                () = &mut stopped => break,
                () = sleep(self.note_every) => self.write_uses().await,
            }
        }
        self.write_uses().await;
    }

    /// Writes down which keys were used. What can't be written is kept for the next time.
    pub async fn write_uses(&self) {
        let seen = self.uses.take();
        if seen.is_empty() {
            return;
        }
        if let Err(error) = self.directory.note_api_keys(&seen).await {
            warn!(keys = seen.len(), error = %Chain(&error), "the use of API keys was not noted");
            self.uses.give_back(seen);
        }
    }

    /// Removes keys that ended long enough ago.
    pub async fn purge(&self) {
        let age = i64::try_from(self.lifecycle.purge_after.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp::from_micros(self.clock.now().as_micros().saturating_sub(age));
        let mut purged = 0;
        loop {
            match self.directory.purge_api_keys(before, PURGE_BATCH).await {
                Ok(0) => break,
                Ok(some) => purged += some,
                Err(error) => {
                    warn!(error = %Chain(&error), "ended API keys were not purged");
                    break;
                }
            }
        }
        if purged > 0 {
            info!(purged, "ended API keys were purged");
        }
    }
}
