//! Looks at every dependency, round after round.

use std::sync::Arc;
use std::time::Duration;

use coppice_runtime::supervisors::{ChildSpec, Shutdown, StopSignal, TaskContext};
use coppice_runtime::{Clock, task};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Dependency, Finding, Health};

/// How long a stop waits for checks that are still under way.
const CHECKS_END_WITHIN: Duration = Duration::from_secs(2);

/// A check that is under way, for each dependency.
type Running = Arc<Vec<Mutex<Option<JoinHandle<Finding>>>>>;

/// Rounds of checks as a child of the node's tree. One round has ended when this returns, so that a
/// node is not asked before it knows how it is.
pub async fn keeper(health: Health, clock: Arc<dyn Clock>) -> ChildSpec {
    let count = health.0.dependencies.len();
    // It outlives a restart of the task: a dependency is checked by one check at a time.
    let running: Running = Arc::new((0..count).map(|_| Mutex::new(None)).collect());
    round(&health, &running, clock.as_ref()).await;
    let task = ChildSpec::task("health", move |context: TaskContext| {
        let (health, running, clock) = (health.clone(), Arc::clone(&running), Arc::clone(&clock));
        async move {
            keep(&health, &running, clock.as_ref(), &context.stop).await;
            Ok::<_, std::convert::Infallible>(())
        }
    });
    task.shutdown(Shutdown::Timeout(CHECKS_END_WITHIN * 2))
}

async fn keep(health: &Health, running: &Running, clock: &dyn Clock, stopping: &StopSignal) {
    let mut next = Instant::now() + health.0.options.interval;
    loop {
        tokio::select! {
            biased;
            () = stopping.raised() => break,
            () = sleep_until(next) => {}
        }
        next = Instant::now() + health.0.options.interval;
        // A stop does not wait for a sick dependency, and the checks themselves go on.
        tokio::select! {
            biased;
            () = stopping.raised() => break,
            () = round(health, running, clock) => {}
        }
    }
    let left = running.iter().filter_map(|running| running.lock().take());
    // What hangs for longer than that ends with the process.
    drop(timeout(CHECKS_END_WITHIN, join_all(left)).await);
}

async fn round(health: &Health, running: &Running, clock: &dyn Clock) {
    let looks = health
        .0
        .dependencies
        .iter()
        .zip(running.iter())
        .map(|(dependency, running)| look(dependency, running, health.0.options.timeout));
    let found = join_all(looks).await;
    health.learn(found, clock.now());
}

/// One look, given up after a while; the check itself goes on then, and the next look waits for it.
async fn look(
    dependency: &Dependency,
    running: &Mutex<Option<JoinHandle<Finding>>>,
    patience: Duration,
) -> (Finding, Duration) {
    let started = Instant::now();
    let begun = running.lock().take();
    let mut check = begun.unwrap_or_else(|| task::spawn((dependency.check)()));
    let finding = match timeout(patience, &mut check).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(_panic)) => Finding::Failed("the check crashed".into()),
        Err(_elapsed) => {
            *running.lock() = Some(check);
            Finding::Failed(format!("no answer within {} ms", patience.as_millis()).into())
        }
    };
    (finding, started.elapsed())
}
