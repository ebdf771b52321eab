//! A figure over several runs.

use crate::recovery::median;
use crate::report::plain::number;

/// Median and range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
    /// Over so many values.
    pub(super) of: usize,
}

impl Spread {
    /// Of these; none of none.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        Some(Self {
            median: median(values.iter().copied())?,
            lowest: values.iter().copied().reduce(f64::min)?,
            highest: values.iter().copied().reduce(f64::max)?,
            of: values.len(),
        })
    }

    /// As people read it, with a unit behind the median and behind the range. Values that read alike
    /// are written once.
    pub(super) fn text(&self, unit: &str) -> String {
        let [median, lowest, highest] = [self.median, self.lowest, self.highest].map(number);
        if lowest == highest {
            format!("{median}{unit}")
        } else {
            format!("{median}{unit} ({lowest} to {highest})")
        }
    }
}

/// The spread of values that some of so many runs lack, which is said.
pub(super) fn text(values: &[f64], runs: usize, unit: &str) -> String {
    match Spread::of(values.iter().copied()) {
        None => "-".to_owned(),
        Some(spread) if spread.of == runs => spread.text(unit),
        Some(spread) => format!("{}, in {} of {runs} runs", spread.text(unit), spread.of),
    }
}
