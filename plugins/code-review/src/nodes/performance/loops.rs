//! Loops whose time grows faster than what they go through.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::{Line, View};

use super::rules::*;

/// Where a list gets its name, by language.
static LIST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"^\s*(\w+)\s*(?::\s*[lL]ist[^=]*)?=\s*(?:\[|list\(|sorted\()|\b(?:const|let|var)\s+(\w+)\s*(?::[^=]+)?=\s*(?:\[|Array\.from\()|\blet\s+(?:mut\s+)?(\w+)\s*(?::\s*Vec<[^=]*)?=\s*(?:Vec::|vec!|.*\.collect::<Vec)|\b(\w+)\s*=\s*new\s+(?:ArrayList|LinkedList)\b|\b(\w+)\s*:=\s*(?:make\(\[\]|\[\]\w+\{)",
    )
});

/// What asks whether something is in it.
static ASKED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"\b(?:if|elif|while|and|or)\b.*\s(?:not\s+)?in\s+(\w+)\s*(?::|\)|and\b|or\b)|\b(\w+)\.(?:includes|indexOf|contains)\s*\(|\bslices\.Contains\(\s*(\w+)\s*,",
    )
});

/// Where a text gets its name.
static EMPTY_TEXT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r#"^\s*(?:String\s+|var\s+)?(\w+)\s*:?=\s*(?:""|''|f?["'].*["'])\s*;?\s*$|^\s*var\s+(\w+)\s+string\s*$"#,
    )
});

static GROWS: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"^\s*(\w+)\s*\+=\s*(.*)$|^\s*(\w+)\s*=\s*(\w+)\s*\+\s*(.*)$"));

static AWAITS: LazyLock<Option<Regex>> = LazyLock::new(|| compile(r"\bawait\s+[\w.$\[\]]+\s*\("));

/// Awaits whose turns depend on each other, or are meant to wait.
const WAITS: &[&str] = &[
    "sleep",
    "delay",
    "wait(",
    "waitfor",
    "settimeout",
    "next(",
    ".read(",
    "tick(",
    "flush",
    "retry",
    "drain",
    "write(",
    "import(",
    "pause",
    "yield",
];

fn find(regex: &LazyLock<Option<Regex>>, text: &str) -> Option<String> {
    let captures = LazyLock::force(regex).as_ref()?.captures(text.as_bytes())?;
    let group = captures.iter().skip(1).flatten().next()?;
    text.get(group.range()).map(str::to_owned)
}

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    let language = view.language();
    let mut lists = BTreeSet::new();
    let mut texts = BTreeSet::new();
    for (place, line) in view.lines.iter().enumerate() {
        let code = line.code();
        if line.is_added && code.contains("await") && awaits_each(view, place) {
            findings.add(&AWAIT_IN_LOOP, view, place);
        }
        if line.is_added && is_asked(view, place, &lists) {
            findings.add(&MEMBERSHIP_IN_LOOP, view, place);
        }
        if line.is_added && grows(language, line, &texts) && view.loop_around(place, 0).is_some() {
            findings.add(&STRING_BUILDING, view, place);
        }
        // A name counts from its line on.
        if !(code.contains('=') || code.contains("string")) {
            continue;
        }
        if let Some(name) = find(&LIST, code) {
            lists.insert(name);
        } else if let Some(name) = find(&EMPTY_TEXT, code) {
            texts.insert(name);
        }
    }
}

fn is_asked(view: &View<'_>, place: usize, lists: &BTreeSet<String>) -> bool {
    let code = view.lines[place].code();
    let asks = [" in ", ".includes(", ".indexOf(", ".contains(", "slices.Contains("];
    if lists.is_empty() || !asks.iter().any(|word| code.contains(word)) {
        return false;
    }
    let column = code.len();
    find(&ASKED, code).is_some_and(|name| lists.contains(&name))
        && (view.loop_around(place, 0).is_some() || view.loop_around(place, column).is_some())
}

fn grows(language: Language, line: &Line<'_>, texts: &BTreeSet<String>) -> bool {
    let knows = matches!(language, Language::Python | Language::Java | Language::Go);
    let code = line.code();
    if !knows || !code.contains('+') {
        return false;
    }
    let Some(captures) =
        LazyLock::force(&GROWS).as_ref().and_then(|regex| regex.captures(code.as_bytes()))
    else {
        return false;
    };
    let text = |at: usize| captures.get(at).and_then(|group| code.get(group.range()));
    let name = match (text(1), text(3), text(4)) {
        (Some(name), ..) => name,
        (None, Some(name), Some(same)) if name == same => name,
        _ => return false,
    };
    texts.contains(name)
}

fn awaits_each(view: &View<'_>, place: usize) -> bool {
    if !view.language().is_script() || view.is_in_tests(place) {
        return false;
    }
    let line = &view.lines[place];
    let code = line.code();
    let Some(found) =
        LazyLock::force(&AWAITS).as_ref().and_then(|regex| regex.find(code.as_bytes()))
    else {
        return false;
    };
    let lower = code.to_ascii_lowercase();
    let is_meant = WAITS.iter().any(|word| lower.contains(word)) || code.contains("for await");
    let around = view.loop_around(place, found.start() + 1);
    // A loop over what is there, not until something comes.
    let is_over = around.is_some_and(|block| {
        block.header.contains("for")
            && block.header.contains(" of ")
            && !block.header.contains("await")
    });
    !is_meant && is_over
}
