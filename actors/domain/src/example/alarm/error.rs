//! Why an alarm refuses.

use coppice_core::Rejection;
use thiserror::Error;

/// The most timers that one alarm keeps: far more than anybody watches, far less than a snapshot
/// minds.
pub(super) const TIMERS_MAX: usize = 1_000;

/// The longest name of a timer, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// An alarm's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AlarmError {
    /// It keeps as many timers as it may.
    #[error("the alarm keeps {TIMERS_MAX} timers already")]
    TooMany,
    /// The timer's name is empty or too long.
    #[error("a timer's name has 1 to {NAME_BYTES_MAX} bytes")]
    Name,
    /// There is no timer of that name.
    #[error("there is no such timer")]
    NotSet,
    /// Every ring has been answered.
    #[error("no ring waits for an answer")]
    Silent,
}

impl Rejection for AlarmError {
    const CODES: &'static [&'static str] =
        &["alarm_full", "alarm_timer_name", "alarm_timer_not_set", "alarm_silent"];

    fn code(&self) -> &'static str {
        match self {
            Self::TooMany => "alarm_full",
            Self::Name => "alarm_timer_name",
            Self::NotSet => "alarm_timer_not_set",
            Self::Silent => "alarm_silent",
        }
    }
}
