//! What the gateway says of an erasure.

use schemars::JsonSchema;
use serde::Serialize;

/// A subject whose personal data can't be read any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErasedSubject {
    /// The subject.
    pub subject: String,
    /// When it was erased: the first time, in microseconds since 1970.
    pub erased_at: i64,
}
