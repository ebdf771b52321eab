//! The seconds as they pass, a line each, on standard error.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::measured::Second;
use crate::measuring::Tick;
use crate::record::Outcome;

/// Ticks that may wait to be shown; what is beyond is not shown.
const WAITING_MAX: usize = 256;

/// Somebody who looks on; ends once all senders are gone.
#[derive(Debug)]
pub(super) struct Watching(JoinHandle<io::Result<()>>);

pub(super) fn watch(threads: u32) -> io::Result<(SyncSender<Tick>, Watching)> {
    let (onlooker, ticks) = sync_channel(WAITING_MAX);
    let thread = std::thread::Builder::new().name("load-watching".to_owned());
    let thread = thread.spawn(move || show(&ticks, threads))?;
    Ok((onlooker, Watching(thread)))
}

impl Watching {
    pub(super) fn end(self) -> io::Result<()> {
        self.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A second is shown once every thread has told of it, or one has told of the next.
fn show(ticks: &Receiver<Tick>, threads: u32) -> io::Result<()> {
    let mut waiting: Option<(usize, Second, u32)> = None;
    for tick in ticks {
        waiting = Some(match waiting.take() {
            Some((second, mut seen, told)) if second == tick.second => {
                seen.merge(&tick.seen);
                (second, seen, told + 1)
            }
            Some((second, seen, told)) if second > tick.second => (second, seen, told),
            Some((second, seen, _)) => {
                line(second, &seen)?;
                (tick.second, tick.seen, 1)
            }
            None => (tick.second, tick.seen, 1),
        });
        if let Some((second, seen, told)) = &waiting
            && *told >= threads
        {
            line(*second, seen)?;
            waiting = None;
        }
    }
    Ok(())
}

fn line(second: usize, seen: &Second) -> io::Result<()> {
    let of = |outcome| seen.ended.get(&outcome).copied().unwrap_or_default();
    let all: u64 = seen.ended.values().sum();
    let acknowledged = of(Outcome::Acknowledged);
    let mut err = io::stderr().lock();
    write!(
        err,
        "{second:>5} s  {acknowledged:>6}/s  p50 {:>8}  p99 {:>8}  in flight {:>4}",
        time(seen.corrected.value_at_quantile(0.5)),
        time(seen.corrected.value_at_quantile(0.99)),
        seen.in_flight,
    )?;
    for (what, count) in [("not acknowledged", all - acknowledged), ("dropped", seen.dropped)] {
        if count > 0 {
            write!(err, "  {count} {what}")?;
        }
    }
    writeln!(err)
}

/// Microseconds for people.
pub(super) fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(time(999), "999 us");
        assert_eq!(time(1_250), "1.2 ms");
        assert_eq!(time(61_230_000), "61.23 s");
    }
}
