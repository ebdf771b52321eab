//! Counts of values by size, to be read while they grow.
//!
//! **Invariants:** a value is counted in one bucket with two additions and no lock; counts only
//! grow. A reader that comes in between may see a value counted and not yet summed up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bounds for durations, in microseconds: from what a lookup takes to the longest that anybody
/// waits, each about twice the one before.
pub const MICROSECONDS: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// Bounds for the size of batches.
pub const TICKETS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// Values by size.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than bounds: the last is for what exceeds them all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Upper bounds, inclusive, with how many values there are up to each and above the one before.
    pub buckets: Vec<(u64, u64)>,
    /// Values above all bounds.
    pub above: u64,
    /// All values together.
    pub sum: u64,
}

impl Histogram {
    /// With these upper bounds, in ascending order.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn count(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a duration, in microseconds.
    pub fn time(&self, duration: Duration) {
        self.count(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted so far.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let mut counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets = self.bounds.iter().copied().zip(counts.by_ref()).collect();
        let above = counts.next().unwrap_or_default();
        Counted { buckets, above, sum: self.sum.load(Ordering::Relaxed) }
    }
}

impl Counted {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[1, 10]);
        [0, 1, 2, 10, 11, 1_000].into_iter().for_each(|value| histogram.count(value));
        let counted = histogram.counted();
        assert_eq!(counted.buckets, [(1, 2), (10, 2)]);
        assert_eq!((counted.above, counted.sum, counted.count()), (2, 1_024, 6));
    }
}
