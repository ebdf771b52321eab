//! What one thread of the generator measures, without a lock: each has its own, and they are put
//! together at the end.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;

use hdrhistogram::Histogram;

use crate::measured::{Cell, LONGEST_US, Latencies, Second, histogram};
use crate::record::{Entry, Nanos, Outcome};

const NANOS_PER_S: Nanos = 1_000_000_000;
const NANOS_PER_US: Nanos = 1_000;

/// What whoever looks on is told.
#[derive(Debug, Clone)]
pub enum Sight {
    /// Phases begin, one after the other.
    Begun {
        /// The first of them, of all phases of the run.
        first: usize,
        /// When.
        from: Nanos,
    },
    /// A second is over.
    Second {
        /// Which, since the run began.
        second: usize,
        /// What one thread saw in it.
        seen: Box<Second>,
    },
    /// A fault strikes.
    Struck {
        /// Its name.
        name: &'static str,
        /// When.
        from: Nanos,
    },
    /// It is taken back.
    TakenBack {
        /// Its name.
        name: &'static str,
    },
}

/// All that one thread has measured.
#[derive(Debug)]
pub struct Tally {
    /// By phase, operation and outcome.
    pub cells: BTreeMap<Cell, Latencies>,
    /// By second since the run began.
    pub seconds: Vec<Second>,
    /// Behind the plan, of what counts.
    pub lag: Histogram<u64>,
    /// Its 99th percentile in the thread, of those put together, that was furthest behind.
    pub lag_p99_us: u64,
    /// Had no place.
    pub dropped: u64,
    /// Problem codes.
    pub codes: BTreeMap<String, u64>,
    /// Refusals for want of room that did not say when to come again.
    pub without_retry_after: u64,
    /// By phase: whether it counts.
    counts: Vec<bool>,
    in_flight: u64,
    told: usize,
    onlooker: Option<SyncSender<Sight>>,
}

impl Tally {
    /// An empty one; `counts` says of each phase whether it counts. The onlooker is told of the
    /// seconds from `begun` on.
    #[must_use]
    pub fn new(counts: Vec<bool>, begun: Nanos, onlooker: Option<SyncSender<Sight>>) -> Self {
        Self {
            cells: BTreeMap::new(),
            seconds: Vec::new(),
            lag: histogram(),
            lag_p99_us: 0,
            dropped: 0,
            codes: BTreeMap::new(),
            without_retry_after: 0,
            counts,
            in_flight: 0,
            told: second_of(begun),
            onlooker,
        }
    }

    /// An operation of the plan comes up.
    pub fn comes_up(&mut self, intended: Nanos) {
        self.second(intended).intended += 1;
    }

    /// It was looked at, late or not, whatever becomes of it.
    pub fn is_due(&mut self, phase: usize, intended: Nanos, now: Nanos) {
        let lag_us = now.saturating_sub(intended) / NANOS_PER_US;
        if self.counts.get(phase).copied().unwrap_or_default() {
            self.lag.saturating_record(lag_us);
        }
        put(&mut self.second(now).lag, lag_us);
    }

    /// There was no place for it.
    pub fn is_dropped(&mut self, intended: Nanos) {
        self.dropped += 1;
        self.second(intended).dropped += 1;
    }

    /// An operation begins.
    pub fn begins(&mut self, now: Nanos) {
        self.in_flight += 1;
        let in_flight = self.in_flight;
        let second = self.second(now);
        second.in_flight = second.in_flight.max(in_flight);
    }

    /// So much of a processor this thread has used in about a second up to now.
    pub fn was_busy(&mut self, now: Nanos, share: f64) {
        let second = self.second(now.saturating_sub(NANOS_PER_S / 2));
        second.busiest = second.busiest.max(share);
    }

    /// An operation is over, with all its tries.
    pub const fn is_over(&mut self) {
        self.in_flight -= 1;
    }

    /// A try has ended.
    pub fn tried(&mut self, phase: usize, entry: &Entry, code: Option<&str>) {
        let corrected = entry.done.saturating_sub(entry.intended) / NANOS_PER_US;
        let service = entry.done.saturating_sub(entry.sent) / NANOS_PER_US;
        let cell = Cell { phase, operation: entry.operation, outcome: entry.outcome };
        let latencies = self
            .cells
            .entry(cell)
            .or_insert_with(|| Latencies { corrected: histogram(), service: histogram() });
        latencies.corrected.saturating_record(corrected);
        latencies.service.saturating_record(service);
        if let Some(code) = code {
            match self.codes.get_mut(code) {
                Some(count) => *count += 1,
                None => drop(self.codes.insert(code.to_owned(), 1)),
            }
        }
        if entry.outcome != Outcome::NotSent {
            self.second(entry.sent).started += 1;
        }
        let second = self.second(entry.done);
        *second.ended.entry(entry.outcome).or_default() += 1;
        if entry.outcome == Outcome::Acknowledged {
            put(&mut second.corrected, corrected);
            put(&mut second.service, service);
        }
        self.tell(entry.done);
    }

    /// Takes in what another thread measured.
    #[expect(clippy::missing_panics_doc, reason = "all histograms of a tally have the same bounds")]
    pub fn merge(&mut self, other: Self) {
        let bounds = "all have the same bounds";
        for (cell, latencies) in other.cells {
            match self.cells.get_mut(&cell) {
                Some(mine) => {
                    mine.corrected.add(&latencies.corrected).expect(bounds);
                    mine.service.add(&latencies.service).expect(bounds);
                }
                None => drop(self.cells.insert(cell, latencies)),
            }
        }
        self.reach(other.seconds.len());
        for (mine, other) in self.seconds.iter_mut().zip(&other.seconds) {
            mine.merge(other);
        }
        let its_own = other.lag_p99_us.max(other.lag.value_at_quantile(0.99));
        self.lag_p99_us = self.lag_p99_us.max(its_own);
        self.lag.add(&other.lag).expect(bounds);
        self.dropped += other.dropped;
        self.without_retry_after += other.without_retry_after;
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
    }

