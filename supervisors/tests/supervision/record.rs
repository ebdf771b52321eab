//! What the supervisors of a tree reported, as lines that a test can compare.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coppice_supervisors::{Event, ExitReason, Report, TreeOptions};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Longer than anything that a test waits for. Paused time makes it free.
const PATIENCE: Duration = Duration::from_hours(1);

/// All reports of one tree, and whatever else a test writes down beside them.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    began: Instant,
    lines: Arc<Mutex<Vec<(Duration, String)>>>,
    written: watch::Sender<usize>,
}

impl Record {
    pub(crate) fn new() -> Self {
        let written = watch::Sender::new(0);
        Self { began: Instant::now(), lines: Arc::default(), written }
    }

    /// Options under which a tree reports here.
    pub(crate) fn options(&self) -> TreeOptions {
        self.seeded(1)
    }

    pub(crate) fn seeded(&self, seed: u64) -> TreeOptions {
        let record = self.clone();
        TreeOptions::new(seed).observer(move |report| record.write(line(report)))
    }

    pub(crate) fn write(&self, line: impl Into<String>) {
        self.lines.lock().expect("no writer panics").push((self.began.elapsed(), line.into()));
        self.written.send_modify(|count| *count += 1);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no writer panics").iter().map(|(_, line)| line.clone()).collect()
    }

    /// Every line with its time since the record began.
    pub(crate) fn timed(&self) -> Vec<(Duration, String)> {
        self.lines.lock().expect("no writer panics").clone()
    }

    /// The lines so far, and then an empty record.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().expect("no writer panics"))
            .into_iter()
            .map(|(_, line)| line)
            .collect()
    }

    /// When a line was first written.
    pub(crate) fn time_of(&self, line: &str) -> Duration {
        let timed = self.timed();
        let found = timed.iter().find(|(_, written)| written == line);
        found.unwrap_or_else(|| panic!("no line {line:?} in {timed:#?}")).0
    }

    pub(crate) fn has(&self, line: &str) -> bool {
        self.lines().iter().any(|written| written == line)
    }

    /// Waits until a line has been written.
    pub(crate) async fn until(&self, line: &str) {
        let mut written = self.written.subscribe();
        let waited = timeout(PATIENCE, written.wait_for(|_| self.has(line))).await;
        assert!(waited.is_ok(), "no line {line:?} in {:#?}", self.lines());
    }
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it never came")
}

/// Lets paused time pass, and everything happen that is due until then.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn line(report: &Report) -> String {
    // The root's own lines go without its name.
    let path = report.supervisor.strip_prefix("root").unwrap_or(&report.supervisor);
    let path = path.strip_prefix('/').map(|below| format!("{below}: ")).unwrap_or_default();
    let what = match &report.event {
        Event::SupervisorStarted => "all up".to_owned(),
        Event::ChildStarted { child, incarnation } => format!("{child}{incarnation} up"),
        Event::ChildStartFailed { child, incarnation, reason } => {
            format!("{child}{incarnation} no start ({})", word(reason))
        }
        Event::ChildExited { child, incarnation, reason } => {
            format!("{child}{incarnation} exit ({})", word(reason))
        }
        Event::ChildRestarting { child, .. } => format!("{child} restarts"),
        Event::ChildKilled { child, incarnation } => format!("{child}{incarnation} kill"),
        Event::ChildTerminated { child, incarnation, reason } => {
            format!("{child}{incarnation} down ({})", word(reason))
        }
        Event::Escalating(escalation) => format!("gives up on {}", escalation.child),
        Event::AutoShutdown { child } => format!("shuts down after {child}"),
        Event::UnknownExit { reason } => format!("unknown exit ({})", word(reason)),
        Event::SupervisorStopped => "all down".to_owned(),
    };
    format!("{path}{what}")
}

fn word(reason: &ExitReason) -> &'static str {
    match reason {
        ExitReason::Normal => "normal",
        ExitReason::Shutdown => "shutdown",
        ExitReason::Crash(_) => "crash",
        ExitReason::Killed => "killed",
        ExitReason::StartFailed(_) => "failed",
        ExitReason::StartTimedOut => "timed out",
        ExitReason::Escalated(_) => "gave up",
    }
}
