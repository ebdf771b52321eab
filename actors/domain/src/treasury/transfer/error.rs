//! Why a transfer refuses.

use coppice_core::Rejection;
use thiserror::Error;

use super::state::Status;

/// The most limits that hold one transfer's amount; today two.
pub const LIMITS_MAX: usize = 8;

/// A transfer's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TransferError {
    /// The id is used for another transfer.
    #[error("there is another transfer of this id")]
    Other,
    /// The accounts are none, are one and the same, or are of two assets.
    #[error("a transfer goes between two accounts of one asset")]
    Accounts,
    /// The amount is nothing, negative, too large, or more than is set aside.
    #[error("the amount can not be moved")]
    Amount,
    /// There is no such transfer.
    #[error("there is no such transfer")]
    NotThere,
    /// It has ended.
    #[error("the transfer has ended: {}", text(*.0))]
    Ended(Status),
    /// Its time is over.
    #[error("the time of the transfer is over")]
    Expired,
    /// Its time isn't over yet.
    #[error("the time of the transfer is not over")]
    NotDue,
}

const fn text(status: Status) -> &'static str {
    match status {
        Status::None => "none",
        Status::Pending => "pending",
        Status::Posted => "posted",
        Status::Voided => "voided",
        Status::Expired => "expired",
    }
}

impl Rejection for TransferError {
    const CODES: &'static [&'static str] = &[
        "transfer_other",
        "transfer_accounts",
        "transfer_amount",
        "transfer_not_there",
        "transfer_ended",
        "transfer_expired",
        "transfer_not_due",
    ];

    fn code(&self) -> &'static str {
        match self {
            Self::Other => "transfer_other",
            Self::Accounts => "transfer_accounts",
            Self::Amount => "transfer_amount",
            Self::NotThere => "transfer_not_there",
            Self::Ended(_) => "transfer_ended",
            Self::Expired => "transfer_expired",
            Self::NotDue => "transfer_not_due",
        }
    }
}
