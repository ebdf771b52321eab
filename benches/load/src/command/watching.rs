//! A run as it goes on: drawn in a terminal, else a line a second on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_current_process_group};

use crate::measured::Second;
use crate::measuring::Sight;
use crate::run::timeline;
use crate::scenario::Scenario;
use crate::stop::Stop;
use crate::view::{Live, Snapshot, plain_line};

/// Sights that may wait to be shown; what is beyond is not shown.
const WAITING_MAX: usize = 256;
/// How long a key waits to be noticed at most.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Somebody who looks on; ends once all senders are gone.
#[derive(Debug)]
pub(super) struct Watching(JoinHandle<io::Result<()>>);

/// Shows a run that is about to begin: live where there is a terminal to draw in and to ask keys of, and
/// no wish for plain lines.
pub(super) fn watch(
    scenario: &Scenario,
    threads: u32,
    is_plain: bool,
    stop: Stop,
) -> io::Result<(SyncSender<Sight>, Watching)> {
    let (onlooker, sights) = sync_channel(WAITING_MAX);
    let snapshot = Snapshot::new(&scenario.name, timeline(scenario));
    let live = (!is_plain && can_draw()).then(Live::begin).transpose()?;
    let thread = std::thread::Builder::new().name("load-watching".to_owned());
    let thread = thread.spawn(move || match live {
        Some(live) => draw(&sights, Seen::new(snapshot, threads), live, &stop),
        None => print(&sights, Seen::new(snapshot, threads), &mut io::stderr()),
    })?;
    Ok((onlooker, Watching(thread)))
}

fn can_draw() -> bool {
    let terminals =
        [io::stdin().is_terminal(), io::stdout().is_terminal(), io::stderr().is_terminal()];
    let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    terminals == [true; 3] && !is_dumb
}

impl Watching {
    pub(super) fn end(self) -> io::Result<()> {
        self.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn print(sights: &Receiver<Sight>, mut seen: Seen, out: &mut dyn Write) -> io::Result<()> {
    for sight in sights {
        if seen.takes(sight) {
            writeln!(out, "{}", plain_line(&seen.snapshot))?;
        }
    }
    Ok(())
}

fn draw(sights: &Receiver<Sight>, mut seen: Seen, mut live: Live, stop: &Stop) -> io::Result<()> {
    let mut heard = Instant::now();
    live.show(&seen.snapshot)?;
    loop {
        match sights.recv_timeout(LOOK_EVERY) {
            // Faults are of the harness's own doing: only a second says that the run gets on.
            Ok(sight) => {
                if seen.takes(sight) {
                    heard = Instant::now();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        seen.snapshot.silent_s = heard.elapsed().as_secs();
        seen.snapshot.is_ending = stop.is_asked();
        live.show(&seen.snapshot)?;
        if live.asked_to_stop()? && stop.ask() {
            drop(live);
            return interrupt();
        }
    }
}

/// What a terminal does at Ctrl-C, where asking wasn't enough: the node of the run's own, and whoever
/// else belongs to it, is told too.
fn interrupt() -> io::Result<()> {
    kill_current_process_group(Signal::INT).map_err(io::Error::from)
}

/// What was seen so far, with the second that not every thread has told of yet.
#[derive(Debug)]
struct Seen {
    snapshot: Snapshot,
    threads: u32,
    waiting: Option<(usize, Second, u32)>,
}

impl Seen {
    const fn new(snapshot: Snapshot, threads: u32) -> Self {
        Self { snapshot, threads, waiting: None }
    }

    /// Takes a sight in, and says whether a second is over by it: once every thread has told of it, or
    /// one has told of the next.
    fn takes(&mut self, sight: Sight) -> bool {
        let (second, seen) = match sight {
            Sight::Second { second, seen } => (second, *seen),
            Sight::Begun { first, from } => {
                self.snapshot.begun(first, from);
                return false;
            }
            Sight::Struck { name, from } => {
                self.snapshot.struck(name, from);
                return false;
            }
            Sight::TakenBack { name } => {
                self.snapshot.taken_back(name);
                return false;
            }
        };
        let mut is_over = false;
        self.waiting = Some(match self.waiting.take() {
            Some((waits, mut sum, told)) if waits == second => {
                sum.merge(&seen);
                (waits, sum, told + 1)
            }
            // Too late: its second was shown.
            Some((waits, sum, told)) if waits > second => (waits, sum, told),
            Some((waits, sum, _)) => {
                self.snapshot.passed(waits as u64, sum);
                is_over = true;
                (second, seen, 1)
            }
            None => (second, seen, 1),
        });
        if let Some((second, sum, _)) = self.waiting.take_if(|(_, _, told)| *told >= self.threads) {
            self.snapshot.passed(second as u64, sum);
            is_over = true;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Outcome;
    use crate::sample::{measured, second};

    fn printed(threads: u32, told: Vec<Sight>) -> Vec<String> {
        let (onlooker, sights) = sync_channel(WAITING_MAX);
        told.into_iter().for_each(|sight| onlooker.send(sight).unwrap());
        drop(onlooker);
        let phases = measured(vec![second(1, 0, 1); 30]).phases;
        let mut out = Vec::new();
        print(&sights, Seen::new(Snapshot::new("a", phases), threads), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    fn over(at: usize, acknowledged: u64) -> Sight {
        Sight::Second { second: at, seen: Box::new(second(acknowledged, 0, 4)) }
    }

    #[test]
    fn a_second_is_one_line_with_what_all_threads_saw() {
        let lines = printed(2, vec![over(0, 10), over(0, 20), over(1, 3), over(2, 4), over(2, 5)]);
        let rates: Vec<_> = lines.iter().map(|line| line.split_whitespace().nth(3)).collect();
        assert_eq!(rates, [Some("30/s"), Some("3/s"), Some("9/s")], "{lines:?}");
    }

    #[test]
    fn what_a_thread_tells_of_a_second_that_was_shown_is_left_out() {
        let lines = printed(2, vec![over(0, 10), over(1, 1), over(0, 20), over(1, 2)]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains(" 3/s"), "{lines:?}");
    }

    #[test]
    fn a_fault_stands_in_the_lines_until_it_is_taken_back() {
        let struck = Sight::Struck { name: "cut", from: 500_000_000 };
        let told =
            vec![over(0, 1), struck, over(1, 1), Sight::TakenBack { name: "cut" }, over(2, 1)];
        let lines = printed(1, told);
        let shown: Vec<bool> = lines.iter().map(|line| line.contains("[cut]")).collect();
        assert_eq!(shown, [false, true, false], "{lines:?}");
    }

    #[test]
    fn outcomes_are_of_all_threads() {
        let mut seen = Seen::new(Snapshot::new("a", Vec::new()), 1);
        assert!(seen.takes(over(0, 2)) && seen.takes(over(1, 3)));
        assert_eq!(seen.snapshot.outcomes[&Outcome::Acknowledged], 5);
    }
}
