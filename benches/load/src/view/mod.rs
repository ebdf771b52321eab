//! A run while it goes on: [`Live`] in a terminal, [`plain_line`] in a log. Both show a [`Snapshot`],
//! which whoever carries the run out feeds second by second.

mod live;
mod plain;

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;

pub use self::live::Live;
pub(crate) use self::live::give_back;
pub use self::plain::plain_line;
use crate::measured::{Phase, Second, second_histogram};
use crate::record::{Nanos, Outcome};
use crate::recovery::{p99_ms, rate};

/// Percentiles on view are over so many seconds: one has too few samples for a p99.9.
pub const WINDOW_SECONDS: usize = 10;
/// Seconds in the small plots: as many as a wide terminal has columns.
pub const RECENT_SECONDS: usize = 240;
/// Faults that are listed; a long run has hundreds.
pub const FAULTS_MAX: usize = 8;

const SECOND: Nanos = 1_000_000_000;

/// A fault that has struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struck {
    /// Its name.
    pub name: String,
    /// When, in seconds since the run began.
    pub from_s: u64,
    /// Whether it was taken back.
    pub is_over: bool,
}

/// What there is to see.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The scenario's name.
    pub scenario: String,
    /// The stretches of the plan.
    pub phases: Vec<Phase>,
    /// Seconds that have passed.
    pub second: u64,
    /// Seconds since anything was heard of the run.
    pub silent_s: u64,
    /// Whether somebody wants it to end.
    pub is_ending: bool,
    /// The last whole second.
    pub last: Second,
    /// Outcomes so far.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Dropped so far.
    pub dropped: u64,
    /// The last faults.
    pub faults: VecDeque<Struck>,
    window: VecDeque<Second>,
    recent: VecDeque<Brief>,
}

/// A second as small plots show it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Brief {
    acknowledged: f64,
    p99_ms: f64,
}

impl Snapshot {
    /// Of a run that is about to begin.
    #[must_use]
    pub fn new(scenario: impl Into<String>, phases: Vec<Phase>) -> Self {
        Self {
            scenario: scenario.into(),
            phases,
            second: 0,
            silent_s: 0,
            is_ending: false,
            last: Second::quiet(),
            outcomes: BTreeMap::new(),
            dropped: 0,
            faults: VecDeque::new(),
            window: VecDeque::new(),
            recent: VecDeque::new(),
        }
    }

    /// The phases from one on begin, at another time than they were to.
    pub fn begun(&mut self, first: usize, from: Nanos) {
        let Some(planned) = self.phases.get(first).map(|phase| phase.from) else { return };
        for phase in &mut self.phases[first..] {
            phase.to = phase.to - planned + from;
            phase.from = phase.from - planned + from;
        }
        // Rates of another stage would make these small.
        self.recent.clear();
    }

    /// A second is over.
    pub fn passed(&mut self, second: u64, seen: Second) {
        self.second = second + 1;
        for (outcome, count) in &seen.ended {
            *self.outcomes.entry(*outcome).or_default() += count;
        }
        self.dropped += seen.dropped;
        let p99_ms = p99_ms(&seen.corrected).unwrap_or(0.0);
        self.recent.push_back(Brief { acknowledged: rate(&seen), p99_ms });
        self.last = seen.clone();
        self.window.push_back(seen);
        while self.window.len() > WINDOW_SECONDS {
            self.window.pop_front();
        }
        while self.recent.len() > RECENT_SECONDS {
            self.recent.pop_front();
        }
    }

    /// A fault strikes.
    pub fn struck(&mut self, name: &str, from: Nanos) {
        let from_s = from / SECOND;
        self.faults.push_back(Struck { name: name.to_owned(), from_s, is_over: false });
        while self.faults.len() > FAULTS_MAX {
            self.faults.pop_front();
        }
    }

    /// The last fault of a name is taken back.
    pub fn taken_back(&mut self, name: &str) {
        let open = self.faults.iter_mut().rev().find(|one| one.name == name && !one.is_over);
        if let Some(open) = open {
            open.is_over = true;
        }
    }

