//! Many seeds, on as many threads as there are processors, each run on one thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::nodes::Planted;
use crate::world::{Report, run};

/// Longer than any run takes on the slowest machine: it stands still in its own time.
const STANDS_STILL: Duration = Duration::from_secs(60);

/// What many runs came to.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) runs: u64,
    pub(crate) steps: u64,
    pub(crate) events: usize,
    pub(crate) calls: u64,
    pub(crate) computed: usize,
}

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Panics that the runs provoke are not printed: there are thousands.
pub(crate) fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let said = panic.payload_as_str().unwrap_or_default();
            if !matches!(said, "told to" | "told to crash" | "an event that can't be applied") {
                usual(panic);
            }
        }));
    });
}

/// Runs seeds until all are done or one fails; the first that failed.
///
/// A run that stands still, since something goes round in circles without waiting, is given up
/// with its thread.
pub(crate) fn run_all(
    seeds: impl Iterator<Item = u64> + Send + 'static,
    planted: Planted,
) -> (Totals, Option<(u64, Report)>) {
    hush();
    let seeds = Arc::new(Mutex::new(seeds));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let running: Arc<Vec<AtomicU64>> = Arc::new((0..threads).map(|_| AtomicU64::new(0)).collect());
    let (done, reports) = mpsc::sync_channel(threads);
    for place in 0..threads {
        let (seeds, running, done) = (Arc::clone(&seeds), Arc::clone(&running), done.clone());
        thread::spawn(move || {
            loop {
                let Some(seed) = seeds.lock().next() else { return };
                running[place].store(seed, Ordering::Relaxed);
                // Nobody listens any more once a seed has failed.
                if done.send((seed, run(seed, planted, false))).is_err() {
                    return;
                }
            }
        });
    }
    drop(done);
    let mut totals = Totals::default();
    loop {
        match reports.recv_timeout(STANDS_STILL) {
            Ok((seed, report)) => {
                totals.runs += 1;
                totals.steps += report.steps;
                totals.events += report.events;
                totals.calls += report.calls;
                totals.computed += report.computed;
                if report.verdict.is_err() {
                    return (totals, Some((seed, report)));
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return (totals, None),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let seeds: Vec<_> =
                    running.iter().map(|seed| seed.load(Ordering::Relaxed)).collect();
                panic!("a run stands still, one of SIM_SEED={seeds:?}");
            }
        }
    }
}
