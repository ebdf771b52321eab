//! Restart intensity: how many restarts within a period are too many.
//!
//! **Invariant:** pure. Time comes in as the `now` of each call, counted from any fixed point, so
//! the window is the same in production, under paused time and in a property test.
//!
//! As in OTP, a restart that is exactly one period old still counts, and the limit is passed by
//! *more than* `intensity` restarts: with intensity 1 the second one within the period is too much,
//! with intensity 0 the first.

use std::collections::VecDeque;
use std::time::Duration;

/// How many restarts within which period a supervisor puts up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts within the period that are still put up with.
    pub restarts: u32,
    /// The length of the window.
    pub period: Duration,
}

impl Default for Intensity {
    /// OTP's: one restart in 5 seconds.
    fn default() -> Self {
        Self { restarts: 1, period: Duration::from_secs(5) }
    }
}

/// The restarts of a supervisor that still count, each with whom it was for.
#[derive(Debug)]
pub struct Window<K> {
    intensity: Intensity,
    /// Oldest first; never more than one above the intensity.
    restarts: VecDeque<(Duration, K)>,
}

impl<K: PartialEq> Window<K> {
    /// An empty window.
    #[must_use]
    pub fn new(intensity: Intensity) -> Self {
        Self { intensity, restarts: VecDeque::new() }
    }

    /// Counts a restart at `now`, which must not run backwards. Whether it may happen: false once
    /// there are more than the intensity within the period.
    pub fn admit(&mut self, now: Duration, whom: K) -> bool {
        let expired = |at: Duration| now.saturating_sub(at) > self.intensity.period;
        while self.restarts.front().is_some_and(|(at, _)| expired(*at)) {
            self.restarts.pop_front();
        }
        let restarts_max = usize::try_from(self.intensity.restarts).unwrap_or(usize::MAX);
        if self.restarts.len() > restarts_max {
            self.restarts.pop_front();
        }
        self.restarts.push_back((now, whom));
        self.restarts.len() <= restarts_max
    }

    /// How many restarts count at `now`.
    #[must_use]
    pub fn count(&self, now: Duration) -> usize {
        self.counting(now).count()
    }

    /// How many of them were for this one.
    #[must_use]
    pub fn count_of(&self, now: Duration, whom: &K) -> usize {
        self.counting(now).filter(|(_, other)| other == whom).count()
    }

    fn counting(&self, now: Duration) -> impl Iterator<Item = &(Duration, K)> {
        let period = self.intensity.period;
        self.restarts.iter().filter(move |(at, _)| now.saturating_sub(*at) <= period)
    }
}
