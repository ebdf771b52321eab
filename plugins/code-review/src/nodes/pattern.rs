//! Rules that are a regular expression on a line.
//!
//! **Invariants:** all patterns of a language are tried at once, so that a line costs the same
//! whatever their number; each is compiled once in the life of the process. A match begins in code,
//! never within a string or comment, unless the pattern is for those.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::language::Language;
use crate::rule::Rule;
use crate::source::{Line, View};

use super::findings::Findings;

/// What of a line a pattern is tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// Code without the insides of strings.
    Code,
    /// Code with them; the match must begin outside.
    Text,
}

/// Where a match counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Anywhere,
    /// In a loop, within its function.
    Loop,
    /// In a function that must not block.
    Async,
}

/// A rule's expression for some languages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern {
    pub(crate) rule: &'static Rule,
    pub(crate) languages: &'static [Language],
    pub(crate) on: On,
    pub(crate) regex: &'static str,
    /// What makes it harmless, on the same line; nothing where it is empty.
    unless: &'static str,
    place: Place,
    /// Whether it counts in tests.
    in_tests: bool,
}

pub(crate) const RUST: &[Language] = &[Language::Rust];
pub(crate) const PYTHON: &[Language] = &[Language::Python];
pub(crate) const SCRIPT: &[Language] = &[Language::JavaScript, Language::TypeScript];
pub(crate) const GO: &[Language] = &[Language::Go];
pub(crate) const JAVA: &[Language] = &[Language::Java];
pub(crate) const RUBY: &[Language] = &[Language::Ruby];
pub(crate) const SHELL: &[Language] = &[Language::Shell];
pub(crate) const SQL: &[Language] = &[Language::Sql];
pub(crate) const YAML: &[Language] = &[Language::Yaml];
pub(crate) const DOCKER: &[Language] = &[Language::Dockerfile];
/// Where commands of a shell stand.
pub(crate) const COMMANDS: &[Language] = &[Language::Shell, Language::Dockerfile, Language::Yaml];

impl Pattern {
    /// On code alone.
    pub(crate) const fn code(
        rule: &'static Rule,
        languages: &'static [Language],
        regex: &'static str,
    ) -> Self {
        let (on, place) = (On::Code, Place::Anywhere);
        Self { rule, languages, on, regex, unless: "", place, in_tests: true }
    }

    /// On code with its strings.
    pub(crate) const fn text(
        rule: &'static Rule,
        languages: &'static [Language],
        regex: &'static str,
    ) -> Self {
        let (on, place) = (On::Text, Place::Anywhere);
        Self { rule, languages, on, regex, unless: "", place, in_tests: true }
    }

    pub(crate) const fn unless(mut self, unless: &'static str) -> Self {
        self.unless = unless;
        self
    }

    pub(crate) const fn within(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    pub(crate) const fn not_in_tests(mut self) -> Self {
        self.in_tests = false;
        self
    }
}

/// A node's tables, compiled by language when that is first met.
#[derive(Debug)]
pub(crate) struct Tables {
    patterns: &'static [&'static [Pattern]],
    by_language: [OnceLock<[Table; 2]>; Language::ALL.len()],
}

/// The patterns of one language on one form of the line.
#[derive(Debug, Default)]
struct Table {
    set: RegexSet,
    entries: Vec<(Regex, Option<Regex>, &'static Pattern)>,
}

impl Tables {
    pub(crate) const fn new(patterns: &'static [&'static [Pattern]]) -> Self {
        Self { patterns, by_language: [const { OnceLock::new() }; Language::ALL.len()] }
    }

    /// Adds what the patterns find in the lines that are new.
    pub(crate) fn check(&self, view: &View<'_>, findings: &mut Findings<'_>) {
        let language = view.language();
        let Some(at) = Language::ALL.iter().position(|other| *other == language) else { return };
        let [code, text] = self.by_language[at]
            .get_or_init(|| [On::Code, On::Text].map(|on| Table::of(self.patterns, language, on)));
        for (place, line) in view.added() {
            code.check(view, place, line.code(), findings);
            text.check(view, place, line.text(), findings);
        }
    }
}

