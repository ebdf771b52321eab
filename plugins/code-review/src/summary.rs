//! The review for people: counts, a paragraph, and comments on lines.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::config::Config;
use crate::finding::{Finding, Node, Severity};
use crate::split::LeftOut;

/// The most comments that go to lines: a person reads some dozens and skips hundreds.
pub const INLINE_COMMENTS_MAX: usize = 50;

/// How many places the paragraph names.
const PLACES_NAMED: usize = 3;

/// What a summary is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SummaryInput {
    /// Ranked findings.
    pub findings: Vec<Finding>,
    /// How many the nodes left out.
    #[serde(default)]
    pub dropped: usize,
    /// How many files were reviewed.
    #[serde(default)]
    pub files: usize,
    /// How many lines are new in them.
    #[serde(default)]
    pub added: usize,
    /// What wasn't reviewed.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// What the tenant wants.
    #[serde(default)]
    pub config: Config,
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The worst severity; none where nothing was found.
    pub worst: Option<Severity>,
    /// How many there are of each severity.
    pub by_severity: BTreeMap<Severity, usize>,
    /// How many there are of each node.
    pub by_node: BTreeMap<Node, usize>,
    /// The review in a paragraph.
    pub paragraph: String,
    /// Comments on lines, worst first.
    pub comments: Vec<Comment>,
    /// How many findings have no comment of their own.
    pub uncommented: usize,
    /// The share of findings that is expected to be right, in percent.
    pub confidence_percent: u32,
}

/// A comment on a line of the new side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What to say there.
    pub body: String,
}

/// Sums a review up.
#[must_use]
pub fn summarise(input: &SummaryInput) -> Summary {
    let mut by_severity: BTreeMap<_, _> = Severity::ALL.into_iter().map(|one| (one, 0)).collect();
    let mut by_node: BTreeMap<_, _> = Node::ALL.into_iter().map(|one| (one, 0)).collect();
    for finding in &input.findings {
        *by_severity.entry(finding.severity).or_default() += 1;
        *by_node.entry(finding.node).or_default() += 1;
    }
    let comments_max = input.config.summary.inline_comments_max.min(INLINE_COMMENTS_MAX);
    let comments: Vec<_> = input.findings.iter().take(comments_max).map(comment).collect();
    Summary {
        worst: input.findings.iter().map(|finding| finding.severity).min(),
        paragraph: paragraph(input, &by_severity),
        uncommented: input.findings.len() - comments.len(),
        confidence_percent: confidence(&input.findings),
        by_severity,
        by_node,
        comments,
    }
}

fn comment(finding: &Finding) -> Comment {
    let Finding { severity, message, why, advice, rule, .. } = finding;
    let body = format!("**{}**: {message} {why}\n\n{advice}\n\n`{rule}`", severity.title());
    Comment { file: finding.file.clone(), line: finding.line, severity: *severity, body }
}

/// Where nothing was found, there is nothing to be wrong about.
fn confidence(findings: &[Finding]) -> u32 {
    let sum: u64 = findings.iter().map(|finding| u64::from(finding.confidence.percent())).sum();
    let mean = sum.checked_div(u64::try_from(findings.len()).unwrap_or(u64::MAX));
    mean.and_then(|mean| u32::try_from(mean).ok()).unwrap_or(100)
}

fn paragraph(input: &SummaryInput, by_severity: &BTreeMap<Severity, usize>) -> String {
    let mut text = format!(
        "{} with {} reviewed",
        counted(input.files, "file", "files"),
        counted(input.added, "new line", "new lines"),
    );
    let found: Vec<_> = by_severity
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(severity, count)| format!("{count} {}", severity.title()))
        .collect();
    if found.is_empty() {
        text.push_str("; nothing was found.");
    } else {
        text.push_str(&format!(": {}.", found.join(", ")));
    }
    let worst = input.findings.iter().filter(|finding| finding.severity <= Severity::High);
    let named: Vec<_> = worst
        .clone()
        .take(PLACES_NAMED)
        .map(|finding| {
            let message = finding.message.trim_end_matches('.');
            format!("{message} ({}:{})", finding.file, finding.line)
        })
        .collect();
    if !named.is_empty() {
        let more = worst.count() - named.len();
        let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
        text.push_str(&format!(" Look first at: {}{rest}.", named.join("; ")));
    }
    if !input.left_out.is_empty() {
        text.push_str(&format!(" Not reviewed: {}.", left_out(&input.left_out)));
    }
    if input.dropped > 0 {
        text.push_str(&format!(" {} further findings were left out.", input.dropped));
    }
    text
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn left_out(files: &[LeftOut]) -> String {
    let mut reasons: BTreeMap<_, usize> = BTreeMap::new();
    for file in files {
        *reasons.entry(file.reason).or_default() += 1;
    }
    let reasons = reasons
        .into_iter()
        .map(|(reason, count)| format!("{count} {}", reason.name().replace('_', " ")));
    reasons.collect::<Vec<_>>().join(", ")
}
