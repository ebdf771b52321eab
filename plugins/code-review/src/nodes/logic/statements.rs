//! Statements of SQL and trees of YAML.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::View;

use super::rules::*;

/// The longest statement that is read, in lines.
const STATEMENT_LINES_MAX: usize = 200;

static CHANGES: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"(?i)^(?:delete\s+from\s+\S+|update\s+(?:only\s+)?\S+\s+set\s)"));

static ADDS_COLUMN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(r"(?i)\badd\s+(?:column\s+)?(?:if\s+not\s+exists\s+)?\S+\s+[^,;]*\bnot\s+null\b")
});

fn is_match(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    LazyLock::force(regex).as_ref().is_some_and(|regex| regex.is_match(text.as_bytes()))
}

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    match view.language() {
        Language::Sql => sql(view, findings),
        Language::Yaml => yaml(view, findings),
        _ => {}
    }
}

fn sql(view: &View<'_>, findings: &mut Findings<'_>) {
    let mut text = String::new();
    let mut first = 0;
    let mut is_explained = false;
    for (place, line) in view.lines.iter().enumerate() {
        let code = line.code().trim();
        if text.is_empty() {
            first = place;
        }
        if !code.is_empty() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(code);
        }
        let says_all = |comment: &str| comment.to_ascii_lowercase().contains("all");
        is_explained |= line.comments().any(says_all);
        if code.ends_with(';') {
            statement(view, first, &text, is_explained, findings);
        }
        if code.ends_with(';') || place - first > STATEMENT_LINES_MAX {
            text.clear();
            is_explained = false;
        }
    }
}

fn statement(
    view: &View<'_>,
    first: usize,
    text: &str,
    is_explained: bool,
    findings: &mut Findings<'_>,
) {
    let lower = text.to_ascii_lowercase();
    let is_limited =
        [" where ", " limit ", " using ", " join "].iter().any(|word| lower.contains(word));
    if is_match(&CHANGES, text) && !is_limited && !is_explained {
        findings.add(&STATEMENT_WITHOUT_WHERE, view, first);
    }
    let is_filled =
        lower.contains(" default ") || lower.contains("generated ") || lower.contains("serial");
    if lower.starts_with("alter table") && is_match(&ADDS_COLUMN, text) && !is_filled {
        findings.add(&NOT_NULL_WITHOUT_DEFAULT, view, first);
    }
}

/// Keys of one mapping stand at one indentation with nothing less indented between them.
fn yaml(view: &View<'_>, findings: &mut Findings<'_>) {
    let mut open: Vec<(usize, BTreeMap<&str, usize>)> = Vec::new();
    // The indentation of a key whose text goes on below.
    let mut text_of: Option<usize> = None;
    for (place, line) in view.lines.iter().enumerate() {
        let code = line.code().trim_end();
        if code.trim().is_empty() {
            continue;
        }
        let mut indent = line.indent();
        if text_of.is_some_and(|key| indent > key) {
            continue;
        }
        text_of = None;
        let mut rest = code.trim_start();
        // Each item of a list is a mapping of its own; a document as well.
        while let Some(item) = rest.strip_prefix("- ") {
            open.retain(|(at, _)| *at <= indent);
            indent += rest.len() - item.trim_start().len();
            rest = item.trim_start();
        }
        if rest.starts_with("---") {
            open.clear();
            continue;
        }
        open.retain(|(at, _)| *at <= indent);
        let Some(key) = key(line.raw.trim_start().trim_start_matches("- "), rest) else { continue };
        if rest.ends_with(['|', '>']) || rest.ends_with("|-") || rest.ends_with(">-") {
            text_of = Some(indent);
        }
        if open.last().is_none_or(|(at, _)| *at < indent) {
            open.push((indent, BTreeMap::new()));
        }
        if let Some((_, keys)) = open.last_mut()
            && let Some(earlier) = keys.insert(key, place)
        {
            let at = if line.is_added { place } else { earlier };
            findings.add(&YAML_DUPLICATE_KEY, view, at);
        }
    }
}

/// The key of a line: a word, a colon, and a blank or nothing.
fn key<'l>(raw: &'l str, code: &str) -> Option<&'l str> {
    let end = code.find(": ").or_else(|| code.ends_with(':').then(|| code.len() - 1))?;
    let key = raw.get(..end)?;
    let is_plain =
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/".contains(&b));
    is_plain.then_some(key)
}
