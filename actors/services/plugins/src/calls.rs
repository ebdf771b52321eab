//! Waiting for a call no longer than it may take.
//!
//! **Invariants:** whoever waits is answered in time, whatever the call does; a panic in a call is
//! its caller's to hear of and nobody's to die of; a call that is given up on ends by itself or is
//! ended, at twice its time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

/// Calls under way, and those that nobody waits for any more.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    tasks: Mutex<JoinSet<()>>,
    late: Arc<AtomicU64>,
}

/// How waiting for a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waited<T> {
    /// With its answer.
    Answered(T),
    /// With the end of its time.
    TimedOut,
    /// With a panic in it.
    Panicked,
}

impl Calls {
    /// Makes a call in a task of its own and waits for it. One that is given up on goes on for as
    /// long again, so that it is seen whether it would have answered.
    pub(crate) async fn make<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
        patience: Duration,
    ) -> Waited<T> {
        let (answer, answered) = oneshot::channel();
        let late = Arc::clone(&self.late);
        self.spawn(async move {
            if let Ok(value) = timeout(patience.saturating_mul(2), call).await
                && answer.send(value).is_err()
            {
                late.fetch_add(1, Ordering::Relaxed);
            }
        });
        match timeout(patience, answered).await {
            Ok(Ok(value)) => Waited::Answered(value),
            // It ends without an answer where it panicked, and not by its own clock: that is later.
            Ok(Err(_)) => Waited::Panicked,
            Err(_) => Waited::TimedOut,
        }
    }

    /// Answers that came when nobody waited for them any more.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Starts a task, and lets go of those that have ended.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended {
                warn!(%error, "a call ended early");
            }
        }
        tasks.spawn(task);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::yield_now;
    use tokio::time::{Instant, advance};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_is_the_answer_and_a_panic_is_told() {
        let calls = Calls::default();
        assert_eq!(calls.make(async { 7 }, SECOND).await, Waited::Answered(7));
        assert_eq!(calls.make(async { panic!("told to") }, SECOND).await, Waited::<u8>::Panicked);
        assert_eq!(calls.late(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_after_its_time_is_dropped_and_counted() {
        let calls = Calls::default();
        let (open, gate) = oneshot::channel::<()>();
        let started = Instant::now();
        assert_eq!(calls.make(gate, SECOND).await, Waited::TimedOut);
        assert_eq!(started.elapsed(), SECOND);
        open.send(()).unwrap();
        while calls.late() == 0 {
            yield_now().await;
        }
        assert_eq!(calls.late(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_is_ended_at_twice_its_time() {
        let calls = Calls::default();
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let hangs = async move {
            pending::<()>().await;
            drop(held);
        };
        assert_eq!(calls.make(hangs, SECOND).await, Waited::TimedOut);
        assert_eq!(Arc::strong_count(&alive), 2);
        advance(SECOND).await;
        while Arc::strong_count(&alive) > 1 {
            yield_now().await;
        }
        assert_eq!(calls.late(), 0);
    }
}
