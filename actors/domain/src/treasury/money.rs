//! Amounts and assets.
//!
//! **Invariants:** an amount is a whole number of minor units within [`Amount::MAX`] on both sides
//! of zero; sums that would leave that are `None` and never wrap; decimals are exact or refused.

use std::fmt;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A number of minor units; negative where money is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

/// What is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidAmount {
    /// The text isn't a number as it is written here.
    #[error("an amount is a whole number of minor units, such as 1250 or \"1250\"")]
    Text,
    /// The decimal has more places than the asset.
    #[error("the amount has more decimal places than the asset")]
    TooFine,
    /// It is larger than any amount may be.
    #[error("the amount is too large")]
    TooLarge,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that a balance may be, and the least on the other side: 36 digits.
    pub const MAX: Self = Self(1_000_000_000_000_000_000_000_000_000_000_000_000);
    /// The most that is moved, held or set as a ceiling at once: a thousand million of an asset with
    /// 18 places, and so far below [`Amount::MAX`] that sums of them stay within it.
    pub const MOVED_MAX: Self = Self(1_000_000_000_000_000_000_000_000_000);

    /// So many minor units.
    ///
    /// # Errors
    /// [`InvalidAmount::TooLarge`].
    pub const fn new(units: i128) -> Result<Self, InvalidAmount> {
        if units > Self::MAX.0 || units < -Self::MAX.0 {
            return Err(InvalidAmount::TooLarge);
        }
        Ok(Self(units))
    }

    /// So many minor units, of which any 64-bit number is an amount.
    #[must_use]
    pub const fn of(units: u64) -> Self {
        // Lossless, and conversions by trait are not const.
        Self(units as i128)
    }

    /// The number of minor units.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// The sum, where it is an amount.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(|sum| Self::new(sum).ok())
    }

    /// The difference, where it is an amount.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        self.plus(other.negated())
    }

    /// The sum, held at the ends of the range: for `evolve`, where what is recorded has been
    /// checked.
    #[must_use]
    pub fn held_plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).clamp(-Self::MAX.0, Self::MAX.0))
    }

    /// The difference, held at the ends of the range.
    #[must_use]
    pub fn held_minus(self, other: Self) -> Self {
        self.held_plus(other.negated())
    }

    /// The same on the other side of zero.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(-self.0)
    }

    /// Whether it may be moved or held: more than nothing, and at most [`Amount::MOVED_MAX`].
    #[must_use]
    pub fn is_movable(self) -> bool {
        self > Self::ZERO && self <= Self::MOVED_MAX
    }

    fn read(text: &str) -> Result<Self, InvalidAmount> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'))
            && text != "-0";
        if !plain {
            return Err(InvalidAmount::Text);
        }
        let units: i128 = text.parse().map_err(|_| InvalidAmount::TooLarge)?;
        Self::new(units)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for Amount {
    fn from(units: u32) -> Self {
        Self::of(u64::from(units))
    }
}

/// Text where it may be read by somebody else: a JSON number beyond 2^53 is another number to half
/// of all readers.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i128(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(TextOrNumber)
        } else {
            Self::new(i128::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

struct TextOrNumber;

impl Visitor<'_> for TextOrNumber {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of minor units, or its digits as text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
        Amount::read(text).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, units: i64) -> Result<Amount, E> {
        Amount::new(i128::from(units)).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, units: u64) -> Result<Amount, E> {
        Amount::new(i128::from(units)).map_err(E::custom)
    }
}

/// What amounts are of: a code, and how many decimal places the minor unit stands below the whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Asset {
    code: Box<str>,
    scale: u8,
}

/// What is no asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an asset is 1 to 10 of A-Z and 0-9, a slash and its decimal places, 0 to 18: USD/2")]
pub struct InvalidAsset;

/// Codes that are understood without their scale: those of ISO 4217 and of chains that are met most.
const USUAL: [(&str, u8); 12] = [
    ("USD", 2),
    ("EUR", 2),
    ("GBP", 2),
    ("CHF", 2),
    ("CAD", 2),
    ("AUD", 2),
    ("CNY", 2),
    ("INR", 2),
    ("JPY", 0),
    ("KRW", 0),
    ("BTC", 8),
    ("ETH", 18),
];

