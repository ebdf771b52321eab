//! Amounts: whole numbers of minor units, and the decimal text that people write.

use serde::Serialize;
use thiserror::Error;

/// Something that amounts are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Asset {
    /// Its code, such as `ETH`.
    pub asset: &'static str,
    /// Decimal places of its minor unit.
    pub scale: u8,
}

impl Asset {
    /// Ether in gwei. Its smallest unit has 18 places; with nine a whole number of JSON holds all the
    /// ether there is, and what is finer than that is refused.
    pub const ETH: Self = Self { asset: "ETH", scale: 9 };

    /// The asset of a code, where it is known.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        (code == Self::ETH.asset).then_some(Self::ETH)
    }
}

/// An amount, never below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Minor units.
    pub minor: i64,
    /// Of what.
    pub asset: Asset,
}

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AmountError {
    /// It is no decimal number, or has a sign or an exponent.
    #[error("an amount is decimal digits, such as \"12.5\"")]
    Malformed,
    /// It has more decimal places than the asset.
    #[error("the amount has more decimal places than the asset's {0}")]
    TooFine(u8),
    /// It is more than there can be.
    #[error("the amount is too large")]
    TooLarge,
}

impl Amount {
    /// Reads decimal text.
    ///
    /// # Errors
    /// [`AmountError`]; nothing is rounded.
    pub fn parse(text: &str, asset: Asset) -> Result<Self, AmountError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(AmountError::Malformed);
        }
        let fraction = fraction.trim_end_matches('0');
        let scale = usize::from(asset.scale);
        if fraction.len() > scale {
            return Err(AmountError::TooFine(asset.scale));
        }
        let padded = format!("{whole}{fraction:0<scale$}");
        let minor = padded.parse().map_err(|_| AmountError::TooLarge)?;
        Ok(Self { minor, asset })
    }

    /// As decimal text, without zeroes that say nothing.
    #[must_use]
    pub fn text(self) -> String {
        let scale = usize::from(self.asset.scale);
        let digits = format!("{:0>width$}", self.minor, width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minor(text: &str) -> Result<i64, AmountError> {
        Amount::parse(text, Asset::ETH).map(|amount| amount.minor)
    }

    #[test]
    fn decimal_text_is_minor_units() {
        for (text, expected) in [
            ("0", 0),
            ("1000.0", 1_000_000_000_000),
            ("1", 1_000_000_000),
            ("0.000000001", 1),
            ("00012.50", 12_500_000_000),
            ("9223372036.854775807", i64::MAX),
        ] {
            assert_eq!(minor(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_and_nothing_is_rounded() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", " 1", "0x1", "NaN", "1.2.3"] {
            assert_eq!(minor(text), Err(AmountError::Malformed), "{text:?}");
        }
        assert_eq!(minor("0.0000000001"), Err(AmountError::TooFine(9)));
        assert_eq!(minor("9223372036.854775808"), Err(AmountError::TooLarge));
        assert_eq!(minor(&"9".repeat(1_000)), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn every_amount_comes_back_from_its_text(minor in 0..=i64::MAX, scale in 0..19_u8) {
            let amount = Amount { minor, asset: Asset { asset: "X", scale } };
            prop_assert_eq!(Amount::parse(&amount.text(), amount.asset), Ok(amount));
        }
    }
}
