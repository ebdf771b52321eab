//! Why an intent refuses.

use coppice_core::Rejection;
use thiserror::Error;

/// The longest time that an intent has, in seconds: a year. Settings say less.
pub const TTL_S_MAX: u32 = 31_536_000;

/// An intent's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IntentError {
    /// The id is used for another intent.
    #[error("there is another intent of this id")]
    Other,
    /// There is no such intent.
    #[error("there is no such intent")]
    NotThere,
    /// The accounts are none, or are of two assets.
    #[error("an intent goes from a funding account to a payee of the same asset")]
    Accounts,
    /// The amount is nothing, negative, too large, or more than was approved.
    #[error("the amount can not be spent")]
    Amount,
    /// Its time is nothing or too long.
    #[error("an intent has 1 to {TTL_S_MAX} seconds")]
    Ttl,
    /// It was decided, or taken back.
    #[error("the intent is decided")]
    Decided,
    /// Its time is over.
    #[error("the time of the intent is over")]
    Expired,
    /// It isn't approved, or not any more.
    #[error("the intent is not approved")]
    NotApproved,
}

impl Rejection for IntentError {
    const CODES: &'static [&'static str] = &[
        "intent_other",
        "intent_not_there",
        "intent_accounts",
        "intent_amount",
        "intent_ttl",
        "intent_decided",
        "intent_expired",
        "intent_not_approved",
    ];

    fn code(&self) -> &'static str {
        match self {
            Self::Other => "intent_other",
            Self::NotThere => "intent_not_there",
            Self::Accounts => "intent_accounts",
            Self::Amount => "intent_amount",
            Self::Ttl => "intent_ttl",
            Self::Decided => "intent_decided",
            Self::Expired => "intent_expired",
            Self::NotApproved => "intent_not_approved",
        }
    }
}
