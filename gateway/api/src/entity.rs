//! Answers of `/v1/entities`.
//!
//! The gateway writes these by hand, because replies and states are JSON text already; its tests
//! hold the bytes against these types.

use coppice_core::Sequence;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The answer to an accepted command; `R` is the reply of the kind's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandAnswer<R = Box<RawValue>> {
    /// The entity's sequence once the command was applied.
    #[schemars(with = "u64")]
    pub sequence: Sequence,
    /// The kind's reply.
    pub reply: R,
    /// Whether this repeats the first answer to the same idempotency key.
    pub repeated: bool,
}

/// An entity as a reader sees it; `S` is the state as its kind shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntityView<S = Box<RawValue>> {
    /// The kind's name.
    pub kind: String,
    /// The entity within tenant and kind.
    pub id: String,
    /// The sequence that the state stands at.
    #[schemars(with = "u64")]
    pub sequence: Sequence,
    /// The state.
    pub state: S,
}
