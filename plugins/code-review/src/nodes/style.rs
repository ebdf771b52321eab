//! What is hard to read, or isn't the house's way. What the house's way is, the tenant says.

mod forbidden;
mod names;
mod rules;

use crate::config::Indent;
use crate::language::Language;
use crate::rule::Rule;
use crate::source::{LINE_BYTES_MAX, Line, View};

use super::findings::Findings;
use super::pattern::{JAVA, PYTHON, Pattern, RUBY, RUST, SCRIPT, Tables};
pub(crate) use forbidden::Forbidden;
use rules::*;

pub(crate) const RULES: &[&Rule] = &[
    &LINE_LENGTH,
    &TRAILING_WHITESPACE,
    &INDENTATION,
    &LINE_ENDINGS,
    &FINAL_NEWLINE,
    &NAMING,
    &FORBIDDEN_PATTERN,
    &TODO_WITHOUT_ISSUE,
    &DEBUG_LEFTOVER,
    &WILDCARD_IMPORT,
    &VAR_DECLARATION,
];

pub(crate) const PATTERNS: &[&[Pattern]] = &[&[
    Pattern::code(&DEBUG_LEFTOVER, SCRIPT, r"^\s*debugger\s*;?\s*$"),
    Pattern::code(&DEBUG_LEFTOVER, SCRIPT, r"\bconsole\.(?:log|debug|trace)\s*\(").not_in_tests(),
    Pattern::code(&DEBUG_LEFTOVER, RUST, r"\bdbg!\s*[(\[]"),
    Pattern::code(
        &DEBUG_LEFTOVER,
        PYTHON,
        r"\bpdb\.set_trace\s*\(|^\s*breakpoint\s*\(\s*\)|^\s*import\s+i?pdb\b",
    ),
    Pattern::code(&DEBUG_LEFTOVER, RUBY, r"\bbinding\.(?:pry|irb)\b|^\s*byebug\b"),
    Pattern::code(&WILDCARD_IMPORT, PYTHON, r"^\s*from\s+[\w.]+\s+import\s+\*"),
    Pattern::code(&WILDCARD_IMPORT, JAVA, r"^\s*import\s+(?:static\s+)?[\w.]+\.\*\s*;"),
    Pattern::code(&VAR_DECLARATION, SCRIPT, r"(?:^|[;{(])\s*var\s+[\w${\[]"),
]];

static TABLES: Tables = Tables::new(PATTERNS);

/// Folders of programs that print because that is what they are for.
const PRINTING: &[&str] = &["scripts", "script", "bin", "tools", "cli", "examples", "build"];

/// Words that ask for something later.
const LATER: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

pub(crate) fn check(view: &View<'_>, forbidden: &Forbidden<'_>, findings: &mut Findings<'_>) {
    if !may_print(view) {
        TABLES.check(view, findings);
    }
    forbidden.check(view, findings);
    if findings.config.style.check_names {
        names::check(view, findings);
    }
    let indent = indentation(view, findings.config.style.indent);
    let endings = endings(view);
    for (place, line) in view.added() {
        layout(view, place, line, findings);
        let first = line.raw.bytes().next();
        let is_text = line.is_blank() || in_string(line);
        if !is_text && indent.is_some_and(|indent| first == Some(other(indent)))
            || mixes_indentation(view, line)
        {
            findings.add(&INDENTATION, view, place);
        }
        if endings.is_some_and(|has_return| line.has_return != has_return) {
            findings.add(&LINE_ENDINGS, view, place);
        }
        if findings.config.style.todo_needs_issue && asks_for_later(line) {
            findings.add(&TODO_WITHOUT_ISSUE, view, place);
        }
    }
}

fn may_print(view: &View<'_>) -> bool {
    let folders = view.file.path.split('/');
    view.language().is_script() && folders.into_iter().any(|folder| PRINTING.contains(&folder))
}

fn layout(view: &View<'_>, place: usize, line: &Line<'_>, findings: &mut Findings<'_>) {
    let language = view.language();
    let is_code = language.is_code();
    let length_max = findings.config.style.line_length_max;
    let is_long = line.raw.len() > length_max && line.raw.chars().count() > length_max;
    if is_code && language != Language::Sql && is_long && !line.raw.contains("://") {
        findings.add(&LINE_LENGTH, view, place);
    }
    let is_whole = line.raw.len() < LINE_BYTES_MAX;
    let ends_blank = line.raw.ends_with([' ', '\t']) && is_whole;
    if (is_code || language == Language::Yaml) && ends_blank && !in_string(line) {
        findings.add(&TRAILING_WHITESPACE, view, place);
    }
    if line.is_unterminated && (is_code || language == Language::Yaml) {
        findings.add(&FINAL_NEWLINE, view, place);
    }
}

/// Whether the line ends within a string, whose blanks mean something.
fn in_string(line: &Line<'_>) -> bool {
    let first = line.literals().first();
    first.is_some_and(|literal| literal.is_continued && literal.range.start == 0)
        || line
            .literals()
            .last()
            .is_some_and(|literal| literal.range.end == line.raw.len() && !literal.range.is_empty())
}

/// The byte that lines must begin with where they are indented; none where anything may be.
fn indentation(view: &View<'_>, wanted: Indent) -> Option<u8> {
    match (view.language(), wanted) {
        (Language::Go, _) => Some(b'\t'),
        (Language::Python | Language::Yaml, _) => Some(b' '),
        (language, _) if !language.is_code() || language == Language::Dockerfile => None,
        (_, Indent::Spaces) => Some(b' '),
        (_, Indent::Tabs) => Some(b'\t'),
        (_, Indent::AsAround) => around(view),
    }
}

/// What all the old lines of the hunk are indented with, where they agree.
fn around(view: &View<'_>) -> Option<u8> {
    let old =
        view.lines.iter().filter(|line| !line.is_added && !line.is_blank() && !in_string(line));
    let mut firsts =
        old.filter_map(|line| line.raw.bytes().next().filter(|b| matches!(b, b' ' | b'\t')));
    let first = firsts.next()?;
    firsts.all(|other| other == first).then_some(first)
}

fn other(indent: u8) -> u8 {
    if indent == b' ' { b'\t' } else { b' ' }
}

/// A tab behind blanks looks different everywhere.
fn mixes_indentation(view: &View<'_>, line: &Line<'_>) -> bool {
    let code = line.raw.trim_start_matches([' ', '\t']);
    let indent = &line.raw[..line.raw.len() - code.len()];
    indent.contains(" \t") && view.language().is_code() && !in_string(line) && !line.is_blank()
}

/// Whether the old lines of the hunk end with carriage returns, where they agree.
fn endings(view: &View<'_>) -> Option<bool> {
    let mut old = view.lines.iter().filter(|line| !line.is_added && !line.is_unterminated);
    let first = old.next()?.has_return;
    old.all(|line| line.has_return == first).then_some(first)
}

fn asks_for_later(line: &Line<'_>) -> bool {
    line.comments().any(|comment| {
        let words = comment.split(|c: char| !c.is_ascii_alphanumeric());
        let asks = words.into_iter().any(|word| LATER.contains(&word));
        asks && !names_issue(comment)
    })
}

/// `#123`, `ABC-123`, or an address.
fn names_issue(comment: &str) -> bool {
    let bytes = comment.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let signs = bytes.iter().enumerate();
    comment.contains("://")
        || signs.into_iter().any(|(at, byte)| match byte {
            b'#' => is_digit(at + 1),
            b'-' => {
                at > 1 && is_digit(at + 1) && bytes[at - 2..at].iter().all(u8::is_ascii_uppercase)
            }
            _ => false,
        })
}
