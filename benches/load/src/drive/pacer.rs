//! Waiting for what is due. A thread of its own, since a runtime's timer has a grain of 1 ms, and
//! what it is late would stand in every latency.

use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use crate::plan::{Plan, Start};
use crate::record::Nanos;
use crate::stop::{LOOK_EVERY, Stop};
use crate::wire::Clock;

/// Shortest sleep. What becomes due within is handed over together: at most 10,000 wake-ups a second,
/// and a lag that is far below any latency over a socket.
const GRAIN: Duration = Duration::from_micros(100);
/// Starts that are handed over at once.
const BATCH_MAX: usize = 1_024;

/// Hands over each start when it is due, with its time since the run began, until the plan is over
/// nobody takes any more, or somebody wants the run to end.
pub(super) fn pace(
    plan: Plan,
    clock: Clock,
    base: Nanos,
    stop: &Stop,
    starts: &Sender<Vec<Start>>,
) {
    let mut plan = plan.map(|start| moved(start, base)).peekable();
    while let Some(first) = plan.peek() {
        if stop.is_asked() {
            return;
        }
        let now = clock.now();
        if first.at > now {
            thread::sleep(Duration::from_nanos(first.at - now).clamp(GRAIN, LOOK_EVERY));
        }
        let now = clock.now();
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX
            && let Some(start) = plan.next_if(|start| start.at <= now)
        {
            batch.push(start);
        }
        if !batch.is_empty() && starts.blocking_send(batch).is_err() {
            return;
        }
    }
}

fn moved(mut start: Start, base: Nanos) -> Start {
    start.at += base;
    if let Some(session) = &mut start.session {
        session.until += base;
    }
    start
}