impl Asset {
    /// The most decimal places: those of most currencies on chains.
    pub const SCALE_MAX: u8 = 18;

    /// Reads `USD/2`.
    ///
    /// # Errors
    /// [`InvalidAsset`].
    pub fn new(text: &str) -> Result<Self, InvalidAsset> {
        let (code, scale) = text.split_once('/').ok_or(InvalidAsset)?;
        Self::of(code, scale)
    }

    /// Reads it as people write it: a code by itself means its usual scale, where it is a usual one.
    ///
    /// # Errors
    /// [`InvalidAsset`].
    pub fn named(text: &str) -> Result<Self, InvalidAsset> {
        if text.contains('/') {
            return Self::new(text);
        }
        let usual = USUAL.iter().find(|(code, _)| *code == text);
        usual.map(|(code, scale)| Self { code: (*code).into(), scale: *scale }).ok_or(InvalidAsset)
    }

    /// Reads it as it stands in ids, where a slash can't: `USD.2`.
    ///
    /// # Errors
    /// [`InvalidAsset`].
    pub fn of_id(text: &str) -> Result<Self, InvalidAsset> {
        let (code, scale) = text.split_once('.').ok_or(InvalidAsset)?;
        Self::of(code, scale)
    }

    fn of(code: &str, scale: &str) -> Result<Self, InvalidAsset> {
        let is_code = (1..=10).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let number: u8 = scale.parse().map_err(|_| InvalidAsset)?;
        if !is_code || number > Self::SCALE_MAX || number.to_string() != scale {
            return Err(InvalidAsset);
        }
        Ok(Self { code: code.into(), scale: number })
    }

    /// The code, such as `USD`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// How many decimal places the minor unit stands below the whole.
    #[must_use]
    pub const fn scale(&self) -> u8 {
        self.scale
    }

    /// As it stands in ids.
    #[must_use]
    pub fn in_id(&self) -> String {
        format!("{}.{}", self.code, self.scale)
    }

    /// The exact decimal of an amount, with all of the asset's places: `12.50`.
    #[must_use]
    pub fn decimal(&self, amount: Amount) -> String {
        let (units, places) = (amount.units(), usize::from(self.scale));
        let sign = if units < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
        let (whole, parts) = digits.split_at(digits.len() - places);
        if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{parts}") }
    }

    /// Reads a decimal exactly: `12.5` is 1,250 of `USD/2`.
    ///
    /// # Errors
    /// [`InvalidAmount`]; it is never rounded.
    pub fn parse_decimal(&self, text: &str) -> Result<Amount, InvalidAmount> {
        let (whole, parts) = text.split_once('.').unwrap_or((text, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let dotted = text.contains('.');
        if digits.is_empty()
            || !is_digits(digits)
            || !is_digits(parts)
            || dotted == parts.is_empty()
        {
            return Err(InvalidAmount::Text);
        }
        let places = usize::from(self.scale);
        let significant = parts.trim_end_matches('0');
        if significant.len() > places {
            return Err(InvalidAmount::TooFine);
        }
        let units: i128 = format!("{whole}{significant:0<places$}")
            .parse()
            .map_err(|_| InvalidAmount::TooLarge)?;
        Amount::new(units)
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.code, self.scale)
    }
}

impl TryFrom<String> for Asset {
    type Error = InvalidAsset;

