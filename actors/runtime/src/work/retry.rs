//! Every retry policy of the runtime, by name. Nothing else loops over attempts.
//!
//! A wait is drawn between half of its nominal length and the whole, so that what failed together
//! doesn't come back together; the nominal length doubles from `first` up to `longest`.

use std::time::Duration;

use coppice_supervisors::backoff;
use parking_lot::Mutex;

/// When to try again, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// What it is called in logs and settings.
    pub name: &'static str,
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// Tries in all; `None` goes on for ever.
    pub attempts: Option<u32>,
}

impl RetryPolicy {
    /// Calls to the outside: 1 to 10 s, three tries.
    pub const TRANSIENT: Self = Self {
        name: "transient",
        first: Duration::from_secs(1),
        longest: Duration::from_secs(10),
        attempts: Some(3),
    };
    /// A database that refuses to start or answer: 2 to 30 s, five tries.
    pub const DATABASE: Self = Self {
        name: "database",
        first: Duration::from_secs(2),
        longest: Duration::from_secs(30),
        attempts: Some(5),
    };
    /// Publishing to a bus: every 0.5 s, 5 s in all.
    pub const PUBLISH: Self = Self {
        name: "publish",
        first: Duration::from_millis(500),
        longest: Duration::from_millis(500),
        attempts: Some(10),
    };
    /// Writing the log's checkpoint to a public place: 1, 2, 4 s.
    pub const ANCHOR: Self = Self {
        name: "anchor",
        first: Duration::from_secs(1),
        longest: Duration::from_secs(4),
        attempts: Some(3),
    };
    /// A connection that the node can't be without: every 2 s, for ever. The one policy without
    /// bounds; whoever uses it shows in the node's health.
    pub const RECONNECT: Self = Self {
        name: "reconnect",
        first: Duration::from_secs(2),
        longest: Duration::from_secs(2),
        attempts: None,
    };
    /// What the node delivers to its own entities: 10 ms to 1 s, for ever, since the entity stays
    /// where it is; the store's absence shows in the node's health.
    pub const DELIVERY: Self = Self {
        name: "delivery",
        first: Duration::from_millis(10),
        longest: Duration::from_secs(1),
        attempts: None,
    };

    /// How long to wait after `tries` tries; `None` where that was the last.
    #[must_use]
    pub fn wait(&self, tries: u32, jitter: &Jitter) -> Option<Duration> {
        if self.attempts.is_some_and(|attempts| tries >= attempts) {
            return None;
        }
        let doublings = tries.saturating_sub(1).min(31);
        let nominal = self.first.saturating_mul(1 << doublings).min(self.longest);
        Some(jitter.within(nominal))
    }
}

/// Where waits get their spread from. Seeded, so that a simulation repeats.
#[derive(Debug)]
pub struct Jitter(Mutex<backoff::Jitter>);

impl Jitter {
    /// A source that repeats by its seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(Mutex::new(backoff::Jitter::seeded(seed)))
    }

    /// Between half of a length and the whole.
    fn within(&self, nominal: Duration) -> Duration {
        let half = nominal / 2;
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX - 1);
        half + Duration::from_micros(self.0.lock().draw() % (micros + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_attempts() {
        let jitter = Jitter::seeded(7);
        let policy = RetryPolicy { attempts: Some(6), ..RetryPolicy::TRANSIENT };
        let nominal = [1, 2, 4, 8, 10].map(Duration::from_secs);
        for (tries, nominal) in (1..).zip(nominal) {
            for _ in 0..100 {
                let wait = policy.wait(tries, &jitter).unwrap();
                assert!(wait >= nominal / 2 && wait <= nominal, "{wait:?} after {tries}");
            }
        }
        assert_eq!(policy.wait(6, &jitter), None);
        assert_eq!(policy.wait(u32::MAX, &jitter), None);
        assert!(RetryPolicy::RECONNECT.wait(u32::MAX, &jitter).is_some());
    }

    #[test]
    fn a_seed_repeats_its_waits() {
        let waits = |seed| {
            let jitter = Jitter::seeded(seed);
            [1, 2, 3].map(|tries| RetryPolicy::DELIVERY.wait(tries, &jitter))
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
