//! The trail of what was done, and the proof of a hash.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One event of a trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its place in the workflow's stream.
    pub sequence: u64,
    /// Its place in the whole journal.
    pub position: u64,
    /// What happened, such as `workflow.step_finished.v1`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The step that it is about.
    pub step: Option<String>,
    /// SHA-256 of the step's canonical input, in hex.
    pub input_hash: Option<String>,
    /// SHA-256 of the step's canonical output, in hex.
    pub output_hash: Option<String>,
    /// When, in microseconds since 1970.
    pub recorded_at: i64,
    /// The policy bundle in force.
    pub policy_bundle: Option<String>,
    /// Hash of the event before it, in hex.
    pub previous_hash: String,
    /// Its own hash, in hex.
    pub hash: String,
    /// What was recorded.
    pub data: Value,
}

/// A page of a trail, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditTrail {
    /// The workflow, which is the task.
    pub id: String,
    /// What the id names: `workflow`.
    pub kind: String,
    /// What happened.
    pub entries: Vec<AuditEntry>,
    /// What to ask for the next page with; none where this is the last.
    pub next_cursor: Option<String>,
}

/// Where a hash stands in the journal, and whether what is recorded there has that hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HashPlace {
    /// The workflow.
    pub workflow: String,
    /// The step.
    pub step: String,
    /// `input` or `output`.
    pub of: String,
    /// The event's place in the workflow's stream.
    pub sequence: u64,
    /// The event's hash, in hex.
    pub event_hash: String,
    /// Whether the stream is whole up to the event, and the recorded value has the hash.
    pub verified: bool,
}

/// What is known of a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HashProof {
    /// The hash.
    pub hash: String,
    /// Whether every place below is verified, and there is one.
    pub verified: bool,
    /// The first places where it stands.
    pub places: Vec<HashPlace>,
    /// All places where it stands, as often as they are recorded.
    pub count: u64,
}
