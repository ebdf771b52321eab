//! Errors that nobody looks at.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::View;
use crate::source::blocks::BlockKind;

use super::rules::*;

/// Calls whose success matters, thrown away by name or by turning it into nothing.
static DISCARDED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"^\s*let\s+_\s*=\s*.*(?:\bfs::\w+\(|\.(?:flush|write_all|sync_all|sync_data|commit|execute|save|persist|set_permissions)\()|(?:\bfs::\w+\(|\.(?:flush|write_all|sync_all|sync_data|commit|execute|save|persist)\().*\.ok\(\)\s*;\s*$",
    )
});

/// What brings something in from outside.
static INPUT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"\benv::(?:var|args)\b|\bfs::(?:read|read_to_string|read_dir|metadata)\b|\bFile::open\b|\bserde_\w+::from_\w+\b|\btoml::from_str\b|\.parse(?:::<[^>]*>)?\(\)|\bfrom_utf8\(|\bread_line\(|\bread_to_(?:string|end)\(|\bUrl::parse\(|\breqwest::(?:blocking::)?get\(|\.send\(\)|\.json(?:::<[^>]*>)?\(\)|\bTcp(?:Stream|Listener)::(?:connect|bind)\b|\.headers\(\)|\bregex::Regex::new\(\s*&",
    )
});

static EXCEPT_ALL: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"^\s*except(?:\s+(?:Base)?Exception(?:\s+as\s+\w+)?)?\s*:"));

fn is_match(regex: &LazyLock<Option<Regex>>, text: &str) -> bool {
    LazyLock::force(regex).as_ref().is_some_and(|regex| regex.is_match(text.as_bytes()))
}

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    match view.language() {
        Language::Rust => rust(view, findings),
        Language::Python => python(view, findings),
        Language::JavaScript | Language::TypeScript | Language::Java => catches(view, findings),
        Language::Go => go(view, findings),
        Language::Ruby => ruby(view, findings),
        _ => {}
    }
}

fn rust(view: &View<'_>, findings: &mut Findings<'_>) {
    for (place, line) in view.added() {
        let code = line.code();
        let discards = code.contains("let _ =") || code.contains(".ok();");
        if discards
            && is_match(&DISCARDED, code)
            && !is_explained(view, place)
            && !view.is_in_tests(place)
        {
            findings.add(&IGNORED_RESULT, view, place);
        }
        if (code.contains(".unwrap()") || code.contains(".expect("))
            && !view.is_in_tests(place)
            && !is_build_script(view)
            && is_match(&INPUT, &view.statement(place))
        {
            findings.add(&UNWRAP_ON_INPUT, view, place);
        }
    }
}

/// Programs that help to build or to show may end where something isn't as it should be.
fn is_build_script(view: &View<'_>) -> bool {
    let path = &view.file.path;
    path.ends_with("build.rs")
        || path.split('/').any(|folder| folder == "examples" || folder == "xtask")
}

/// Whether a comment says why.
fn is_explained(view: &View<'_>, place: usize) -> bool {
    let above = place.checked_sub(1).map(|above| &view.lines[above]);
    view.lines[place].has_comment()
        || above.is_some_and(|line| line.is_blank() && line.has_comment())
}

fn python(view: &View<'_>, findings: &mut Findings<'_>) {
    for (place, line) in view.added() {
        if !is_match(&EXCEPT_ALL, line.code()) {
            continue;
        }
        let body = view.next_code(place);
        let one_liner = line.code().trim_end().ends_with("pass");
        let is_empty = one_liner
            || body.is_some_and(|next| {
                matches!(view.lines[next].code().trim(), "pass" | "..." | "continue")
            });
        let is_bare = line.code().trim_start().starts_with("except:");
        if is_empty && !has_comment_between(view, place, body) {
            findings.add(&SWALLOWED_ERROR, view, place);
        } else if is_bare && !raises_again(view, place) {
            findings.add(&BARE_EXCEPT, view, place);
        }
    }
}

fn has_comment_between(view: &View<'_>, place: usize, body: Option<usize>) -> bool {
    let last = body.unwrap_or(place);
    view.lines[place..=last].iter().any(crate::source::Line::has_comment)
}

/// Whether the block of an `except` ends by raising what it caught.
fn raises_again(view: &View<'_>, place: usize) -> bool {
    let indent = view.lines[place].indent();
    let body = view.lines[place + 1..].iter().take(20);
    let mut body = body.take_while(|line| line.is_blank() || line.indent() > indent);
    body.any(|line| line.code().trim() == "raise" || line.code().trim_start().starts_with("raise "))
}

/// `catch` with nothing in it, not even a comment.
fn catches(view: &View<'_>, findings: &mut Findings<'_>) {
    for block in view.blocks() {
        let (BlockKind::Catch, Some(last)) = (block.kind, block.last) else { continue };
        if last > block.open + 10 {
            continue;
        }
        let is_empty = view.lines[block.open..=last].iter().enumerate().all(|(at, line)| {
            let code = line.code();
            let code = if at == 0 {
                code.find("catch")
                    .map_or("", |from| code[from..].split_once('{').map_or("", |(_, rest)| rest))
            } else {
                code
            };
            code.split('}').next().unwrap_or_default().trim().is_empty()
        });
        let is_explained =
            view.lines[block.open..=last].iter().any(crate::source::Line::has_comment);
        // Names that say that it is meant.
        let is_meant = ["ignored", "ignore", "expected", "_"].iter().any(|name| {
            block.header.ends_with(&format!(" {name})"))
                || block.header.ends_with(&format!("({name})"))
        });
        if is_empty && !is_explained && !is_meant {
            findings.add(&SWALLOWED_ERROR, view, block.open);
        }
    }
}

/// `if err != nil {}`.
fn go(view: &View<'_>, findings: &mut Findings<'_>) {
    for block in view.blocks() {
        let Some(last) = block.last.filter(|_| block.header.contains("err != nil")) else {
            continue;
        };
        let is_short = last <= block.open + 1;
        let inner = view.lines[block.open].code().rsplit('{').next().unwrap_or_default();
        let is_empty = is_short && inner.trim_matches(['}', ' ', '\t']).is_empty();
        if is_empty && !has_comment_between(view, block.open, Some(last)) {
            findings.add(&SWALLOWED_ERROR, view, block.open);
        }
    }
}

/// `rescue` with nothing in it, or with `nil`.
fn ruby(view: &View<'_>, findings: &mut Findings<'_>) {
    for (place, line) in view.added() {
        let code = line.code().trim();
        let is_rescue = code == "rescue" || code.starts_with("rescue ");
        let body = view.next_code(place);
        let is_empty =
            body.is_some_and(|next| matches!(view.lines[next].code().trim(), "end" | "nil"));
        // A named error may be expected; whatever has none is anything.
        let is_broad =
            code == "rescue" || code.contains("StandardError") || code.starts_with("rescue =>");
        if is_rescue && is_broad && is_empty && !has_comment_between(view, place, body) {
            findings.add(&SWALLOWED_ERROR, view, place);
        }
    }
}
