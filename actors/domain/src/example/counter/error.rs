//! Why a counter refuses.

use coppice_core::Rejection;
use thiserror::Error;

/// A counter's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CounterError {
    /// The sum would leave the range of a signed 64-bit integer.
    #[error("adding {n} to {value} leaves the range of a 64-bit integer")]
    Overflow {
        /// The counter's value.
        value: i64,
        /// What was to be added.
        n: i64,
    },
}

impl Rejection for CounterError {
    const CODES: &'static [&'static str] = &["counter_overflow"];

    fn code(&self) -> &'static str {
        match self {
            Self::Overflow { .. } => "counter_overflow",
        }
    }
}
