//! What a rule is. The rules themselves stand with their nodes; [`all`] lists them.

use crate::finding::{Confidence, Node, Severity};
use crate::language::Language;
use crate::nodes;

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its stable id: the node's name, a slash, and a name of its own.
    pub id: &'static str,
    /// The node that applies it.
    pub node: Node,
    /// How bad what it finds is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// What it says of a place.
    pub message: &'static str,
    /// Why that is bad.
    pub why: &'static str,
    /// What to do about it.
    pub advice: &'static str,
    /// What it has in common with others: of several of one cause at one place, one is kept.
    pub cause: &'static str,
    /// The languages that it looks at; empty where it looks at all.
    pub languages: &'static [Language],
}

impl Rule {
    pub(crate) const fn new(id: &'static str, node: Node, severity: Severity) -> Self {
        Self {
            id,
            node,
            severity,
            confidence: Confidence::High,
            message: "",
            why: "",
            advice: "",
            cause: id,
            languages: &[],
        }
    }

    pub(crate) const fn says(
        mut self,
        message: &'static str,
        why: &'static str,
        advice: &'static str,
    ) -> Self {
        self.message = message;
        self.why = why;
        self.advice = advice;
        self
    }

    pub(crate) const fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    pub(crate) const fn cause(mut self, cause: &'static str) -> Self {
        self.cause = cause;
        self
    }

    pub(crate) const fn languages(mut self, languages: &'static [Language]) -> Self {
        self.languages = languages;
        self
    }
}

/// Every rule, by node and in the order of its table.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    nodes::RULES.iter().flat_map(|rules| rules.iter().copied())
}

/// The rule of an id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}
