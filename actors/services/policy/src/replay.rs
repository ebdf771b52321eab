//! Trying another bundle on what was decided before.

use serde::{Deserialize, Serialize};

use crate::authority::Policy;
use crate::record::{BundleRef, PolicyRecord};

/// A decision in a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is allowed.
    Allowed,
    /// It is allowed once a person approves it.
    ApprovalRequired,
    /// It is denied.
    Denied {
        /// Why.
        reason_code: String,
    },
    /// It can't be decided, and so isn't allowed.
    Unavailable {
        /// Why not.
        reason: String,
    },
}

impl Verdict {
    /// That of a record.
    #[must_use]
    pub fn of(record: &PolicyRecord) -> Self {
        match (record.allowed, record.requires_approval) {
            (true, false) => Self::Allowed,
            (true, true) => Self::ApprovalRequired,
            (false, _) => Self::Denied { reason_code: record.reason_code.clone() },
        }
    }
}

/// What another bundle makes of a recorded question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The bundle that decided.
    pub from: BundleRef,
    /// The bundle that was tried; none where there was none.
    pub to: Option<BundleRef>,
    /// What was decided.
    pub before: Verdict,
    /// What would have been.
    pub after: Verdict,
}

impl Difference {
    /// Whether anybody would notice: it is allowed, asks a person or neither as it did before. A
    /// denial for another reason is none.
    #[must_use]
    pub fn is_change(&self) -> bool {
        std::mem::discriminant(&self.before) != std::mem::discriminant(&self.after)
    }
}

/// Asks what was asked again, of another bundle.
#[must_use]
pub fn replay(record: &PolicyRecord, other: &dyn Policy) -> Difference {
    let after = match other.decide(&record.question) {
        Ok(record) => Verdict::of(&record),
        Err(why) => Verdict::Unavailable { reason: why.to_string() },
    };
    Difference {
        from: record.bundle.clone(),
        to: other.bundle(),
        before: Verdict::of(record),
        after,
    }
}
