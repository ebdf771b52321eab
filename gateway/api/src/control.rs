//! What the gateway says of the system's switches, and what it is told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body of every request that turns a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why; it stands in the journal.
    pub reason: String,
}

/// What became of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Turned {
    /// Where the journal of the switches stands.
    pub sequence: u64,
    /// Whether it changed anything: to stop what is stopped doesn't.
    pub changed: bool,
    /// Whether this is the first answer to the same key again.
    pub repeated: bool,
}

/// Everything that is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ControlView {
    /// Where the journal of the switches stands.
    pub sequence: u64,
    /// The freeze, where the whole system is stopped.
    pub frozen: Option<StopView>,
    /// The kinds that are stopped.
    pub kinds: Vec<StoppedKind>,
    /// The tenants that are stopped.
    pub tenants: Vec<StoppedTenant>,
}

/// Why something is stopped, by whom and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StopView {
    /// The reason that was given.
    pub reason: String,
    /// Who gave it.
    pub by: String,
    /// Since when, in microseconds since 1970.
    pub since: i64,
}

/// A kind that is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoppedKind {
    /// The kind.
    pub kind: String,
    /// Why.
    pub stop: StopView,
}

/// A tenant that is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoppedTenant {
    /// The tenant.
    pub tenant: String,
    /// Why.
    pub stop: StopView,
}
