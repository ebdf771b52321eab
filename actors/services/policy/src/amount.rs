//! Amounts as people write them, and as they are compared: whole numbers of a minor unit.
//!
//! **Invariant:** for every amount that fits 64 bits, `amount <= minor_floor(scale)` exactly where
//! the amount of that scale is at most the decimal.

/// The most decimal places that a unit may have; Ethereum's wei has them all.
pub(crate) const SCALE_MAX: u8 = 18;

/// Digits of a decimal: with 18 more places it still fits 128 bits.
const DIGITS_MAX: usize = 19;

/// A decimal number that isn't negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    digits: i128,
    places: u32,
}

impl Decimal {
    /// Reads `1000` or `1000.0`; nothing else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (text, ""),
        };
        let digits = [whole, fraction].concat();
        let is_short = !whole.is_empty() && digits.len() <= DIGITS_MAX;
        if !is_short || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let places = u32::try_from(fraction.len()).ok()?;
        Some(Self { digits: digits.parse().ok()?, places })
    }

    /// The largest whole number of minor units that isn't more.
    pub(crate) fn minor_floor(self, scale: u8) -> i64 {
        let minor = self.digits * 10_i128.pow(scale.into()) / 10_i128.pow(self.places);
        i64::try_from(minor).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_become_minor_units_of_any_scale() {
        let minor = |text: &str, scale| Decimal::parse(text).unwrap().minor_floor(scale);
        assert_eq!(minor("1000.0", 2), 100_000);
        assert_eq!(minor("1000", 0), 1_000);
        assert_eq!(minor("0.019", 2), 1);
        assert_eq!(minor("1000.0", 9), 1_000_000_000_000);
        assert_eq!(minor("1000.0", 18), i64::MAX, "more than any amount");
        assert_eq!(minor("9999999999999999999", 18), i64::MAX);
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", " 1", "1,0", "1.0.0", "x", "\u{661}"] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
        assert_eq!(Decimal::parse(&"1".repeat(DIGITS_MAX + 1)), None);
    }

    proptest! {
        /// Compared across scales by multiplying both out, which 128 bits have room for.
        #[test]
        fn an_amount_is_within_exactly_where_it_is_no_more(
            whole in 0_u64..10_000_000,
            fraction in "[0-9]{1,6}",
            scale in 0..=SCALE_MAX,
            near in -3_i64..=3,
        ) {
            let decimal = Decimal::parse(&format!("{whole}.{fraction}")).unwrap();
            let floor = decimal.minor_floor(scale);
            let amount = floor.saturating_add(near);
            let left = i128::from(amount) * 10_i128.pow(decimal.places);
            let right = decimal.digits * 10_i128.pow(scale.into());
            prop_assert_eq!(amount <= floor, left <= right);
        }
    }
}
