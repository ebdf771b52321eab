//! What a run must keep to, as text: `add.p99_ms < 25`, `errors < 0.1 %`, `lost == 0`.
//!
//! A name is one of [`crate::figures`], the rest an operator (`<`, `<=`, `>`, `>=`, `==`) and a
//! number, in hundredths with `%` behind it. Names are checked before the run.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::figures::Figures;

/// So many known names are listed with an unknown one: those that are most like it.
const SUGGESTED: usize = 12;

/// How a figure is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

/// Longer ones first: `<` is a part of `<=`.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];

/// A condition on a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    text: String,
    figure: String,
    comparison: Comparison,
    limit: f64,
}

/// Why a text is no threshold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ThresholdError {
    /// It isn't a name, an operator and a number.
    #[error("`{text}` is not like `add.p99_ms < 25`: {problem}")]
    Malformed {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no such figure in this scenario.
    #[error("`{text}`: there is no `{figure}` here. Known are {}, and {more} more", known.join(", "))]
    Unknown {
        /// What was given.
        text: String,
        /// Its name.
        figure: String,
        /// Names that are like it.
        known: Vec<String>,
        /// How many others there are.
        more: usize,
    },
}

/// How a threshold went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Kept {
    /// As it was given.
    pub threshold: String,
    /// The figure; none where it wasn't measured, or is a time that was never seen to end.
    pub value: Option<f64>,
    /// Whether the figure is a time that never ended.
    pub endless: bool,
    /// Whether it holds.
    pub holds: bool,
}

impl Threshold {
    /// Reads a threshold on one of these figures.
    ///
    /// # Errors
    /// [`ThresholdError`]
    pub fn parse(text: &str, names: &[String]) -> Result<Self, ThresholdError> {
        let malformed = |problem| ThresholdError::Malformed { text: text.to_owned(), problem };
        let at = text.find(['<', '>', '=']).ok_or_else(|| malformed("it has no operator"))?;
        let (figure, rest) = (text[..at].trim(), &text[at..]);
        let found = COMPARISONS.iter().find(|(sign, _)| rest.starts_with(sign));
        let (sign, comparison) = found.ok_or_else(|| malformed("it has no such operator"))?;
        let number = rest[sign.len()..].trim();
        let (number, unit) = match number.strip_suffix('%') {
            Some(number) => (number.trim(), 0.01),
            None => (number, 1.0),
        };
        let limit: f64 = number.parse().map_err(|_| malformed("it has no number at the end"))?;
        if !limit.is_finite() {
            return Err(malformed("its number has no end"));
        }
        if !names.iter().any(|name| name == figure) {
            return Err(unknown(text, figure, names));
        }
        Ok(Self {
            text: text.to_owned(),
            figure: figure.to_owned(),
            comparison: *comparison,
            limit: limit * unit,
        })
    }

    /// Whether figures keep to it. What wasn't measured doesn't.
    #[must_use]
    pub fn check(&self, figures: &Figures) -> Kept {
        let value = figures.get(&self.figure).copied();
        let holds = value.is_some_and(|value| match self.comparison {
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
            #[expect(clippy::float_cmp, reason = "it is for counts, which are exact")]
            Comparison::Equal => value == self.limit,
        });
        Kept {
            threshold: self.text.clone(),
            endless: value.is_some_and(f64::is_infinite),
            value: value.filter(|value| value.is_finite()),
            holds,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// With the names that have most beginnings of words in common with the unknown one.
fn unknown(text: &str, figure: &str, names: &[String]) -> ThresholdError {
    let parts: Vec<&str> = figure.split(['.', '_', '/']).filter(|part| !part.is_empty()).collect();
    let likeness = |name: &&String| parts.iter().filter(|part| name.contains(**part)).count();
    let mut known: Vec<&String> = names.iter().collect();
    known.sort_by_key(|name| std::cmp::Reverse(likeness(name)));
    let known: Vec<String> = known.into_iter().take(SUGGESTED).cloned().collect();
    let more = names.len() - known.len();
    ThresholdError::Unknown { text: text.to_owned(), figure: figure.to_owned(), known, more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::names;
    use crate::record::Operation;

    fn known() -> Vec<String> {
        names(["steady"], &[Operation::Add])
    }

    fn holds(text: &str, value: f64) -> bool {
        let threshold = Threshold::parse(text, &known()).unwrap();
        threshold.check(&Figures::from([(threshold.figure.clone(), value)])).holds
    }

    #[test]
    fn each_operator_compares_as_it_reads() {
        let cases = [
            ("add.p99_ms < 25", [true, false, false]),
            ("add.p99_ms <= 25", [true, true, false]),
            ("add.p99_ms>25", [false, false, true]),
            ("add.p99_ms >= 25.0", [false, true, true]),
            ("steady.add.p99_ms == 25", [false, true, false]),
            ("errors < 2500 %", [true, false, false]),
        ];
        for (text, expected) in cases {
            assert_eq!([24.9, 25.0, 25.1].map(|value| holds(text, value)), expected, "{text}");
        }
    }

    #[test]
    fn what_was_not_measured_or_never_ended_does_not_hold() {
        let below = Threshold::parse("recovery_ms_max < 2000", &known()).unwrap();
        let missing = below.check(&Figures::new());
        assert_eq!((missing.holds, missing.value, missing.endless), (false, None, false));
        let never = Figures::from([("recovery_ms_max".to_owned(), f64::INFINITY)]);
        let never = below.check(&never);
        assert_eq!((never.holds, never.value, never.endless), (false, None, true));
    }

    #[test]
    fn what_is_no_threshold_is_refused() {
        for text in [
            "add.p99_ms",
            "add.p99_ms < ",
            "add.p99_ms < x",
            "add.p99_ms = 3",
            "< 3",
            "errors < inf",
        ] {
            let refused = Threshold::parse(text, &known());
            assert!(refused.is_err(), "{text}: {refused:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_names_that_are_like_it() {
        let refused = Threshold::parse("add.p98_ms < 25", &known()).unwrap_err();
        let ThresholdError::Unknown { figure, known, .. } = &refused else { panic!("{refused}") };
        assert_eq!(figure, "add.p98_ms");
        assert!(known.contains(&"add.p99_ms".to_owned()), "{known:?}");
        assert!(refused.to_string().contains("add.p50_ms"), "{refused}");
        assert!(Threshold::parse("read.p99_ms < 25", &self::known()).is_err(), "nobody reads here");
        assert!(Threshold::parse("warm.p99_ms < 25", &self::known()).is_err());
    }
}
