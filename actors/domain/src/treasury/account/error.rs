//! Why an account refuses.

use coppice_core::Rejection;
use thiserror::Error;

use super::holds::HOLDS_MAX;
use super::window::APPROVALS_MAX;
use crate::treasury::money::Amount;

/// An account's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AccountError {
    /// The id names no account.
    #[error("the id names no account")]
    Name,
    /// Nobody has opened it.
    #[error("the account is not open")]
    NotOpen,
    /// It is open under another ceiling, or a ceiling is missing or doesn't belong here.
    #[error("the account is open under another ceiling, or a ceiling is missing or out of place")]
    Ceiling,
    /// Accounts of its class don't do that.
    #[error("an account of this class does not do that")]
    Class,
    /// The amount is nothing, negative or too large.
    #[error("an amount is moved from 1 up to {max}", max = Amount::MOVED_MAX)]
    Amount,
    /// What is there after it would be no amount.
    #[error("the balance would be too large")]
    OutOfRange,
    /// A funding account hasn't got it.
    #[error("the account has {room} available")]
    InsufficientFunds {
        /// What it has.
        room: Amount,
    },
    /// A budget hasn't got it.
    #[error("the budget has {room} left")]
    BudgetExceeded {
        /// What is left.
        room: Amount,
    },
    /// Too much was approved lately.
    #[error("the window has room for {room}, and for {APPROVALS_MAX} approvals")]
    VelocityExceeded {
        /// What is left.
        room: Amount,
    },
    /// The day has no room for it.
    #[error("the day has {room} left")]
    DailyCapExceeded {
        /// What is left.
        room: Amount,
    },
    /// The cap is of a day that isn't today.
    #[error("the cap is of another day")]
    DayOver,
    /// The transfer holds something here already.
    #[error("the transfer holds something here already")]
    Held,
    /// The transfer holds nothing here.
    #[error("the transfer holds nothing here")]
    NotHeld,
    /// The hold's time is over.
    #[error("the time of the hold is over")]
    HoldExpired,
    /// It is asked to move more than is held.
    #[error("only {held} is held")]
    PostExceeds {
        /// What is held.
        held: Amount,
    },
    /// It has as many holds as it may.
    #[error("the account has {HOLDS_MAX} open holds already")]
    HoldsFull,
    /// Money leaves by an intent only.
    #[error("without an intent, money goes to a funding account only")]
    IntentOnly,
}

impl Rejection for AccountError {
    const CODES: &'static [&'static str] = &[
        "account_name",
        "account_not_open",
        "account_ceiling",
        "account_class",
        "account_amount",
        "account_out_of_range",
        "insufficient_funds",
        "budget_exceeded",
        "velocity_exceeded",
        "daily_cap_exceeded",
        "account_day_over",
        "account_held",
        "account_not_held",
        "account_hold_expired",
        "account_post_exceeds",
        "account_holds_full",
        "account_intent_only",
    ];

    fn code(&self) -> &'static str {
        match self {
            Self::Name => "account_name",
            Self::NotOpen => "account_not_open",
            Self::Ceiling => "account_ceiling",
            Self::Class => "account_class",
            Self::Amount => "account_amount",
            Self::OutOfRange => "account_out_of_range",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::BudgetExceeded { .. } => "budget_exceeded",
            Self::VelocityExceeded { .. } => "velocity_exceeded",
            Self::DailyCapExceeded { .. } => "daily_cap_exceeded",
            Self::DayOver => "account_day_over",
            Self::Held => "account_held",
            Self::NotHeld => "account_not_held",
            Self::HoldExpired => "account_hold_expired",
            Self::PostExceeds { .. } => "account_post_exceeds",
            Self::HoldsFull => "account_holds_full",
            Self::IntentOnly => "account_intent_only",
        }
    }
}
