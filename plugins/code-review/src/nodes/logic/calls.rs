//! Calls and loops that are off: not waited for, one too far, defaults that change.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::View;
use crate::source::blocks::BlockKind;

use super::rules::*;

/// How many lines below a question whether a file is there it counts.
const ACT_LINES: usize = 3;

/// A name of an asynchronous function.
static ASYNC_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"\basync\s+(?:def|function|fn)\s+([A-Za-z_$][\w$]*)|\bconst\s+([A-Za-z_$][\w$]*)\s*=\s*async\b",
    )
});

/// A call that is a whole statement.
static CALL: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"^\s*(?:self\.|this\.)?([A-Za-z_$][\w$]*)\(.*\)\s*;?\s*$"));

/// An answer of `fetch` that is used as if it were there.
static FETCHED: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"^\s*(?:const|let|var)\s+(\w+)\s*=\s*fetch\("));

/// A loop whose index reaches the length.
static REACHES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"\bfor\b.*[^<]<=\s*(?:[\w.]+\.(?:length(?:\(\))?|size\(\)|len\(\)|count)|len\([\w.]+\))\s*(?:;|\{|$)|\bin\s+[\w.]+\.\.=\s*[\w.]+\.len\(\)\s*\{",
    )
});

/// An element at the length, which is behind the last one.
static AT_LENGTH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"\b([\w.]+)\[\s*(?:([\w.]+)\.(?:length|len\(\)|size\(\))|len\(([\w.]+)\))\s*\]|\b([\w.]+)\.get\(\s*([\w.]+)\.size\(\)\s*\)",
    )
});

static DEFAULT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"[(,]\s*\w+\s*(?::[^=,()]*(?:\[[^\]]*\])?\s*)?=\s*(?:\[|\{|(?:set|dict|list|defaultdict|deque)\()",
    )
});

static ASKS_FILE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"\bif\s+(?:not\s+)?os\.path\.(?:exists|isfile)\(\s*([\w.]+)\s*\)\s*:|\bif\s*\(\s*!?fs\.existsSync\(\s*([\w.]+)\s*\)\s*\)",
    )
});

/// What then uses the file.
static USES_FILE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"\b(?:os\.(?:remove|unlink|rename|mkdir|makedirs)|open|fs\.(?:unlinkSync|mkdirSync|readFileSync|writeFileSync))\(\s*([\w.]+)",
    )
});

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    let names = async_names(view);
    let arguments = argument_lines(view);
    for (place, line) in view.added() {
        let code = line.code();
        if calls_without_waiting(view, place, &names) || uses_promise(view, place) {
            findings.add(&MISSING_AWAIT, view, place);
        }
        if reaches_length(view.language(), code) {
            findings.add(&OFF_BY_ONE, view, place);
        }
        if view.language() == Language::Python && has_mutable_default(view, place, &arguments) {
            findings.add(&MUTABLE_DEFAULT, view, place);
        }
        if acts_after_asking(view, place) {
            findings.add(&CHECK_THEN_ACT, view, place);
        }
    }
}

fn find(regex: &LazyLock<Option<Regex>>, text: &str, groups: &[usize]) -> Option<String> {
    let captures = LazyLock::force(regex).as_ref()?.captures(text.as_bytes())?;
    let group = groups.iter().find_map(|group| captures.get(*group))?;
    text.get(group.range()).map(str::to_owned)
}

/// The asynchronous functions that the hunk shows, but for those that another one shadows.
fn async_names(view: &View<'_>) -> BTreeSet<String> {
    let knows = view.language().is_script() || view.language() == Language::Python;
    let lines = view.lines.iter().filter(|line| knows && line.code().contains("async"));
    lines.filter_map(|line| find(&ASYNC_NAME, line.code(), &[1, 2])).collect()
}