    /// Makes room for so many seconds.
    pub fn reach(&mut self, seconds: usize) {
        while self.seconds.len() < seconds {
            self.seconds.push(Second::quiet());
        }
    }

    fn second(&mut self, at: Nanos) -> &mut Second {
        let index = second_of(at);
        self.reach(index + 1);
        &mut self.seconds[index]
    }

    /// Hands on the seconds that are over. An onlooker that is slow misses some.
    fn tell(&mut self, now: Nanos) {
        let Some(onlooker) = &self.onlooker else { return };
        while self.told < second_of(now) {
            if let Some(seen) = self.seconds.get(self.told) {
                let seen = Box::new(seen.clone());
                let _missed = onlooker.try_send(Sight::Second { second: self.told, seen });
            }
            self.told += 1;
        }
    }
}

fn put(histogram: &mut Histogram<u64>, us: u64) {
    histogram.record(us.min(LONGEST_US)).expect("it grows up to there");
}

/// The second that a moment lies in.
#[must_use]
pub fn second_of(at: Nanos) -> usize {
    usize::try_from(at / NANOS_PER_S).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Operation;

    fn entry(intended: Nanos, sent: Nanos, done: Nanos, outcome: Outcome) -> Entry {
        Entry {
            op: 0,
            attempt: 0,
            session: 0,
            operation: Operation::Add,
            keyed: false,
            key: 0,
            other: 0,
            amount: 1,
            intended,
            sent,
            done,
            outcome,
            status: 200,
            sequence: 1,
            value: 1,
            repeated: false,
        }
    }

    #[test]
    fn latency_counts_from_the_plan_and_service_time_from_the_request() {
        let mut tally = Tally::new(vec![true], 0, None);
        tally.tried(0, &entry(1_000_000, 5_000_000, 9_000_000, Outcome::Acknowledged), None);
        let latencies = tally.cells.values().next().unwrap();
        assert_eq!(latencies.corrected.max() / 10, 800);
        assert_eq!(latencies.service.max() / 10, 400);
        assert_eq!(tally.seconds[0].corrected.max() / 100, 80);
        assert_eq!(tally.seconds[0].service.max() / 100, 40);
    }

    #[test]
    fn errors_keep_their_latency_and_what_was_never_sent_has_not_started() {
        let mut tally = Tally::new(vec![true], 0, None);
        tally.tried(0, &entry(0, 0, 7_000_000, Outcome::TimedOut), Some("timed_out"));
        tally.tried(0, &entry(0, 0, 7_000_000, Outcome::NotSent), None);
        assert_eq!(tally.cells.len(), 2);
        assert!(tally.cells.values().all(|one| one.corrected.len() == 1));
        assert_eq!((tally.seconds[0].started, tally.seconds[0].corrected.len()), (1, 0));
        assert_eq!(tally.codes["timed_out"], 1);
    }

    #[test]
    fn lag_counts_where_its_phase_does_and_stands_in_every_second() {
        let mut tally = Tally::new(vec![false, true], 0, None);
        for (phase, intended, now) in [(0, 0, 3_000_000), (1, 1_000_000_000, 1_002_000_000)] {
            tally.is_due(phase, intended, now);
            tally.begins(now);
        }
        assert_eq!((tally.lag.len(), tally.lag.max()), (1, 2_000));
        assert_eq!(tally.seconds.iter().map(|one| one.lag.len()).sum::<u64>(), 2);
        assert_eq!(tally.seconds[1].in_flight, 2);
        assert_eq!(tally.seconds[1].lag.max() / 100, 20);
    }

    #[test]
    fn an_onlooker_is_told_of_each_second_once_it_is_over_from_the_beginning_on() {
        let (onlooker, sights) = std::sync::mpsc::sync_channel(10);
        let second = NANOS_PER_S;
        let mut tally = Tally::new(vec![true], 3 * second, Some(onlooker));
        for at in [3 * second, 3 * second + 5, 6 * second] {
            tally.tried(0, &entry(at, at, at, Outcome::Acknowledged), None);
        }
        drop(tally);
        let told = sights.iter().map(|sight| match sight {
            Sight::Second { second, seen } => (second, seen.ended.values().sum()),
            other => panic!("{other:?}"),
        });
        let told: Vec<(usize, u64)> = told.collect();
        assert_eq!(told, [(3, 2), (4, 0), (5, 0)]);
    }

    #[test]
    fn threads_add_up() {
        let one = |at: Nanos| {
            let mut tally = Tally::new(vec![true], 0, None);
            tally.comes_up(at);
            tally.is_due(0, at, at + at / 1_000);
            tally.begins(at);
            tally.tried(0, &entry(at, at, at + 1_000, Outcome::Acknowledged), Some("a"));
            tally.is_dropped(at);
            tally
        };
        let mut tally = one(0);
        tally.merge(one(2_500_000_000));
        assert_eq!(tally.cells.values().next().unwrap().service.len(), 2);
        assert_eq!((tally.seconds.len(), tally.dropped, tally.codes["a"]), (3, 2, 2));
        assert_eq!(tally.seconds[2].dropped, 1);
        // One of two is half of all, and would be one in a hundred among a hundred.
        assert_eq!((tally.lag.value_at_quantile(0.5), tally.lag_p99_us / 10), (0, 250));
    }
}
