//! Why a bundle isn't published.

use coppice_core::Rejection;
use thiserror::Error;

/// The largest bundle, in bytes of its four files: fifty times the default one. It is in the
/// journal as a whole with each publication, and in memory for as long as it decides.
pub(super) const BUNDLE_BYTES_MAX: usize = 512 * 1_024;

/// The longest reason, in bytes: a paragraph.
pub(super) const REASON_BYTES_MAX: usize = 1_000;

/// The refusals.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishError {
    /// It is too large.
    #[error("the files of a bundle have {BUNDLE_BYTES_MAX} bytes at most")]
    TooLarge,
    /// The version stands for other content.
    #[error("version {0} was published with other content: give what has changed another one")]
    VersionReused(Box<str>),
    /// There is no reason, or it is too long.
    #[error("a reason has from 1 to {REASON_BYTES_MAX} bytes")]
    Reason,
}

impl Rejection for PublishError {
    const CODES: &'static [&'static str] = &[
        "policy_bundle_too_large",
        "policy_bundle_version_reused",
        "policy_bundle_reason_invalid",
    ];

    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "policy_bundle_too_large",
            Self::VersionReused(_) => "policy_bundle_version_reused",
            Self::Reason => "policy_bundle_reason_invalid",
        }
    }
}
