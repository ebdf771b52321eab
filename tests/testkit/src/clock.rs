//! A clock that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use coppice_core::Timestamp;
use coppice_runtime::Clock;
use tokio::time::Instant;

/// A clock that stands still until it is told otherwise. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    micros: Arc<AtomicI64>,
    /// Where the clock also follows tokio's time: when it was at its start.
    follows: Option<Instant>,
}

impl VirtualClock {
    /// A clock that stands at a time.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { micros: Arc::new(AtomicI64::new(start.as_micros())), follows: None }
    }

    /// A clock that runs with tokio's time, so that paused time which moves on its own moves the
    /// time of day along; jumps come on top.
    #[must_use]
    pub fn following_tokio(start: Timestamp) -> Self {
        Self { follows: Some(Instant::now()), ..Self::at(start) }
    }

    /// Jumps to a time, forwards or backwards.
    pub fn set(&self, to: Timestamp) {
        let elapsed = self.elapsed_micros();
        self.micros.store(to.as_micros().saturating_sub(elapsed), Ordering::SeqCst);
    }

    /// Jumps forwards.
    pub fn advance(&self, by: Duration) {
        self.micros.fetch_add(micros(by), Ordering::SeqCst);
    }

    /// Jumps backwards, as a machine's clock may.
    pub fn jump_back(&self, by: Duration) {
        self.micros.fetch_sub(micros(by), Ordering::SeqCst);
    }

    fn elapsed_micros(&self) -> i64 {
        self.follows.map_or(0, |since| micros(since.elapsed()))
    }
}

impl Default for VirtualClock {
    /// Stands at 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_micros(1_767_225_600_000_000))
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let base = Timestamp::from_micros(self.micros.load(Ordering::SeqCst));
        base.saturating_add_micros(self.elapsed_micros())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_clock_and_it_moves_both_ways() {
        let clock = VirtualClock::at(Timestamp::from_micros(100));
        let other = clock.clone();
        clock.advance(Duration::from_micros(50));
        assert_eq!(other.now().as_micros(), 150);
        other.jump_back(Duration::from_micros(120));
        assert_eq!(clock.now().as_micros(), 30);
        clock.set(Timestamp::from_micros(7));
        assert_eq!(other.now().as_micros(), 7);
    }

    #[test]
    fn a_following_clock_never_stands_before_what_it_was_set_to() {
        let clock = VirtualClock::following_tokio(Timestamp::from_micros(0));
        clock.set(Timestamp::from_micros(1_000_000));
        assert!(clock.now().as_micros() >= 1_000_000);
    }
}
