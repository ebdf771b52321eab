//! Patterns that a tenant forbids.
//!
//! They are compiled once for a run. One that can't be is a problem that the node reports, and the
//! others are applied.

use regex::{Regex, RegexBuilder};

use crate::config::{FORBIDDEN_COMPILED_BYTES_MAX, FORBIDDEN_MAX, ForbiddenPattern, StyleConfig};
use crate::nodes::findings::Findings;
use crate::nodes::pattern::begins_in_code;
use crate::source::View;

use super::rules::FORBIDDEN_PATTERN;

/// What a tenant forbids, ready to be applied.
#[derive(Debug)]
pub(crate) struct Forbidden<'a> {
    patterns: Vec<(Regex, &'a ForbiddenPattern)>,
    problems: Vec<String>,
}

impl<'a> Forbidden<'a> {
    pub(crate) fn new(config: &'a StyleConfig) -> Self {
        let mut forbidden = Self { patterns: Vec::new(), problems: Vec::new() };
        for (at, pattern) in config.forbidden.iter().enumerate().take(FORBIDDEN_MAX) {
            let regex = RegexBuilder::new(&pattern.pattern)
                .size_limit(FORBIDDEN_COMPILED_BYTES_MAX)
                .build();
            match regex {
                Ok(regex) => forbidden.patterns.push((regex, pattern)),
                Err(_) => forbidden.problems.push(format!("forbidden pattern {at} can't be used")),
            }
        }
        if config.forbidden.len() > FORBIDDEN_MAX {
            forbidden.problems.push(format!("only {FORBIDDEN_MAX} forbidden patterns are used"));
        }
        forbidden
    }

    pub(crate) fn into_problems(self) -> Vec<String> {
        self.problems
    }

    pub(super) fn check(&self, view: &View<'_>, findings: &mut Findings<'_>) {
        for (regex, pattern) in &self.patterns {
            let is_for = |path: &String| view.file.path.starts_with(path.as_str());
            if !pattern.paths.is_empty() && !pattern.paths.iter().any(is_for) {
                continue;
            }
            for (place, line) in view.added() {
                let found = regex.find(line.text());
                if found.is_some_and(|found| begins_in_code(line, found.start())) {
                    findings.add_with(&FORBIDDEN_PATTERN, view, place, |finding| {
                        finding.message = pattern.message.clone().into();
                        finding.severity = pattern.severity;
                    });
                }
            }
        }
    }
}