    fn try_from(text: String) -> Result<Self, InvalidAsset> {
        Self::new(&text)
    }
}

impl From<Asset> for String {
    fn from(asset: Asset) -> Self {
        asset.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asset(text: &str) -> Asset {
        Asset::new(text).unwrap()
    }

    #[test]
    fn an_amount_reads_from_numbers_and_plain_digits_only() {
        for (json, units) in [
            ("0", 0),
            ("\"0\"", 0),
            ("-7", -7),
            ("\"-7\"", -7),
            ("18446744073709551615", u64::MAX.into()),
        ] {
            assert_eq!(serde_json::from_str::<Amount>(json).unwrap().units(), units, "{json}");
        }
        for json in
            ["1.0", "1e3", "\"\"", "\"01\"", "\"-0\"", "\"+1\"", "\" 1\"", "\"1.0\"", "null"]
        {
            assert!(serde_json::from_str::<Amount>(json).is_err(), "{json}");
        }
        let largest = format!("\"{}\"", Amount::MAX);
        assert_eq!(serde_json::from_str::<Amount>(&largest).unwrap(), Amount::MAX);
        assert!(serde_json::from_str::<Amount>(&format!("\"{}0\"", Amount::MAX)).is_err());
        let endless = format!("\"{}\"", "9".repeat(80));
        assert!(serde_json::from_str::<Amount>(&endless).is_err());
    }

    #[test]
    fn sums_end_where_amounts_do() {
        let one = Amount::of(1);
        assert_eq!(Amount::MAX.plus(one), None);
        assert_eq!(Amount::MAX.negated().minus(one), None);
        assert_eq!(Amount::MAX.minus(one).unwrap().plus(one), Some(Amount::MAX));
        assert_eq!(Amount::MAX.held_plus(one), Amount::MAX);
        assert!(!Amount::ZERO.is_movable());
        assert!(Amount::MOVED_MAX.is_movable());
        assert!(!Amount::MOVED_MAX.plus(one).unwrap().is_movable());
    }

    #[test]
    fn an_asset_has_a_code_and_a_scale() {
        assert_eq!((asset("USD/2").code(), asset("USD/2").scale()), ("USD", 2));
        assert_eq!(asset("ETH/18").in_id(), "ETH.18");
        assert_eq!(Asset::of_id("ETH.18").unwrap(), asset("ETH/18"));
        for text in
            ["", "USD", "usd/2", "USD/", "USD/02", "USD/19", "USD/-1", "/2", "US D/2", "USD/2/2"]
        {
            assert_eq!(Asset::new(text), Err(InvalidAsset), "{text:?}");
        }
        assert!(Asset::new("ABCDEFGHIJK/2").is_err(), "eleven letters");
        assert_eq!(Asset::named("USD").unwrap(), asset("USD/2"));
        assert_eq!(Asset::named("USD/4").unwrap(), asset("USD/4"));
        for text in ["XYZ", "usd", "", "USD/"] {
            assert_eq!(Asset::named(text), Err(InvalidAsset), "{text:?}");
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        let usd = asset("USD/2");
        for (text, units) in
            [("12.5", 1250), ("12.50", 1250), ("12.500", 1250), ("0.01", 1), ("-3", -300)]
        {
            assert_eq!(usd.parse_decimal(text).unwrap().units(), units, "{text}");
        }
        assert_eq!(usd.parse_decimal("0.001"), Err(InvalidAmount::TooFine));
        for text in ["", ".", "1.", ".5", "1,0", "+1", "--1", "1.-5", "1e2"] {
            assert_eq!(usd.parse_decimal(text), Err(InvalidAmount::Text), "{text:?}");
        }
        let wei = asset("ETH/18").parse_decimal("1000.0").unwrap();
        assert_eq!(wei.to_string(), "1000000000000000000000");
        assert_eq!(asset("ETH/18").decimal(wei), "1000.000000000000000000");
        assert_eq!(usd.decimal(Amount::of(5).negated()), "-0.05");
        assert_eq!(asset("JPY/0").decimal(Amount::of(5)), "5");
    }

    proptest! {
        #[test]
        fn every_amount_comes_back_from_its_text_and_its_decimal(
            units in -Amount::MAX.0..=Amount::MAX.0, scale in 0..=18_u8,
        ) {
            let (amount, asset) = (Amount(units), Asset { code: "X".into(), scale });
            let text = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(serde_json::from_str::<Amount>(&text).unwrap(), amount);
            prop_assert_eq!(asset.parse_decimal(&asset.decimal(amount)).unwrap(), amount);
        }
    }
}
