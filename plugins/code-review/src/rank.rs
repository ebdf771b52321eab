//! Puts findings in the order in which a person should read them.

use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::merge::MergeOutput;

/// Findings, Critical first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankOutput {
    /// By severity, then confidence, then place.
    pub findings: Vec<Finding>,
    /// How many the nodes left out.
    #[serde(default)]
    pub dropped: usize,
    /// What of the tenant's settings couldn't be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Ranks merged findings. The order is the same whatever the order of the input.
#[must_use]
pub fn rank(input: &MergeOutput) -> RankOutput {
    let mut findings = input.findings.clone();
    findings.sort_by(|a, b| key(a).cmp(&key(b)));
    RankOutput { findings, dropped: input.dropped, problems: input.problems.clone() }
}

fn key(finding: &Finding) -> impl Ord + use<'_> {
    let Finding { severity, confidence, file, line, rule, .. } = finding;
    (severity, confidence, file, line, rule)
}
