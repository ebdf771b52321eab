//! Where a node puts its findings.

use std::collections::HashSet;

use crate::config::Config;
use crate::finding::{FINDINGS_MAX, Finding, Node, NodeOutput};
use crate::rule::Rule;
use crate::source::View;

use super::security::mask;

/// How much of a line is shown, in characters.
const EVIDENCE_CHARS_MAX: usize = 160;

/// The most findings of one rule in one file: whoever has the habit knows by then.
const PER_RULE_AND_FILE_MAX: usize = 50;

/// What was found, by file and line once a file has ended.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    node: Node,
    pub(crate) config: &'a Config,
    list: Vec<Finding>,
    file_start: usize,
    seen: HashSet<(&'static str, u32)>,
    dropped: usize,
}

impl<'a> Findings<'a> {
    pub(super) fn new(node: Node, config: &'a Config) -> Self {
        Self { node, config, list: Vec::new(), file_start: 0, seen: HashSet::new(), dropped: 0 }
    }

    pub(super) fn begin_file(&mut self) {
        self.file_start = self.list.len();
        self.seen.clear();
    }

    pub(super) fn end_file(&mut self) {
        self.list[self.file_start..].sort_by(|a, b| (a.line, &a.rule).cmp(&(b.line, &b.rule)));
        if self.list.len() > FINDINGS_MAX {
            self.dropped += self.list.len() - FINDINGS_MAX;
            self.list.truncate(FINDINGS_MAX);
        }
    }

    pub(super) fn into_output(self) -> NodeOutput {
        NodeOutput { findings: self.list, dropped: self.dropped, problems: Vec::new() }
    }

    /// A rule speaks of a line that is new; of others it may not.
    pub(crate) fn add(&mut self, rule: &'static Rule, view: &View<'_>, place: usize) {
        if view.lines.get(place).is_some_and(|line| line.is_added) {
            self.add_anywhere(rule, view, place, |_| {});
        }
    }

    /// The same, with what only that place has.
    pub(crate) fn add_with(
        &mut self,
        rule: &'static Rule,
        view: &View<'_>,
        place: usize,
        change: impl FnOnce(&mut Finding),
    ) {
        if view.lines.get(place).is_some_and(|line| line.is_added) {
            self.add_anywhere(rule, view, place, change);
        }
    }

    /// A rule speaks of a line that is on the new side: something next to it is gone.
    pub(crate) fn add_anywhere(
        &mut self,
        rule: &'static Rule,
        view: &View<'_>,
        place: usize,
        change: impl FnOnce(&mut Finding),
    ) {
        debug_assert_eq!(rule.node, self.node, "a node applies its own rules: {}", rule.id);
        let Some(line) = view.lines.get(place) else { return };
        if self.config.disabled_rules.iter().any(|id| id == rule.id)
            || !self.seen.insert((rule.id, line.number))
        {
            return;
        }
        let of_rule = self.list[self.file_start..].iter().filter(|found| found.rule == rule.id);
        if of_rule.count() >= PER_RULE_AND_FILE_MAX {
            self.dropped += 1;
            return;
        }
        let mut finding = Finding {
            rule: rule.id.into(),
            node: rule.node,
            severity: rule.severity,
            confidence: rule.confidence,
            file: view.file.path.clone(),
            line: line.number,
            message: rule.message.into(),
            evidence: evidence(line.raw),
            why: rule.why.into(),
            advice: rule.advice.into(),
        };
        change(&mut finding);
        self.list.push(finding);
    }
}

/// A line as it may be shown and recorded: short, and without secrets.
fn evidence(raw: &str) -> String {
    let masked = mask(raw.trim());
    match masked.char_indices().nth(EVIDENCE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &masked[..end]),
        None => masked,
    }
}
