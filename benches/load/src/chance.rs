//! Chance that is a function of a seed and a number, so that a run can be had again.

/// SplitMix64 (Steele, Lea and Flood 2014): small, fast, and good from any state, so that every
/// operation may begin a stream of its own.
#[derive(Debug, Clone)]
pub struct Chance(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Chance {
    /// The stream of one number under a seed; that of another number has nothing to do with it.
    #[must_use]
    pub const fn of(seed: u64, number: u64) -> Self {
        Self(mixed(seed.wrapping_add(GOLDEN)) ^ mixed(number.wrapping_mul(GOLDEN) ^ GOLDEN))
    }

    /// 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mixed(self.0)
    }

    /// From 0 to 1, without the latter.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
    pub const fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below a bound, each as likely as the next but for one in 2^64.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.bits() as u128 * bound as u128) >> 64) as u64
    }

    /// From the first to the last, both included.
    pub const fn between(&mut self, first: i64, last: i64) -> i64 {
        let span = last.abs_diff(first);
        let chosen = if span == u64::MAX { self.bits() } else { self.below(span + 1) };
        first.wrapping_add_unsigned(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_stream_and_another_number_another() {
        let first = |seed, number| Chance::of(seed, number).bits();
        assert_eq!(first(1, 2), first(1, 2));
        let all: std::collections::HashSet<u64> =
            (0..100).flat_map(|seed| (0..100).map(move |number| first(seed, number))).collect();
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn ranges_are_kept_and_filled() {
        let mut chance = Chance::of(3, 4);
        let drawn: Vec<i64> = (0..1_000).map(|_| chance.between(-2, 3)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&-2), Some(&3)));
        let mean = (0..10_000).map(|_| chance.unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert_eq!(chance.between(i64::MAX, i64::MAX), i64::MAX);
    }
}
