//! Guesses whether a hunk begins within a comment or a string that was opened above it.
//!
//! What can be known: a comment that ends without having begun must have begun above. A string of
//! three quotes opens and ends with the same sign, so which of the two the first one does is told by
//! whether what stands above it reads like code.

use crate::language::Language;

use super::Mode;
use super::quoted::Quoted;

/// How many lines above the first sign are read: a hunk has three by default.
const LINES_READ: usize = 200;

/// Words that begin a statement in Python.
const WORDS: &[&str] = &[
    "def ",
    "class ",
    "import ",
    "return",
    "if ",
    "for ",
    "while ",
    "elif ",
    "else:",
    "try:",
    "except",
    "finally:",
    "with ",
    "raise ",
    "yield",
    "async ",
    "await ",
    "assert ",
    "@",
    "#",
    "pass",
    "break",
    "continue",
    "global ",
    "del ",
    ")",
    "]",
    "}",
    "lambda ",
    "nonlocal ",
];

/// The mode that the first line is in; none where that is code.
pub(super) fn mode(language: Language, lines: &[&str]) -> Option<Mode> {
    let lines = &lines[..lines.len().min(LINES_READ)];
    match language {
        Language::Python => python(lines),
        Language::Rust
        | Language::JavaScript
        | Language::TypeScript
        | Language::Go
        | Language::Java
        | Language::C
        | Language::Sql => slashes(lines),
        _ => None,
    }
}

fn slashes(lines: &[&str]) -> Option<Mode> {
    let begins_inside = lines.first().is_some_and(|line| is_starred(line));
    let ends_first = lines.iter().find_map(|line| match (line.find("*/"), line.find("/*")) {
        (Some(close), Some(open)) => Some(close < open),
        (Some(_), None) => Some(true),
        (None, Some(_)) => Some(false),
        (None, None) => None,
    });
    // Without any sign, a piece whose every line begins with a star is a comment's inside.
    let is_inside = match ends_first {
        Some(ends) => ends && (begins_inside || closes_as_comment(lines)),
        None => begins_inside && lines.iter().all(|line| is_starred(line)),
    };
    is_inside.then_some(Mode::Comment(1))
}

/// ` * text`, as the lines within a long comment are written.
fn is_starred(line: &str) -> bool {
    let text = line.trim_start();
    text.strip_prefix('*').is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '/', '\t']))
}

/// Whether the line of the first closing sign holds nothing that opens a string before it: patterns
/// and globs such as `"a/*/b"` have that sign as well.
fn closes_as_comment(lines: &[&str]) -> bool {
    let line = lines.iter().find(|line| line.contains("*/")).copied().unwrap_or_default();
    let before = line.split("*/").next().unwrap_or_default();
    !before.contains(['"', '\'', '`', '/'])
}

fn python(lines: &[&str]) -> Option<Mode> {
    let sign = |line: &str| match (line.find("\"\"\""), line.find("'''")) {
        (Some(double), Some(single)) if single < double => Some((single, "'''")),
        (Some(double), _) => Some((double, "\"\"\"")),
        (None, Some(single)) => Some((single, "'''")),
        (None, None) => None,
    };
    let Some(first) = lines.iter().position(|line| sign(line).is_some()) else {
        return reads_like_text(lines).then(|| Mode::Quoted(Quoted::above("\"\"\"")));
    };
    let (at, close) = sign(lines[first])?;
    let before = &lines[first][..at];
    let is_alone = lines[first].trim() == close;
    // Text before the sign is either code that opens a string, or the string's last words.
    let opens = before.trim_end().ends_with(['=', '(', ',', '[', ':', '{', 'r', 'f', 'b'])
        || lines[first].matches(close).count() >= 2;
    let above: Vec<_> = lines[..first].iter().filter(|line| !line.trim().is_empty()).collect();
    let reads_like_code = above.iter().any(|line| is_code(line));
    let is_inside = if before.trim().is_empty() {
        !opens && !above.is_empty() && !reads_like_code && (is_alone || !above.is_empty())
    } else {
        !opens && !reads_like_code && !is_code(before)
    };
    is_inside.then(|| Mode::Quoted(Quoted::above(close)))
}

/// Whether lines without any sign are the inside of a long text: several, of several words, and none
/// that could be code.
fn reads_like_text(lines: &[&str]) -> bool {
    let mut count = 0;
    let mut filled = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    let all = filled.all(|line| {
        count += 1;
        let begins = line.starts_with(|c: char| c.is_alphanumeric() || "-*:`.".contains(c));
        let goes_on = line.ends_with([',', '(', '[', '{', '\\', '=']);
        begins && !goes_on && line.contains(' ') && !is_code(line)
    });
    all && count >= 4
}

fn is_code(line: &str) -> bool {
    let text = line.trim();
    let is_word = WORDS.iter().any(|word| text.starts_with(word)) && !text.ends_with('.');
    let is_from = text.starts_with("from ") && text.contains(" import ");
    is_word || is_from || is_assignment(text) || is_call(text)
}

fn is_assignment(text: &str) -> bool {
    let Some((target, rest)) = text.split_once(" = ").or_else(|| text.split_once(" += ")) else {
        return false;
    };
    let is_target = |c: char| c.is_alphanumeric() || "_.[]'\", :".contains(c);
    !rest.is_empty() && target.chars().all(is_target) && target.split(' ').count() <= 3
}

fn is_call(text: &str) -> bool {
    let name = text.split('(').next().unwrap_or_default();
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    name.len() < text.len() && !name.is_empty() && name.chars().all(is_name)
}
