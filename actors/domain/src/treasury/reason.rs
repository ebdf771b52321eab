//! Why an authorization was decided as it was: codes that stay.

use serde::{Deserialize, Serialize};

/// The reason of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// There is room everywhere and nothing forbids it.
    Approved,
    /// The funding account hasn't got it.
    InsufficientFunds,
    /// The workflow's budget hasn't got it, or the workflow has none.
    BudgetExceeded,
    /// Too much was approved for this workflow, merchant and category within the window.
    VelocityExceeded,
    /// The tenant's day has no room for it.
    DailyCapExceeded,
    /// The policy doesn't let the merchant be paid.
    MerchantNotAllowed,
    /// The policy doesn't let the category be paid for.
    CategoryNotAllowed,
    /// Its time was over before it was decided.
    IntentExpired,
    /// The policy says no.
    PolicyDenied,
    /// The policy wants a person to say yes first.
    ApprovalRequired,
    /// It could not be decided in time.
    Timeout,
    /// Nobody could say what the policy says.
    PolicyUnavailable,
    /// The operators have stopped a part of it.
    Frozen,
    /// Whoever wanted it took it back before it was decided.
    Withdrawn,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Approved,
        Self::InsufficientFunds,
        Self::BudgetExceeded,
        Self::VelocityExceeded,
        Self::DailyCapExceeded,
        Self::MerchantNotAllowed,
        Self::CategoryNotAllowed,
        Self::IntentExpired,
        Self::PolicyDenied,
        Self::ApprovalRequired,
        Self::Timeout,
        Self::PolicyUnavailable,
        Self::Frozen,
        Self::Withdrawn,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::InsufficientFunds => "insufficient_funds",
            Self::BudgetExceeded => "budget_exceeded",
            Self::VelocityExceeded => "velocity_exceeded",
            Self::DailyCapExceeded => "daily_cap_exceeded",
            Self::MerchantNotAllowed => "merchant_not_allowed",
            Self::CategoryNotAllowed => "category_not_allowed",
            Self::IntentExpired => "intent_expired",
            Self::PolicyDenied => "policy_denied",
            Self::ApprovalRequired => "approval_required",
            Self::Timeout => "timeout",
            Self::PolicyUnavailable => "policy_unavailable",
            Self::Frozen => "frozen",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The reason of a code.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_written_as_its_code_and_read_from_it() {
        for reason in Reason::ALL {
            let code = reason.code();
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{code}\""));
            assert_eq!(Reason::of_code(code), Some(reason));
        }
        assert_eq!(Reason::of_code("because"), None);
    }
}
