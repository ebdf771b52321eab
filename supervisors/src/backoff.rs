//! How long to wait before a restart.
//!
//! **Invariant:** no randomness of its own. Jitter is drawn from a seed that the caller hands in, so
//! that a simulation sees the same delays each time.

use std::time::Duration;

/// Exponential delay before a restart: `initial * factor^n`, at most `max`, less some jitter.
///
/// The default is OTP's: no delay at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first restart.
    pub initial: Duration,
    /// Never more than this, jitter included.
    pub max: Duration,
    /// What each further delay is multiplied with.
    pub factor: u32,
    /// Up to how much of the delay is cut off at random, so that children that fell together don't
    /// come back together.
    pub jitter_percent: u8,
    /// An incarnation that was up for so long was healthy: the delay begins at `initial` again.
    pub reset_after: Duration,
}

impl Backoff {
    /// Restart at once.
    pub const NONE: Self = Self {
        initial: Duration::ZERO,
        max: Duration::ZERO,
        factor: 1,
        jitter_percent: 0,
        reset_after: Duration::from_secs(60),
    };

    /// From `initial` doubling up to `max`, a fifth of it jitter, forgotten after a minute of
    /// health.
    #[must_use]
    pub const fn exponential(initial: Duration, max: Duration) -> Self {
        Self { initial, max, factor: 2, jitter_percent: 20, reset_after: Duration::from_secs(60) }
    }

    /// The delay before the restart that follows `earlier` restarts without health in between.
    #[must_use]
    pub fn delay(&self, earlier: u32, jitter: &mut Jitter) -> Duration {
        let grown = u64::from(self.factor).saturating_pow(earlier);
        let grown = u32::try_from(grown).unwrap_or(u32::MAX);
        let delay = self.initial.saturating_mul(grown).min(self.max);
        if delay.is_zero() || self.jitter_percent == 0 {
            return delay;
        }
        let per_mille_max = u32::from(self.jitter_percent) * 10;
        let per_mille = jitter.up_to(per_mille_max);
        delay.saturating_sub(delay / 1_000 * per_mille)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::NONE
    }
}

/// Random numbers from a seed: splitmix64, which is enough to spread restarts and nothing else.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// The same seed gives the same numbers.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Of one supervisor among many, so that two under one seed don't move in step.
    pub(crate) fn of(seed: u64, path: &str) -> Self {
        // FNV-1a: std's hasher is seeded anew in each process.
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(seed ^ path.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn up_to(&mut self, max: u32) -> u32 {
        let drawn = self.draw() % (u64::from(max) + 1);
        u32::try_from(drawn).unwrap_or(max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn delays_double_up_to_the_most() {
        let backoff =
            Backoff { jitter_percent: 0, ..Backoff::exponential(MS(100), Duration::from_secs(1)) };
        let mut jitter = Jitter::seeded(1);
        let delays = [0, 1, 2, 3, 4, 40, u32::MAX].map(|n| backoff.delay(n, &mut jitter));
        assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000, 1_000].map(MS));
        assert_eq!(Backoff::NONE.delay(9, &mut jitter), Duration::ZERO);
    }

    #[test]
    fn jitter_only_shortens_and_stays_within_its_share() {
        let backoff = Backoff::exponential(MS(1_000), MS(1_000));
        let mut jitter = Jitter::seeded(7);
        let delays: Vec<_> = (0..1_000).map(|n| backoff.delay(n, &mut jitter)).collect();
        assert!(delays.iter().all(|delay| (MS(800)..=MS(1_000)).contains(delay)));
        assert!(delays.iter().any(|delay| *delay < MS(820)));
        assert!(delays.iter().any(|delay| *delay > MS(980)));
    }

    #[test]
    fn a_seed_and_a_path_say_what_comes() {
        let draws = |seed, path| {
            let mut jitter = Jitter::of(seed, path);
            [jitter.draw(), jitter.draw()]
        };
        assert_eq!(draws(1, "a"), draws(1, "a"));
        assert_ne!(draws(1, "a"), draws(2, "a"));
        assert_ne!(draws(1, "a"), draws(1, "b"));
    }
}
