//! The four nodes, and what they share: patterns, and where findings go.

mod findings;
pub(crate) mod logic;
pub(crate) mod pattern;
pub(crate) mod performance;
pub(crate) mod security;
pub(crate) mod style;

use crate::finding::{Node, NodeInput, NodeOutput};
use crate::language::Language;
use crate::rule::Rule;
use crate::source::View;
use findings::Findings;
use pattern::Pattern;

/// The rules of each node.
pub(crate) const RULES: [&[&Rule]; 4] =
    [security::RULES, style::RULES, logic::RULES, performance::RULES];

/// The patterns of each node that has a table of them.
pub(crate) const PATTERNS: [&[&[Pattern]]; 4] =
    [security::PATTERNS, style::PATTERNS, logic::PATTERNS, performance::PATTERNS];

/// Finds what lets others in.
#[must_use]
pub fn security(input: &NodeInput) -> NodeOutput {
    run(Node::Security, input, security::check)
}

/// Finds what is hard to read, or isn't the house's way.
#[must_use]
pub fn style(input: &NodeInput) -> NodeOutput {
    let forbidden = style::Forbidden::new(&input.config.style);
    let mut output = run(Node::Style, input, |view, findings| {
        style::check(view, &forbidden, findings);
    });
    output.problems.extend(forbidden.into_problems());
    output
}

/// Finds what does something else than it says.
#[must_use]
pub fn logic(input: &NodeInput) -> NodeOutput {
    run(Node::Logic, input, logic::check)
}

/// Finds what is slow, or grows too complex to change.
#[must_use]
pub fn performance(input: &NodeInput) -> NodeOutput {
    run(Node::Performance, input, performance::check)
}

/// The languages that a rule looks at; empty where it looks at all.
pub(crate) fn languages_of(rule: &Rule) -> Vec<Language> {
    let patterns = PATTERNS.iter().copied().flatten().copied().flatten();
    let of_patterns = patterns.filter(|pattern| pattern.rule.id == rule.id);
    let mut languages: Vec<_> =
        of_patterns.flat_map(|pattern| pattern.languages).copied().collect();
    languages.extend(rule.languages);
    languages.sort_unstable();
    languages.dedup();
    if languages.len() == Language::ALL.len() { Vec::new() } else { languages }
}

fn run(node: Node, input: &NodeInput, check: impl Fn(&View<'_>, &mut Findings<'_>)) -> NodeOutput {
    let mut findings = Findings::new(node, &input.config);
    for file in &input.files {
        findings.begin_file();
        for hunk in &file.hunks {
            check(&View::new(file, hunk), &mut findings);
        }
        findings.end_file();
    }
    findings.into_output()
}
