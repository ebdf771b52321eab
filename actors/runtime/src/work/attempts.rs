//! Counts tries durably, many at a time.
//!
//! **Invariant:** an answer to [`AttemptsHandle::count`] means that the count is on disk.

use std::mem::take;
use std::sync::Arc;

use coppice_persistence::{Store, Tried};
use coppice_supervisors::StopSignal;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tracing::warn;

use crate::clock::Clock;
use crate::work::retry::{Jitter, RetryPolicy};

/// Messages counted or forgotten in one transaction.
const BATCH_MAX: usize = 512;

/// A message whose count is to go, and who waits for that.
type Forgotten = (Tried, Option<oneshot::Sender<()>>);

#[derive(Debug, Default)]
struct Intake {
    counting: Mutex<Vec<(Tried, oneshot::Sender<u32>)>>,
    done: Mutex<Vec<Forgotten>>,
    bell: Notify,
}

/// Hands messages to the clerk.
#[derive(Debug, Clone, Default)]
pub struct AttemptsHandle(Arc<Intake>);

impl AttemptsHandle {
    /// Counts one more try; the count with it. `None` where the node ends first.
    pub async fn count(&self, message: Tried) -> Option<u32> {
        let (reply, count) = oneshot::channel();
        self.0.counting.lock().push((message, reply));
        self.0.bell.notify_one();
        count.await.ok()
    }

    /// Forgets a message that is done with, some time soon. Lost with the process, it costs a row
    /// until stale counts are swept.
    pub fn forget(&self, message: Tried) {
        self.0.done.lock().push((message, None));
        self.0.bell.notify_one();
    }

    /// Forgets a message before it is tried again; `None` where the node ends first.
    pub async fn forgotten(&self, message: Tried) -> Option<()> {
        let (reply, done) = oneshot::channel();
        self.0.done.lock().push((message, Some(reply)));
        self.0.bell.notify_one();
        done.await.ok()
    }

    /// Counts and forgets until `stopping` says so.
    pub async fn run(
        self,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        jitter: Arc<Jitter>,
        stopping: StopSignal,
    ) {
        let mut failures = 0;
        loop {
            match self.step(store.as_ref(), clock.as_ref()).await {
                Ok(true) => failures = 0,
                Ok(false) => {
                    tokio::select! {
                        biased;
                        () = self.0.bell.notified() => {}
                        () = stopping.raised() => return,
                    }
                }
                Err(error) => {
                    failures += 1;
                    warn!(%error, failures, "attempts can't be counted");
                    let wait = RetryPolicy::DELIVERY.wait(failures, &jitter);
                    tokio::select! {
                        biased;
                        () = stopping.raised() => return,
                        () = tokio::time::sleep(wait.unwrap_or_default()) => {}
                    }
                }
            }
        }
    }

    /// What is next: nothing is counted while more is to be forgotten than one batch holds.
    fn next(&self) -> (Vec<(Tried, oneshot::Sender<u32>)>, Vec<Forgotten>) {
        let mut counting = self.0.counting.lock();
        let mut done = self.0.done.lock();
        let forgotten = first_of(&mut done);
        let counted = if done.is_empty() { first_of(&mut counting) } else { Vec::new() };
        (counted, forgotten)
    }

    /// One batch of each; false where nothing waited.
    ///
    /// What is to be forgotten goes first: whoever counts asked after it. The other way round, a
    /// count that was to be forgotten before a message is tried anew would take the new try's along.
    async fn step(
        &self,
        store: &dyn Store,
        clock: &dyn Clock,
    ) -> Result<bool, coppice_persistence::StoreError> {
        let (counting, done) = self.next();
        let worked = !counting.is_empty() || !done.is_empty();
        if !done.is_empty() {
            let messages: Vec<Tried> = done.iter().map(|(message, _)| *message).collect();
            if let Err(error) = store.drop_attempts(&messages).await {
                self.0.done.lock().splice(0..0, done);
                self.0.counting.lock().splice(0..0, counting);
                return Err(error);
            }
            done.into_iter().filter_map(|(_, reply)| reply).for_each(|reply| {
                let _gone = reply.send(());
            });
        }
        if !counting.is_empty() {
            let messages: Vec<Tried> = counting.iter().map(|(message, _)| *message).collect();
            match store.count_attempts(&messages, clock.now()).await {
                // Whoever asked and went away needs no answer.
                Ok(counts) => counting.into_iter().zip(counts).for_each(|((_, reply), count)| {
                    let _gone = reply.send(count);
                }),
                Err(error) => {
                    // Counted or not isn't known; counted twice is on the safe side.
                    self.0.counting.lock().splice(0..0, counting);
                    return Err(error);
                }
            }
        }
        Ok(worked)
    }
}

fn first_of<T>(waiting: &mut Vec<T>) -> Vec<T> {
    if waiting.len() <= BATCH_MAX {
        return take(waiting);
    }
    waiting.drain(..BATCH_MAX).collect()
}