    /// Where the plan is: the name of the phase and the share of it that has passed.
    #[must_use]
    pub fn phase(&self) -> Option<(&str, f64)> {
        let now = self.second * SECOND;
        let phase = self.phases.iter().find(|phase| now < phase.to)?;
        let length = phase.to.saturating_sub(phase.from).max(1);
        let passed = now.saturating_sub(phase.from);
        Some((&phase.name, passed as f64 / length as f64))
    }

    /// When the plan ends, in seconds.
    #[must_use]
    pub fn ends_at_s(&self) -> u64 {
        self.phases.iter().map(|phase| phase.to).max().unwrap_or(0).div_ceil(SECOND)
    }

    /// Corrected and service latencies, and lag, of the last [`WINDOW_SECONDS`].
    #[must_use]
    pub fn windows(&self) -> [Histogram<u64>; 3] {
        let mut all = [second_histogram(), second_histogram(), second_histogram()];
        for second in &self.window {
            let [corrected, service, lag] = &mut all;
            // A histogram without a bound takes any other.
            *corrected += &second.corrected;
            *service += &second.service;
            *lag += &second.lag;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{measured, second};

    pub(super) fn snapshot() -> Snapshot {
        let run = measured(vec![second(100, 0, 4); 30]);
        let mut snapshot = Snapshot::new("steady", run.phases);
        for at in 0..12 {
            snapshot.passed(at, second(100, 2, if at == 0 { 900 } else { 4 }));
        }
        snapshot.struck("kill", 11_500_000_000);
        snapshot
    }

    #[test]
    fn a_snapshot_adds_up_and_its_percentiles_are_of_the_last_seconds() {
        let mut snapshot = snapshot();
        assert_eq!(snapshot.outcomes[&Outcome::Acknowledged], 1_200);
        assert_eq!(snapshot.outcomes[&Outcome::Broken], 24);
        let [corrected, ..] = snapshot.windows();
        assert_eq!(corrected.len(), 1_000);
        assert!(corrected.max() < 5_000, "the slow second is out of the window");
        let (name, share) = snapshot.phase().unwrap();
        assert_eq!((name, share), ("main", 0.4));
        assert_eq!(snapshot.ends_at_s(), 30);
        assert!(!snapshot.faults[0].is_over);
        snapshot.taken_back("kill");
        assert!(snapshot.faults[0].is_over);
    }

    #[test]
    fn phases_that_begin_late_are_moved_and_those_before_them_stay() {
        let phase = |name: &str, from_s: u64, to_s: u64| Phase {
            name: name.to_owned(),
            from: from_s * SECOND,
            to: to_s * SECOND,
            counts: true,
        };
        let phases = vec![phase("capacity", 0, 4), phase("one", 4, 10), phase("other", 10, 20)];
        let mut snapshot = Snapshot::new("a", phases);
        snapshot.begun(0, 0);
        snapshot.passed(0, second(1_000, 0, 4));
        snapshot.begun(1, 7 * SECOND);
        snapshot.begun(9, SECOND);
        let times: Vec<_> =
            snapshot.phases.iter().map(|one| (one.from / SECOND, one.to / SECOND)).collect();
        assert_eq!(times, [(0, 4), (7, 13), (13, 23)]);
        assert_eq!(snapshot.ends_at_s(), 23);
        assert!(snapshot.recent.is_empty() && snapshot.windows()[0].len() == 1_000);
    }

    #[test]
    fn faults_and_seconds_on_view_are_bounded() {
        let mut snapshot = snapshot();
        for at in 0..1_000 {
            snapshot.passed(at, second(1, 0, 1));
            snapshot.struck("cut", at * SECOND);
        }
        assert_eq!(snapshot.faults.len(), FAULTS_MAX);
        assert_eq!(snapshot.recent.len(), RECENT_SECONDS);
        assert_eq!(snapshot.window.len(), WINDOW_SECONDS);
    }
}
