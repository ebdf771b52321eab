//! Why a switch is not turned.

use coppice_core::Rejection;
use thiserror::Error;

/// The refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ControlError {
    /// No reason, or an essay.
    #[error("the reason is empty or longer than {0} bytes")]
    Reason(usize),
    /// As many tenants are stopped as may be.
    #[error("{0} tenants are stopped already: freeze the system instead")]
    Full(usize),
}

impl Rejection for ControlError {
    const CODES: &'static [&'static str] = &["control_reason_invalid", "control_full"];

    fn code(&self) -> &'static str {
        match self {
            Self::Reason(_) => "control_reason_invalid",
            Self::Full(_) => "control_full",
        }
    }
}
