//! What the gateway says of plugins, and what they tell it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The body of a registration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginRegistration {
    /// The plugin's manifest; its schema is `plugins/sdk/schemas/manifest.json`.
    pub manifest: Value,
    /// Where the plugin is called: an `http` address that `/execute` and `/health` are put behind.
    pub url: String,
}

/// The answer to a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginRegistered {
    /// What names the version: `name@version`.
    pub plugin_id: String,
}

/// How a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PluginStatus {
    /// It does all that it should.
    Healthy,
    /// It works, and not all of it.
    Degraded,
    /// It is of no use.
    Unhealthy,
}

/// The body of a health report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginHealthReport {
    /// As a whole.
    pub status: PluginStatus,
    /// The same of its parts.
    #[serde(default)]
    pub components: BTreeMap<String, PluginStatus>,
    /// For people.
    #[serde(default)]
    pub message: Option<String>,
}

/// Whether a version is in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PluginLifecycle {
    /// It is known, and has not been healthy yet.
    Registered,
    /// It is in service.
    Active,
}

/// Whether a version is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerPhase {
    /// Calls are made.
    Closed,
    /// One call is made to see.
    HalfOpen,
    /// No call is made.
    Open,
}

/// A version's circuit breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerView {
    /// Whether calls are made.
    pub phase: BreakerPhase,
    /// Until when they are not, in microseconds since 1970.
    pub until: Option<i64>,
    /// Failures in a row.
    pub failures: u32,
    /// How often it opened.
    pub opened: u64,
}

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginSummary {
    /// What names it: `name@version`.
    pub plugin_id: String,
    /// The plugin.
    pub name: String,
    /// The version.
    pub version: String,
    /// What it does.
    pub description: String,
    /// What it can be asked for.
    pub capabilities: Vec<String>,
    /// What it is about.
    pub category: String,
    /// Whether it is a part of the node.
    pub in_process: bool,
    /// Whether it is in service.
    pub lifecycle: PluginLifecycle,
    /// How it is; not known before its first report.
    pub health: Option<PluginStatus>,
}

/// Every version in service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginList {
    /// In order of name and version.
    pub plugins: Vec<PluginSummary>,
}

/// A version with its manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginDetail {
    /// What names it: `name@version`.
    pub plugin_id: String,
    /// The version.
    pub version: String,
    /// Whether it is a part of the node.
    pub in_process: bool,
    /// Whether it is in service.
    pub lifecycle: PluginLifecycle,
    /// How it is; not known before its first report.
    pub health: Option<PluginStatus>,
    /// Its manifest.
    pub manifest: Value,
}

/// A plugin with its versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginView {
    /// The plugin.
    pub name: String,
    /// The version that a call without a requirement is given to, if there is one.
    pub offered: Option<String>,
    /// Its versions in service, the lowest first.
    pub versions: Vec<PluginDetail>,
}

/// How a version is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionHealthView {
    /// The version.
    pub version: String,
    /// Whether it is in service.
    pub lifecycle: PluginLifecycle,
    /// As a whole; not known before its first report.
    pub status: Option<PluginStatus>,
    /// The same of its parts.
    pub components: BTreeMap<String, PluginStatus>,
    /// For people.
    pub message: Option<String>,
    /// When it last said so, in microseconds since 1970; not known since the node started.
    pub checked_at: Option<i64>,
    /// Its circuit breaker.
    pub breaker: Option<BreakerView>,
}

/// How a plugin's versions are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PluginHealthView {
    /// The plugin.
    pub name: String,
    /// The version that a call without a requirement is given to, if there is one.
    pub offered: Option<String>,
    /// Its versions in service, the lowest first.
    pub versions: Vec<VersionHealthView>,
}
