//! Ways through the code: lines that nothing leads to, cases that run on, questions asked twice.

use std::collections::BTreeMap;

use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::source::View;
use crate::source::blocks::{Block, BlockKind};

use super::rules::*;

/// Deeper ones aren't looked at: each line is read once for every switch that it is in.
const DEPTH_MAX: usize = 20;

/// How many branches of a chain are compared.
const CHAIN_MAX: usize = 50;

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    for (place, line) in view.lines.iter().enumerate() {
        // Either the line is new, or the one before that leaves.
        if is_unreachable(view, place) {
            let at = if line.is_added { Some(place) } else { view.previous_code(place) };
            findings.add(&UNREACHABLE_CODE, view, at.unwrap_or(place));
        }
        if line.is_added && returns_in_finally(view, place) {
            findings.add(&RETURN_IN_FINALLY, view, place);
        }
    }
    let has_cases =
        view.language().is_script() || matches!(view.language(), Language::Java | Language::C);
    if has_cases {
        fallthrough(view, findings);
    }
    chains(view, findings);
    goroutines(view, findings);
}

/// Whether the statement before a line always leaves, and the line is in the same block.
fn is_unreachable(view: &View<'_>, place: usize) -> bool {
    let language = view.language();
    let knows = language.has_braces() || language == Language::Python;
    let code = view.lines[place].code().trim();
    if !knows || code.is_empty() || begins_elsewhere(language, code) {
        return false;
    }
    let Some(before) = view.previous_code(place) else { return false };
    let (line, indent) = (&view.lines[before], view.lines[place].indent());
    if line.indent() != indent || !leaves(language, line.code().trim()) {
        return false;
    }
    // A condition without braces leaves only where it holds.
    let above = view.previous_code(before).map(|above| &view.lines[above]);
    let is_conditional = above.is_some_and(|above| {
        let code = above.code().trim_end();
        above.indent() < indent && !code.ends_with(['{', ';', '}', ':'])
            || language.has_braces() && (code.ends_with(')') || code.ends_with("else"))
    });
    !is_conditional
}

/// What begins a way of its own, or isn't run.
fn begins_elsewhere(language: Language, code: &str) -> bool {
    const ELSEWHERE: &[&str] = &[
        "}",
        "case ",
        "default",
        "else",
        "elif",
        "except",
        "finally",
        "catch",
        "#",
        "function ",
        "async function ",
        "fn ",
        "pub ",
        "struct ",
        "enum ",
        "impl ",
        "const ",
        "mod ",
        "use ",
        "static ",
        "export ",
        "class ",
        "def ",
        "@",
        ")",
        "]",
        "//",
        ".",
        "?",
        ":",
        "&&",
        "||",
        "+",
        "|",
        "type ",
        "interface ",
        "macro_rules!",
        "yield",
        "trait ",
        "unsafe ",
    ];
    let is_label = code.ends_with(':')
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:'".contains(&b));
    // A generator is made of a function by a `yield` that is never reached.
    let is_const = language.is_script() && code.starts_with("const ");
    is_label || (ELSEWHERE.iter().any(|begin| code.starts_with(begin)) && !is_const)
}

fn leaves(language: Language, code: &str) -> bool {
    let word = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
    let balance =
        |open: char, close: char| code.matches(open).count() == code.matches(close).count();
    let is_whole = balance('(', ')') && balance('[', ']') && balance('{', '}');
    let is_left = match language {
        Language::Python => matches!(word, "return" | "raise" | "break" | "continue"),
        Language::Go => matches!(word, "return" | "break" | "continue" | "goto"),
        Language::Rust => matches!(word, "return" | "break" | "continue"),
        _ => matches!(word, "return" | "throw" | "break" | "continue"),
    };
    let ends = match language {
        Language::Python => !code.ends_with(['\\', ',', '(', '[', '{']),
        Language::Go => !code.ends_with([',', '(', '+', '{', '|', '&', '.']),
        _ => code.ends_with(';'),
    };
    is_left && is_whole && ends
}

fn returns_in_finally(view: &View<'_>, place: usize) -> bool {
    let code = view.lines[place].code().trim_start();
    let returns = code
        .strip_prefix("return")
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    returns
        && view
            .around(
                place,
                view.lines[place].raw.len() - code.len().min(view.lines[place].raw.len()),
            )
            .take_while(|block| !block.kind.is_function())
            .any(|block| block.kind == BlockKind::Finally)
}