/// In JavaScript a promise may be left to itself outside of asynchronous functions.
fn calls_without_waiting(view: &View<'_>, place: usize, names: &BTreeSet<String>) -> bool {
    if names.is_empty() {
        return false;
    }
    let code = view.lines[place].code();
    let Some(name) = find(&CALL, code, &[1]) else { return false };
    let goes_on = code.contains(".then(") || code.contains(".catch(");
    let begins = match view.previous_code(place) {
        Some(previous) => {
            let code = view.lines[previous].code().trim_end();
            code.ends_with([';', '{', '}', ':', ')'])
        }
        None => true,
    };
    names.contains(&name) && !goes_on && begins && view.is_in_async(place, code.len())
}

fn uses_promise(view: &View<'_>, place: usize) -> bool {
    if !view.language().is_script() {
        return false;
    }
    let code = view.lines[place].code();
    if !code.contains("fetch(") {
        return false;
    }
    let Some(name) = find(&FETCHED, code, &[1]) else { return false };
    let end = view.lines.len().min(place + 6);
    let uses = [".json(", ".text(", ".ok", ".status"].map(|member| format!("{name}{member}"));
    !code.contains(".then(")
        && view.lines[place + 1..end]
            .iter()
            .any(|line| uses.iter().any(|used| line.code().contains(used)))
}

fn reaches_length(language: Language, code: &str) -> bool {
    let has_index = language.has_braces() || language == Language::Python;
    if !has_index || !["len", "size", "count"].iter().any(|word| code.contains(word)) {
        return false;
    }
    let is_loop =
        LazyLock::force(&REACHES).as_ref().is_some_and(|regex| regex.is_match(code.as_bytes()));
    is_loop || reads_at_length(code)
}

/// `a[a.length]`; as the target of an assignment it appends.
fn reads_at_length(code: &str) -> bool {
    let Some(regex) = LazyLock::force(&AT_LENGTH).as_ref() else { return false };
    regex.captures_iter(code.as_bytes()).any(|captures| {
        let text = |at: usize| captures.get(at).and_then(|group| code.get(group.range()));
        let owner = text(1).or_else(|| text(4));
        let of = text(2).or_else(|| text(3)).or_else(|| text(5));
        let end = captures.get(0).map_or(0, |whole| whole.end());
        let behind = code.as_bytes().get(end..).unwrap_or_default().trim_ascii_start();
        let is_target = behind.first() == Some(&b'=') && behind.get(1) != Some(&b'=');
        owner.is_some() && owner == of && !is_target
    })
}

/// In the first line of a function, or in a further line of its arguments.
fn has_mutable_default(view: &View<'_>, place: usize, arguments: &BTreeSet<usize>) -> bool {
    let code = view.lines[place].code();
    let is_match = |text: &str| {
        LazyLock::force(&DEFAULT).as_ref().is_some_and(|regex| regex.is_match(text.as_bytes()))
    };
    let text = code.trim_start();
    if text.starts_with("def ") || text.starts_with("async def ") {
        // What stands behind the arguments is the body.
        let end = code.rfind("):").or_else(|| code.rfind(") ->")).unwrap_or(code.len());
        return is_match(&code[..end]);
    }
    arguments.contains(&place) && is_match(&format!("({text}"))
}

/// The lines between a function's name and its body.
fn argument_lines(view: &View<'_>) -> BTreeSet<usize> {
    let functions = view.blocks().iter().filter(|block| block.kind.is_function());
    functions.flat_map(|block| block.first + 1..=block.open).collect()
}

fn acts_after_asking(view: &View<'_>, place: usize) -> bool {
    let code = view.lines[place].code();
    if !(code.contains("exists") || code.contains("isfile")) {
        return false;
    }
    let Some(asked) = find(&ASKS_FILE, code, &[1, 2]) else { return false };
    let end = view.lines.len().min(place + 1 + ACT_LINES);
    let is_condition = |line: usize| {
        view.around(line, 0).next().is_some_and(|block| block.kind == BlockKind::Condition)
    };
    (place + 1..end).any(|next| {
        let used = find(&USES_FILE, view.lines[next].code(), &[1]);
        used.as_deref() == Some(asked.as_str()) && is_condition(next)
    })
}