impl Table {
    fn of(tables: &'static [&'static [Pattern]], language: Language, on: On) -> Self {
        let all = tables.iter().copied().flatten();
        let own: Vec<_> = all
            .filter(|pattern| pattern.on == on && pattern.languages.contains(&language))
            .collect();
        let set = RegexSetBuilder::new(own.iter().map(|pattern| pattern.regex))
            .unicode(false)
            .build()
            .unwrap_or_default();
        let entries = own.into_iter().filter_map(|pattern| {
            let unless = (!pattern.unless.is_empty()).then(|| compile(pattern.unless));
            Some((compile(pattern.regex)?, unless.flatten(), pattern))
        });
        Self { set, entries: entries.collect() }
    }

    fn check(&self, view: &View<'_>, place: usize, line: &str, findings: &mut Findings<'_>) {
        // To ask whether any matches is far cheaper than to ask which, and nearly always no.
        if self.entries.is_empty() || !self.set.is_match(line.as_bytes()) {
            return;
        }
        for at in self.set.matches(line.as_bytes()) {
            let Some((regex, unless, pattern)) = self.entries.get(at) else { continue };
            let found = regex
                .find_iter(line.as_bytes())
                .any(|found| counts(pattern, view, place, line, found.range()));
            let text = view.lines[place].text();
            let is_harmless =
                unless.as_ref().is_some_and(|unless| unless.is_match(text.as_bytes()));
            if found && !is_harmless && (pattern.in_tests || !view.is_in_tests(place)) {
                findings.add(pattern.rule, view, place);
            }
        }
    }
}

/// An expression of this crate's own; a test compiles them all.
pub(crate) fn compile(regex: &str) -> Option<Regex> {
    RegexBuilder::new(regex).unicode(false).build().ok()
}

fn counts(
    pattern: &Pattern,
    view: &View<'_>,
    place: usize,
    line: &str,
    found: std::ops::Range<usize>,
) -> bool {
    let blanks =
        line.as_bytes()[found.start..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    // What a match needs as its first character may stand before what it is about.
    let begin = (found.start + blanks).min(found.end);
    if pattern.on == On::Text && !begins_in_code(&view.lines[place], begin) {
        return false;
    }
    match pattern.place {
        Place::Anywhere => true,
        Place::Loop => view.loop_around(place, found.end).is_some(),
        Place::Async => view.is_in_async(place, found.end),
    }
}

/// Whether a byte isn't within a string; a string's own quotes aren't.
pub(crate) fn begins_in_code(line: &Line<'_>, at: usize) -> bool {
    !line.literals().iter().any(|literal| literal.range.contains(&at))
}

#[cfg(test)]
mod tests {
    use crate::nodes::{PATTERNS, RULES};

    use super::*;

    #[test]
    fn every_pattern_compiles_and_has_a_listed_rule() {
        for (node, tables) in PATTERNS.iter().enumerate() {
            for pattern in tables.iter().copied().flatten() {
                let id = pattern.rule.id;
                assert!(compile(pattern.regex).is_some(), "{id}: {}", pattern.regex);
                assert!(compile(pattern.unless).is_some(), "{id}: {}", pattern.unless);
                assert!(!pattern.languages.is_empty(), "{id}");
                assert!(RULES[node].iter().any(|rule| rule.id == id), "{id} isn't listed");
            }
        }
    }

    #[test]
    fn every_rule_says_what_it_must() {
        let mut seen = std::collections::BTreeSet::new();
        for rule in crate::rule::all() {
            assert!(rule.id.starts_with(&format!("{}/", rule.node.name())), "{}", rule.id);
            assert!(seen.insert(rule.id), "{} stands twice", rule.id);
            for text in [rule.message, rule.why, rule.advice] {
                assert!(text.ends_with('.') && text.len() < 200, "{}: {text}", rule.id);
            }
        }
    }
}
