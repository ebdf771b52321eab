//! Queries whose text is put together with values.
//!
//! A string that begins like a statement of SQL counts where the language puts values into it, or
//! where code joins it to something that isn't a constant.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::language::Language;
use crate::lexer::Literal;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::View;

use super::rules::SQL_INJECTION;

/// How many lines of one string are read.
const LINES_MAX: usize = 30;

static STATEMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    compile(
        r"(?i)^\s*(?:select\s.*\b(?:from|where)\b|select\s+[\w.*]+(?:\s*,\s*[\w.*]+)*\s*$|insert\s+into\s+[\w.\x22`{}$%]+\s*(?:\(|values\b|select\b)|update\s+[\w.\x22`{}$%]+\s+set\b|delete\s+from\s+[\w.\x22`{}$%]+\s*(?:where\b|;|$)|drop\s+(?:table|database)\s|alter\s+table\s)",
    )
});

/// Formatting signs of `%` and of `fmt.Sprintf`.
static FORMATTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| compile(r"%[-+0-9.]*[sdvqxi]|%\(\w+\)s"));

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    if !view.language().is_code()
        || matches!(view.language(), Language::Shell | Language::Dockerfile)
    {
        return;
    }
    for (place, line) in view.lines.iter().enumerate() {
        // Strings are numbered as they begin, so a piece with a lower number goes on.
        let mut begun = None;
        for literal in line.literals() {
            let is_first = !literal.is_continued && begun.is_none_or(|last| literal.id > last);
            begun = begun.max(Some(literal.id));
            if is_first && is_statement(view, place, literal) && is_joined(view, place, literal) {
                findings.add(&SQL_INJECTION, view, place);
            }
        }
    }
}

/// Whether a string begins like a statement, perhaps on its second line.
fn is_statement(view: &View<'_>, place: usize, literal: &Literal) -> bool {
    let Some(regex) = STATEMENT.as_ref() else { return false };
    let mut text = view.lines[place].raw.get(literal.range.clone()).unwrap_or_default().to_owned();
    if text.trim().is_empty() || !text.contains(' ') {
        for (_, more) in pieces(view, place, literal).skip(1).take(4) {
            text.push(' ');
            text.push_str(more);
        }
    }
    let end = text.char_indices().nth(300).map_or(text.len(), |(end, _)| end);
    regex.is_match(&text.as_bytes()[..end])
}

/// The pieces of one string with their lines.
fn pieces<'v>(
    view: &'v View<'_>,
    place: usize,
    literal: &'v Literal,
) -> impl Iterator<Item = (usize, &'v str)> {
    let end = view.lines.len().min(place + LINES_MAX);
    let goes_on = move |at: &usize| {
        let first = view.lines[*at].literals().first();
        *at == place || first.is_some_and(|piece| piece.is_continued && piece.id == literal.id)
    };
    (place..end).take_while(goes_on).flat_map(move |at| {
        let line = &view.lines[at];
        let own = line.literals().iter().filter(|piece| piece.id == literal.id);
        own.map(move |piece| (at, line.raw.get(piece.range.clone()).unwrap_or_default()))
    })
}

fn is_joined(view: &View<'_>, place: usize, literal: &Literal) -> bool {
    let all: Vec<_> = pieces(view, place, literal).collect();
    let last_line = all.last().map_or(place, |(at, _)| *at);
    let last_piece = view.lines[last_line].literals().iter().rfind(|piece| piece.id == literal.id);
    let end = last_piece.map_or(0, |piece| piece.range.end);
    let behind = view.lines[last_line].code().get(end..).unwrap_or_default();
    let behind = behind.trim_start_matches(['"', '\'', '`']).trim_start();
    let before = view.lines[place].code().get(..literal.range.start).unwrap_or_default();
    let text: String = all.iter().map(|(_, piece)| *piece).collect();
    let is_formatted = || FORMATTED.as_ref().is_some_and(|regex| regex.is_match(text.as_bytes()));
    match view.language() {
        Language::Python => {
            (literal.is_interpolated && inserts(&text, "{"))
                || (behind.starts_with("%") && is_formatted())
                || behind.starts_with(".format(")
                || adds_value(behind)
        }
        Language::JavaScript | Language::TypeScript => {
            let tag = before.trim_end_matches('`');
            let is_tagged = tag.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            (literal.is_interpolated && !is_tagged && inserted_code(view, &all))
                || adds_value(behind)
        }
        Language::Ruby => literal.is_interpolated && inserts(&text, "#{"),
        Language::Go => (before.contains("Sprintf(") && is_formatted()) || adds_value(behind),
        Language::Java => {
            (before.contains("String.format(") && is_formatted())
                || behind.contains(").formatted(")
                || adds_value(behind)
        }
        Language::Rust => before.contains("format!(") && inserts(&text, "{"),
        _ => false,
    }
}

/// Whether what is put in has a value: a constant's name, in capitals, stands for a table.
fn inserts(text: &str, open: &str) -> bool {
    text.split(open).skip(1).any(|part| {
        let name = part.split(['}', ':', '!']).next().unwrap_or_default().trim();
        !(name.starts_with('{') || is_constant(name) && !name.is_empty())
    })
}

fn is_constant(name: &str) -> bool {
    let last = name.rsplit(['.', ':']).next().unwrap_or(name);
    !last.is_empty()
        && last.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// What a template has between its pieces.
fn inserted_code(view: &View<'_>, pieces: &[(usize, &str)]) -> bool {
    pieces.iter().map(|(at, _)| *at).any(|at| {
        let code = view.lines[at].code();
        code.split("${").skip(1).any(|part| {
            let name = part.split('}').next().unwrap_or_default().trim();
            // Calls that make fragments of queries are the libraries' own way.
            !is_constant(name) && !name.starts_with("sql") && !name.starts_with("Prisma")
        })
    })
}

/// Whether the code behind a string joins it to something that isn't another string or a constant.
fn adds_value(behind: &str) -> bool {
    let Some(rest) = behind.strip_prefix('+') else { return false };
    let rest = rest.trim_start_matches(['=', ' ']);
    let operand: String =
        rest.chars().take_while(|c| c.is_alphanumeric() || "_.$".contains(*c)).collect();
    !operand.is_empty() && !is_constant(&operand)
}
