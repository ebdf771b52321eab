//! What the gateway is asked of policy, and what it answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// So much of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmountGiven {
    /// How much, in the asset's minor units.
    pub amount: i64,
    /// Of what, such as `USD`.
    pub asset: String,
    /// How many decimal places the minor unit stands behind the point.
    pub scale: u8,
}

/// What somebody intends to have done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The type of task.
    pub task_type: String,
    /// Its parameters.
    pub parameters: Value,
    /// What it is for, where it is about money.
    #[serde(default)]
    pub amount: Option<AmountGiven>,
    /// Whom something goes to, where it chooses somebody.
    #[serde(default)]
    pub recipient: Option<String>,
    /// The role that it is done in.
    #[serde(default)]
    pub role: Option<String>,
    /// Whether nothing from outside had a say in it.
    #[serde(default)]
    pub trusted: bool,
}

/// Which bundle decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BundleName {
    /// Its version.
    pub version: String,
    /// `sha256:` and the hash of its content.
    pub hash: String,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Whether it is allowed, if need be once it is approved.
    pub allowed: bool,
    /// Whether a person must approve it first.
    pub requires_approval: bool,
    /// How much is at stake, `low`, `medium` or `high`, where the bundle says so.
    pub risk: Option<String>,
    /// A stable code: `allowed`, `approval_required`, or why not.
    pub reason_code: String,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// The bundle that they are of.
    pub bundle: BundleName,
}

/// What doesn't fit a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// Where in the parameters, as a JSON pointer; empty for the whole.
    pub at: String,
    /// Which part of the schema, likewise.
    pub rule: String,
    /// What is wrong, for people.
    pub message: String,
}

/// Which version of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaName {
    /// Its number, from 1.
    pub version: u64,
    /// `sha256:` and the hash of its canonical text.
    pub hash: String,
}

/// What becomes of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IntentAnswer {
    /// The type of task.
    pub task_type: String,
    /// The type of action that it comes to.
    pub action_type: String,
    /// The schema that the parameters were checked against.
    pub schema: SchemaName,
    /// What doesn't fit it; then it isn't allowed, and its `reason_code` is `parameters_invalid`.
    pub violations: Vec<Violation>,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
}

/// Whether a role may use a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolQuestion {
    /// The role; `agent_role` says the same.
    #[serde(alias = "agent_role")]
    pub role: String,
    /// The tool; `tool_name` says the same.
    #[serde(alias = "tool_name")]
    pub tool: String,
}

/// The answer to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolAnswer {
    /// The role.
    pub role: String,
    /// The tool.
    pub tool: String,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
}

/// The most that an action may be for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CeilingView {
    /// Of what.
    pub asset: String,
    /// How much, a decimal number of whole units.
    pub amount: String,
}

/// What is listed for a type of action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rules {
    /// How much is at stake: `low`, `medium` or `high`.
    pub risk_level: String,
    /// The most that it may be for, by asset; empty where it isn't about amounts.
    pub max_amount: Vec<CeilingView>,
}

/// What stands for a type of action, before anything is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleAnswer {
    /// The policy that decided first; `none` where nothing permits it.
    pub policy_id: String,
    /// The type of action.
    pub action_type: String,
    /// What is listed for it; none where it isn't listed.
    pub rules: Option<Rules>,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
}

/// A schema to be registered for a type of task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemaGiven {
    /// The type of task.
    pub task_type: String,
    /// The schema of its parameters: a JSON Schema that refers to nothing outside of itself.
    pub schema: Value,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaAnswer {
    /// The type of task.
    pub task_type: String,
    /// The version that stands.
    pub version: u64,
    /// `sha256:` and the hash of its canonical text.
    pub hash: String,
    /// Whether it is a new one: the same content again is none.
    pub changed: bool,
    /// Whether this is the first answer to the same key again.
    pub repeated: bool,
}

/// The schema of a type of task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaView {
    /// The type of task.
    pub task_type: String,
    /// Its number, from 1.
    pub version: u64,
    /// `sha256:` and the hash of its canonical text.
    pub hash: String,
    /// The schema.
    pub schema: Value,
    /// Who registered it, with which request.
    pub registered_by: String,
    /// When, in microseconds since 1970.
    pub registered_at: i64,
    /// Versions before it, latest first.
    pub earlier: Vec<EarlierSchema>,
}

/// A version that was the latest once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EarlierSchema {
    /// Its number.
    pub version: u64,
    /// `sha256:` and the hash of its canonical text.
    pub hash: String,
    /// When it was registered, in microseconds since 1970.
    pub registered_at: i64,
}

/// Whether a bundle decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BundleStatus {
    /// It does.
    InForce,
    /// It did.
    Superseded,
}

/// A bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BundleView {
    /// Its version.
    pub version: String,
    /// `sha256:` and the hash of its content.
    pub hash: String,
    /// What events name it by.
    pub stamp: String,
    /// Whether it decides.
    pub status: BundleStatus,
    /// What it says of itself.
    pub description: String,
    /// Its files by name. For the operators' keys only: the lists name tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<BTreeMap<String, String>>,
    /// Why the last look for another bundle put none in force, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_problem: Option<String>,
}

/// A bundle to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleGiven {
    /// Its four files.
    pub files: BundleFiles,
    /// Why: 1,000 bytes at most.
    pub reason: String,
}

/// The files of a bundle, as texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleFiles {
    /// Version and description.
    #[serde(rename = "bundle.toml")]
    pub title: String,
    /// The lists and figures.
    #[serde(rename = "data.toml")]
    pub data: String,
    /// The rules.
    #[serde(rename = "policies.cedar")]
    pub policies: String,
    /// What the rules may speak of.
    #[serde(rename = "schema.cedarschema")]
    pub schema: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BundlePublished {
    /// Which publication decides, from 1.
    pub number: u64,
    /// The bundle's version.
    pub version: String,
    /// `sha256:` and the hash of its content.
    pub hash: String,
    /// What events name it by.
    pub stamp: String,
    /// Whether it is a new publication: what decided already is none.
    pub changed: bool,
    /// Whether this is the first answer to the same key again.
    pub repeated: bool,
}

/// A publication of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Publication {
    /// Which it is, from 1.
    pub number: u64,
    /// The bundle's version.
    pub version: String,
    /// `sha256:` and the hash of its content.
    pub hash: String,
    /// When, in microseconds since 1970.
    pub published_at: i64,
    /// Why. For the operators' keys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who said so, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_by: Option<String>,
}

/// The publications of bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Publications {
    /// Latest first; the first one decides, unless the node takes its bundle from a directory. Five
    /// hundred are kept here, all of them in the journal.
    pub publications: Vec<Publication>,
}
