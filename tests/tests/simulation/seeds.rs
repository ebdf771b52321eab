//! Many seeds, on as many threads as there are processors, each run on a thread of its own.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

use crate::nodes::Planted;
use crate::world::{Report, run};

/// What many runs came to.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) runs: u64,
    pub(crate) steps: u64,
    pub(crate) events: usize,
    pub(crate) calls: u64,
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
pub(crate) fn run_all(
    seeds: impl Iterator<Item = u64> + Send,
    planted: Planted,
) -> (Totals, Option<(u64, Report)>) {
    hush();
    let seeds = Mutex::new(seeds);
    let failed: Mutex<Option<(u64, Report)>> = Mutex::default();
    let (runs, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    let (events, calls) = (AtomicU64::new(0), AtomicU64::new(0));
    let worker = || {
        while failed.lock().is_none() {
            let Some(seed) = seeds.lock().next() else { return };
            let report = run(seed, planted, false);
            runs.fetch_add(1, Ordering::Relaxed);
            steps.fetch_add(report.steps, Ordering::Relaxed);
            events.fetch_add(report.events as u64, Ordering::Relaxed);
            calls.fetch_add(report.calls, Ordering::Relaxed);
            if report.verdict.is_err() {
                failed.lock().get_or_insert((seed, report));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(worker);
        }
    });
    let totals = Totals {
        runs: runs.into_inner(),
        steps: steps.into_inner(),
        events: usize::try_from(events.into_inner()).unwrap_or(usize::MAX),
        calls: calls.into_inner(),
    };
    (totals, failed.into_inner())
}
