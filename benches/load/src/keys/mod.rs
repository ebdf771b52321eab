//! Which entity an operation goes to.

mod zipf;

use crate::chance::Chance;
use crate::scenario::Keys;

use zipf::Zipf;

/// Draws keys.
#[derive(Debug, Clone)]
pub enum Drawer {
    /// Each as likely as the next.
    Uniform(u64),
    /// By rank.
    Zipfian(Zipf),
    /// The first few get a share.
    HotK {
        /// In all.
        count: u64,
        /// The few.
        hot: u64,
        /// Their share.
        share: f64,
    },
}

impl Drawer {
    /// For a scenario's keys.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        match keys {
            Keys::Uniform { count } => Self::Uniform(count),
            Keys::Zipfian { count, theta } => Self::Zipfian(Zipf::new(count, theta)),
            Keys::HotK { count, hot, hot_share } => Self::HotK { count, hot, share: hot_share },
        }
    }

    /// The next, from 0.
    pub fn draw(&self, chance: &mut Chance) -> u64 {
        match self {
            Self::Uniform(count) => chance.below(*count),
            Self::Zipfian(zipf) => zipf.draw(chance) - 1,
            Self::HotK { count, hot, share } => {
                if chance.unit() < *share {
                    chance.below(*hot)
                } else {
                    hot + chance.below(count - hot)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(keys: Keys, draws: u32) -> Vec<f64> {
        let (drawer, mut chance) = (Drawer::new(keys), Chance::of(11, 12));
        let mut counts = vec![0.0; usize::try_from(keys.count()).unwrap()];
        for _ in 0..draws {
            counts[usize::try_from(drawer.draw(&mut chance)).unwrap()] += 1.0;
        }
        counts
    }

    /// The sum of squared deviations in units of their expectation (Pearson).
    fn chi_squared(counts: &[f64], expected: impl Fn(usize) -> f64) -> f64 {
        counts.iter().enumerate().map(|(at, n)| (n - expected(at)).powi(2) / expected(at)).sum()
    }

    /// So many that leaving the rejection out, which is wrong by 2 % at the second key, shows.
    const DRAWS: u32 = 2_000_000;

    #[test]
    fn zipfian_keys_are_distributed_as_the_law_says() {
        for theta in [0.5, 0.99, 1.0, 1.5] {
            let counts = counts(Keys::Zipfian { count: 100, theta }, DRAWS);
            let weight = |at: usize| (at as f64 + 1.0).powf(-theta);
            let sum: f64 = (0..100).map(weight).sum();
            let chi = chi_squared(&counts, |at| f64::from(DRAWS) * weight(at) / sum);
            // With 99 degrees of freedom one in a thousand is above 149.
            assert!(chi < 149.0, "theta {theta}: {chi}");
        }
    }

    #[test]
    fn uniform_keys_are_even() {
        let counts = counts(Keys::Uniform { count: 100 }, 100_000);
        let chi = chi_squared(&counts, |_| 1_000.0);
        assert!(chi < 149.0, "{chi}");
    }

    #[test]
    fn the_hot_few_get_their_share() {
        let counts = counts(Keys::HotK { count: 100, hot: 2, hot_share: 0.8 }, 100_000);
        let hot: f64 = counts[..2].iter().sum();
        assert!((hot / 100_000.0 - 0.8).abs() < 0.01, "{hot}");
        assert!(counts.iter().all(|count| *count > 0.0));
    }

    #[test]
    fn a_single_key_is_drawn_by_every_law() {
        assert_eq!(counts(Keys::Zipfian { count: 1, theta: 0.99 }, 10), [10.0]);
        assert_eq!(counts(Keys::Uniform { count: 1 }, 10), [10.0]);
    }
}
