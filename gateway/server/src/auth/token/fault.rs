//! What can be wrong with a token. It goes to the log; a caller is told only whether a token that
//! was good is over.

use thiserror::Error;

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenFault {
    /// It is not three parts of base64url with JSON in them, or too large.
    #[error("its form: {0}")]
    Form(&'static str),
    /// No key is named like this.
    #[error("its key is not known")]
    Key,
    /// Its key has another algorithm.
    #[error("its algorithm is not its key's")]
    Algorithm,
    /// It wasn't signed with its key.
    #[error("its signature does not match")]
    Signature,
    /// A claim is missing, or not what it has to be.
    #[error("its claim {0}")]
    Claim(&'static str),
    /// It isn't valid yet.
    #[error("it is not valid yet")]
    NotYet,
    /// It was valid.
    #[error("it has expired")]
    Expired,
}
