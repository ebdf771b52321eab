//! Brings the nodes' findings together, without those that say the same of the same place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, NodeOutput};
use crate::rule;

/// What the nodes gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeInput {
    /// One output of each node, in any order; of a node that failed there is none.
    pub outputs: Vec<NodeOutput>,
}

/// All findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeOutput {
    /// By file and line; of several with one cause at one place, the worst.
    pub findings: Vec<Finding>,
    /// How many were taken together with another.
    #[serde(default)]
    pub duplicates: usize,
    /// How many the nodes left out.
    #[serde(default)]
    pub dropped: usize,
    /// What of the tenant's settings couldn't be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Merges what the nodes gave.
#[must_use]
pub fn merge(input: &MergeInput) -> MergeOutput {
    let mut output = MergeOutput::default();
    let mut places: BTreeMap<(&str, u32, &str), &Finding> = BTreeMap::new();
    for node in &input.outputs {
        output.dropped += node.dropped;
        output.problems.extend(node.problems.iter().cloned());
        for finding in &node.findings {
            let cause =
                rule::by_id(&finding.rule).map_or_else(|| finding.rule.as_ref(), |rule| rule.cause);
            let place = (finding.file.as_str(), finding.line, cause);
            match places.get_mut(&place) {
                Some(kept) => {
                    output.duplicates += 1;
                    if badness(finding) < badness(kept) {
                        *kept = finding;
                    }
                }
                None => {
                    places.insert(place, finding);
                }
            }
        }
    }
    output.findings = places.into_values().cloned().collect();
    output
}

/// Least is worst; the rule's name decides between equals, so that the order of nodes doesn't.
fn badness(finding: &Finding) -> (crate::finding::Severity, crate::finding::Confidence, &str) {
    (finding.severity, finding.confidence, &finding.rule)
}
