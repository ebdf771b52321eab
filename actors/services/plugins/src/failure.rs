//! How a call can go wrong, and what that means for the step, for the breaker and for the fallback.

use coppice_core::Json;
use coppice_plugin_sdk::codes;
use coppice_plugin_sdk::contract::Breach;
use coppice_runtime::{EffectError, Failure};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What came of asking a plugin, where it was no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CallFault {
    /// Nothing in time.
    #[error("no answer within {0} ms")]
    TimedOut(u128),
    /// Nobody there; nothing was sent.
    #[error("it can not be reached: {0}")]
    Unreachable(String),
    /// The connection ended in the middle.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It panicked.
    #[error("it panicked")]
    Panicked,
    /// A status that is no answer.
    #[error("it answered with status {0}")]
    Status(u16),
    /// More than may be read.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// It holds a secret in clear, and would be recorded with it.
    #[error("the answer holds the secret {0} that the plugin was given")]
    TellsSecret(String),
    /// It breaks the contract.
    #[error(transparent)]
    Breach(Breach),
}

impl CallFault {
    /// The step's code, and the plugin's own where it is clear what it would have been.
    pub(crate) fn codes(&self) -> (&'static str, Option<String>) {
        match self {
            Self::TimedOut(_) => (TIMEOUT, Some(codes::PLUGIN_TIMEOUT.to_owned())),
            Self::Unreachable(_) => (UNREACHABLE, None),
            Self::Broken(_) => (TRANSIENT, Some(codes::TRANSIENT.to_owned())),
            Self::Panicked => (FAILED, Some(codes::PANICKED.to_owned())),
            // Says of itself, or by a proxy, that it may be otherwise in a moment.
            Self::Status(status @ (429 | 502 | 503 | 504)) => {
                (TRANSIENT, Some(format!("HTTP_{status}")))
            }
            Self::Status(status) => (FAILED, Some(format!("HTTP_{status}"))),
            Self::TooLarge(_) | Self::TellsSecret(_) | Self::Breach(_) => (OUTPUT_INVALID, None),
        }
    }
}

/// None is registered, none is well, or the breaker holds it back.
pub(crate) const UNAVAILABLE: &str = "plugin_unavailable";
/// It gave no answer in time.
pub(crate) const TIMEOUT: &str = "plugin_timeout";
/// Something that passes.
pub(crate) const TRANSIENT: &str = "plugin_transient";
/// Nobody is there.
pub(crate) const UNREACHABLE: &str = "unreachable";
/// It failed.
pub(crate) const FAILED: &str = "plugin_failed";
/// Its answer breaks its contract.
pub(crate) const OUTPUT_INVALID: &str = "plugin_output_invalid";
/// It can't be asked that.
pub(crate) const INPUT_INVALID: &str = "plugin_input_invalid";
/// The policy says no.
pub(crate) const POLICY_DENIED: &str = "policy_denied";
/// A person has to say so.
pub(crate) const APPROVAL_REQUIRED: &str = "approval_required";

/// Why a step that calls a plugin failed: the detail of its effect's outcome, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FailureDetail {
    /// For people.
    pub message: String,
    /// The version that was called, or would have been: `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The plugin's own code, or what stands in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The policy's answer, or `"policy_unavailable"`; not there where it wasn't asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Json>,
    /// The version that failed before this one was tried in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_of: Option<String>,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq)]
pub enum CallFailure {
    /// For the step to know.
    Ended {
        /// A stable code.
        code: &'static str,
        /// The rest.
        detail: Box<FailureDetail>,
    },
    /// It was not made for now: the node's own parts were in the way.
    NotNow(Failure),
}

impl CallFailure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        let detail = FailureDetail { message: message.into(), ..FailureDetail::default() };
        Self::Ended { code, detail: Box::new(detail) }
    }

    /// Says more of one that has ended.
    pub(crate) fn with(mut self, more: impl FnOnce(&mut FailureDetail)) -> Self {
        if let Self::Ended { detail, .. } = &mut self {
            more(detail);
        }
        self
    }

    /// Whether another plugin may be tried: this one did it wrong, and will again.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, Self::Ended { code, .. } if [FAILED, OUTPUT_INVALID].contains(code))
    }
}

impl From<CallFailure> for EffectError {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::NotNow(failure) => Self::NotSent { detail: failure.to_string() },
            CallFailure::Ended { code, detail } => {
                // Text and the policy's JSON always serialize; the message is the honest remainder.
                let text = serde_json::to_string(&detail).unwrap_or(detail.message);
                Self::Refused { code: code.to_owned(), detail: text }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_no_reason_for_another_plugin() {
        let permanent = |fault: CallFault| {
            let (code, _) = fault.codes();
            CallFailure::new(code, fault.to_string()).is_permanent()
        };
        for fault in [
            CallFault::TimedOut(5),
            CallFault::Unreachable(String::new()),
            CallFault::Broken(String::new()),
            CallFault::Status(503),
        ] {
            assert!(!permanent(fault.clone()), "{fault}");
        }
        for fault in [
            CallFault::Panicked,
            CallFault::Status(500),
            CallFault::Status(302),
            CallFault::TooLarge(1),
            CallFault::Breach(Breach::Output(String::new())),
        ] {
            assert!(permanent(fault.clone()), "{fault}");
        }
        for code in [UNAVAILABLE, INPUT_INVALID, POLICY_DENIED, APPROVAL_REQUIRED] {
            assert!(!CallFailure::new(code, "").is_permanent(), "{code}");
        }
    }
}
