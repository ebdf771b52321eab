//! What the gateway answers to whoever delivers a webhook.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of a delivery. It is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryAnswer {
    /// The source's own id of the delivery. Its entity is of the kind `delivery` and called
    /// `github:` and this.
    pub delivery: String,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// The plan that it goes to, where a rule took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The workflow that was made of it, once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// A rule took it: a workflow is being made.
    Routed,
    /// No rule took it: it is kept and nothing is done.
    Unrouted,
    /// It had come before, and nothing was done again.
    Repeated,
    /// The source tried out the address and the secret; nothing is kept.
    Pong,
}
