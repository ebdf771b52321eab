//! Why a breaker refuses.

use coppice_core::{Rejection, Timestamp};
use thiserror::Error;

/// A breaker's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BreakerError {
    /// No call is made for now.
    #[error(
        "the circuit breaker is open: ask again from {} on (microseconds since 1970)",
        .until.as_micros()
    )]
    Open {
        /// When it makes sense to ask again.
        until: Timestamp,
    },
}

impl Rejection for BreakerError {
    const CODES: &'static [&'static str] = &["breaker_open"];

    fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "breaker_open",
        }
    }
}
