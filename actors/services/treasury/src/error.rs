//! Why the treasury doesn't do what it is asked for.

use coppice_runtime::Failure;
use thiserror::Error;

/// Why the treasury doesn't do what it is asked for. A denial is none of these: it is an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreasuryError {
    /// There is no such intent.
    #[error("there is no intent {0}")]
    NoIntent(String),
    /// There is no such account.
    #[error("there is no account {0}")]
    NoAccount(String),
    /// The id was used for another intent or transfer.
    #[error("the id {0} was used for another one")]
    Other(String),
    /// What is asked for can't be.
    #[error("{0}")]
    Invalid(String),
    /// An entity refused, or gave no answer.
    #[error("the treasury's entities did not do it")]
    Failed(#[source] Failure),
}

impl From<Failure> for TreasuryError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl TreasuryError {
    /// What could not be written or read between the treasury and its own entities.
    pub(crate) fn internal(error: &serde_json::Error) -> Self {
        Self::Invalid(format!("an entity's command or answer can not be read: {error}"))
    }
}

/// The code that an entity refused with, if it did.
pub(crate) const fn refusal(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Rejected { code, .. } => Some(code),
        _ => None,
    }
}
