//! What a node finds, and what nodes take and give.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::split::ReviewFile;

/// The most findings that one node gives. A diff with more needs no longer list to be sent back, and
/// every finding is recorded.
pub const FINDINGS_MAX: usize = 1_000;

/// What a node takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeInput {
    /// The files, as [`crate::split()`] gives them.
    pub files: Vec<ReviewFile>,
    /// What the tenant wants.
    #[serde(default)]
    pub config: Config,
}

/// What a node gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOutput {
    /// What it found, by file in the order of the input and by line.
    pub findings: Vec<Finding>,
    /// How many more it found than it gives.
    #[serde(default)]
    pub dropped: usize,
    /// What of the tenant's settings couldn't be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's stable id.
    pub rule: Cow<'static, str>,
    /// The node that found it.
    pub node: Node,
    /// How bad it is.
    pub severity: Severity,
    /// How sure the rule is.
    pub confidence: Confidence,
    /// The file's path on the new side.
    pub file: String,
    /// The line on the new side.
    pub line: u32,
    /// What is there.
    pub message: Cow<'static, str>,
    /// The line's text, shortened; secrets are masked.
    pub evidence: String,
    /// Why that is bad.
    pub why: Cow<'static, str>,
    /// What to do about it.
    pub advice: Cow<'static, str>,
}

/// The four that find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// What lets others in.
    Security,
    /// What is hard to read, or not the house's way.
    Style,
    /// What does something else than it says.
    Logic,
    /// What is slow, or grows too complex to change.
    Performance,
}

impl Node {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Security, Self::Style, Self::Logic, Self::Performance];

    /// Its name, as it is written down.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Style => "style",
            Self::Logic => "logic",
            Self::Performance => "performance",
        }
    }
}

/// How bad a finding is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It must not be merged.
    Critical,
    /// It should not be merged.
    High,
    /// It should be looked at.
    Medium,
    /// It may be left.
    Low,
}

impl Severity {
    /// All of them, worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Critical => "Critical",
            Self::High => "High",
            Self::Medium => "Medium",
            Self::Low => "Low",
        }
    }
}

/// How sure a rule is of a finding, surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// What stands there can hardly be anything else.
    High,
    /// It depends on what the diff doesn't show.
    Medium,
    /// It is worth a look.
    Low,
}

impl Confidence {
    /// The share of such findings that is expected to be right, in percent.
    #[must_use]
    pub fn percent(self) -> u32 {
        match self {
            Self::High => 95,
            Self::Medium => 80,
            Self::Low => 60,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}
