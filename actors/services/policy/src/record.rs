//! What is kept of a decision.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data::Risk;
use crate::question::Question;

/// How much of a bundle's hash stands in its stamp, in hexadecimal digits: 128 bits, so that nobody
/// finds two bundles with one stamp.
const STAMP_DIGITS: usize = 32;

/// Names a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BundleRef {
    /// Its version, as people call it.
    pub version: String,
    /// `sha256:` and the hash of its content.
    pub hash: String,
}

impl BundleRef {
    /// What an event names it by: version and the beginning of the hash.
    #[must_use]
    pub fn stamp(&self) -> String {
        let digits = self.hash.rsplit(':').next().unwrap_or_default();
        format!("{}@{}", self.version, digits.get(..STAMP_DIGITS).unwrap_or(digits))
    }
}

impl fmt::Display for BundleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.hash)
    }
}

/// A decision, with all that it was made of: another bundle can be tried on it. Plain JSON; a state
/// keeps it as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// The bundle that decided.
    pub bundle: BundleRef,
    /// What was asked.
    pub question: Question,
    /// Whether it is allowed, if need be once it is approved.
    pub allowed: bool,
    /// Whether a person must approve it first.
    pub requires_approval: bool,
    /// The highest risk that a policy which allowed it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The policies that decided, in the order of the bundle.
    pub policies: Vec<String>,
    /// A stable code for the outcome: `allowed`, `approval_required`, or why not.
    pub reason_code: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_names_the_version_and_half_the_hash() {
        let hash = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let bundle = BundleRef { version: "1.0.0".to_owned(), hash };
        assert_eq!(bundle.stamp(), "1.0.0@0123456789abcdef0123456789abcdef");
    }
}