/// A case with statements whose last one doesn't leave. The switch may begin above the hunk.
fn fallthrough(view: &View<'_>, findings: &mut Findings<'_>) {
    // For each block, or what is above the hunk, the last line of the case that is open there.
    let mut open: BTreeMap<Option<usize>, Option<usize>> = BTreeMap::new();
    for (place, line) in view.lines.iter().enumerate() {
        let code = line.code().trim();
        if code.is_empty() {
            continue;
        }
        let around: Vec<_> = view.around(place, 0).map(|block| (block.kind, block.open)).collect();
        let innermost = around.first().map(|(_, open)| *open);
        let is_label = code.starts_with("case ") || code.starts_with("default:");
        if !is_label {
            // Whatever is deeper is part of the case as well.
            let outer = around.iter().map(|(_, open)| Some(*open)).chain([None]);
            for block in outer.take(DEPTH_MAX) {
                if let Some(last) = open.get_mut(&block) {
                    *last = Some(place);
                }
            }
            continue;
        }
        let is_switch = around.first().is_none_or(|(kind, _)| *kind == BlockKind::Switch);
        if !is_switch || code.contains("->") {
            continue;
        }
        let last = open.get(&innermost).copied().flatten();
        if last.is_some_and(|last| runs_on(view, last, place)) {
            findings.add(&SWITCH_FALLTHROUGH, view, place);
        }
        // What stands behind the colon on the same line is a statement.
        let behind = code.split_once(": ").map_or("", |(_, behind)| behind.trim());
        open.insert(innermost, (!behind.is_empty() && !behind.ends_with(':')).then_some(place));
    }
}

/// Whether a case's last line lets the next one run, and no comment says so.
fn runs_on(view: &View<'_>, last: usize, label: usize) -> bool {
    const LEAVE: &[&str] = &["break", "return", "throw", "continue", "process.exit", "System.exit"];
    let code = view.lines[last].code().trim();
    let leaves = LEAVE.iter().any(|word| code.contains(word));
    let is_label =
        code.ends_with(':') && (code.starts_with("case ") || code.starts_with("default"));
    let block = code == "}" || code == "};";
    // A block may leave in all its ways: only its own last line is looked at.
    let block_leaves = block && last > 0 && {
        let inner = view.lines[last - 1].code().trim();
        LEAVE.iter().any(|word| inner.starts_with(word))
    };
    // What goes on over lines ends with its bracket.
    let statement_leaves = LEAVE.iter().any(|word| view.statement(last).starts_with(word));
    let says_so = view.lines[last..=label].iter().any(|line| {
        line.comments().any(|comment| {
            let comment = comment.to_ascii_lowercase();
            comment.contains("fall") || comment.contains("no break")
        })
    });
    !(leaves || is_label || block_leaves || statement_leaves || says_so)
}

/// `if a … else if a`.
fn chains(view: &View<'_>, findings: &mut Findings<'_>) {
    // The last condition of each depth and parent, with those that the chain has asked.
    let mut open: BTreeMap<Option<usize>, (usize, Vec<String>)> = BTreeMap::new();
    for block in view.blocks().iter().filter(|block| block.kind == BlockKind::Condition) {
        let Some((is_first, condition)) = condition(view, block) else { continue };
        let chain = open.entry(block.parent).or_default();
        if is_first || chain.0 + CHAIN_MAX * 10 < block.first {
            chain.1.clear();
        } else if chain.1.contains(&condition) {
            findings.add(&DUPLICATE_CONDITION, view, block.first);
        }
        chain.0 = block.first;
        if chain.1.len() < CHAIN_MAX {
            chain.1.push(condition);
        }
    }
}

/// Whether a block begins a chain, and what it asks, with the strings that it compares with.
fn condition(view: &View<'_>, block: &Block) -> Option<(bool, String)> {
    let lines = &view.lines[block.first..=block.open.min(block.first + 4)];
    let text: String = lines.iter().map(|line| line.text().trim()).collect::<Vec<_>>().join(" ");
    let text = text.trim_start_matches(['}', ' ']);
    let later = ["else if ", "elif ", "elsif "].iter().find_map(|word| text.strip_prefix(word));
    let (is_first, rest) =
        match (later, text.strip_prefix("if ").or_else(|| text.strip_prefix("if("))) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return None,
        };
    let end = match view.language() {
        Language::Python => rest.rfind(':'),
        Language::Ruby => Some(rest.len()),
        _ => rest.find('{'),
    };
    let condition = rest.get(..end?)?.trim().trim_start_matches('(').trim_end_matches(')').trim();
    // What a condition binds can be something else each time.
    let binds = condition.starts_with("let ") || condition.contains(":=");
    (!condition.is_empty() && !binds).then(|| (is_first, condition.to_owned()))
}

/// A goroutine that adds itself to the group that is waited for.
fn goroutines(view: &View<'_>, findings: &mut Findings<'_>) {
    if view.language() != Language::Go {
        return;
    }
    for (place, line) in view.added() {
        let code = line.code().trim();
        let adds = code.ends_with(".Add(1)") && !code.contains(' ');
        let function = view.around(place, 0).find(|block| block.kind.is_function());
        if adds && function.is_some_and(|function| function.header.starts_with("go func")) {
            findings.add(&WAITGROUP_INSIDE, view, place);
        }
    }
}
