//! Names as each language writes them.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::View;

use super::rules::NAMING;

/// How a name may be written.
#[derive(Debug, Clone, Copy)]
enum Case {
    /// `like_this`
    Snake,
    /// `LikeThis`
    Pascal,
    /// `likeThis`
    Camel,
    /// `likeThis` or `LikeThis`: a component's function is written as a class.
    AnyCamel,
}

/// What declares a name, in which languages, and how that is written.
const DECLARATIONS: &[(&[Language], &str, Case)] = &[
    (&[Language::Python], r"^\s*(?:async\s+)?def\s+(\w+)", Case::Snake),
    (&[Language::Python], r"^\s*class\s+(\w+)", Case::Pascal),
    (&[Language::Ruby], r"^\s*def\s+(?:self\.)?(\w+)", Case::Snake),
    (&[Language::Ruby], r"^\s*class\s+(?:\w+::)*(\w+)", Case::Pascal),
    (&[Language::Rust], r"\bfn\s+(\w+)", Case::Snake),
    (
        &[Language::Rust],
        r"^\s*(?:pub(?:\([\w\s:]+\))?\s+)?(?:struct|enum|trait)\s+(\w+)",
        Case::Pascal,
    ),
    (
        &[Language::JavaScript, Language::TypeScript],
        r"^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?function\s*\*?\s+([\w$]+)",
        Case::AnyCamel,
    ),
    (
        &[Language::JavaScript, Language::TypeScript],
        r"^\s*(?:export\s+)?(?:default\s+)?(?:abstract\s+)?(?:class|interface|enum)\s+([\w$]+)",
        Case::Pascal,
    ),
    (&[Language::Go], r"^func\s+(?:\([^)]*\)\s*)?(\w+)\s*[(\[]", Case::AnyCamel),
    (&[Language::Go], r"^type\s+(\w+)\s", Case::AnyCamel),
    (
        &[Language::Java],
        r"^\s*(?:(?:public|private|protected|abstract|final|static|sealed)\s+)*(?:class|interface|enum|record)\s+(\w+)",
        Case::Pascal,
    ),
    (
        &[Language::Java],
        r"^\s*(?:(?:public|private|protected)\s+)(?:(?:static|final|abstract|synchronized|default)\s+)*[\w<>\[\],.? ]+\s+(\w+)\s*\([^;]*\)\s*(?:throws\s[\w., ]+)?\{",
        Case::Camel,
    ),
];

static REGEXES: LazyLock<Vec<Option<Regex>>> =
    LazyLock::new(|| DECLARATIONS.iter().map(|(_, regex, _)| compile(regex)).collect());

/// Names that a library asks for.
const GIVEN: &[&str] = &[
    "setUp",
    "tearDown",
    "setUpClass",
    "tearDownClass",
    "setUpModule",
    "tearDownModule",
    "setUpTestData",
    "asyncSetUp",
    "asyncTearDown",
    "runTest",
    "maxDiff",
    "addCleanup",
];

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    let language = view.language();
    for ((languages, _, case), regex) in DECLARATIONS.iter().zip(REGEXES.iter()) {
        let (true, Some(regex)) = (languages.contains(&language), regex) else { continue };
        for (place, line) in view.added() {
            if !regex.is_match(line.code().as_bytes()) {
                continue;
            }
            let captures = regex.captures(line.code().as_bytes());
            let name = captures.and_then(|captures| captures.get(1));
            let name = name.and_then(|name| line.code().get(name.range())).unwrap_or_default();
            if !name.is_empty() && !fits(name, *case) && !is_given(language, name, view, place) {
                findings.add(&NAMING, view, place);
            }
        }
    }
}

fn is_given(language: Language, name: &str, view: &View<'_>, place: usize) -> bool {
    match language {
        Language::Python => {
            let is_visitor = ["visit_", "do_", "depart_", "test_", "assert"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            GIVEN.contains(&name) || is_visitor || name.starts_with("__")
        }
        // Tests, and functions that another language calls by name.
        Language::Go => {
            ["Test", "Benchmark", "Example", "Fuzz", "_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
                || view
                    .lines
                    .get(place.saturating_sub(1))
                    .is_some_and(|line| line.raw.starts_with("//export"))
        }
        Language::Rust => view.lines[place].code().contains("extern"),
        Language::Ruby => name.chars().next().is_some_and(char::is_uppercase),
        // Names between two underscores belong to a tool.
        _ => name.starts_with('_') || view.is_in_tests(place),
    }
}

fn fits(name: &str, case: Case) -> bool {
    let bare = name.trim_matches(['_', '$']);
    let first = bare.chars().next();
    let has_capital = bare.chars().any(char::is_uppercase);
    let is_word = !bare.contains('_');
    match case {
        Case::Snake => !has_capital || bare.chars().all(|c| !c.is_lowercase()),
        Case::Pascal => is_word && first.is_none_or(char::is_uppercase),
        Case::Camel => is_word && first.is_none_or(|c| !c.is_uppercase()),
        Case::AnyCamel => is_word || bare.chars().all(|c| !c.is_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_by_their_case() {
        for (name, case) in [
            ("snake_case", Case::Snake),
            ("_private", Case::Snake),
            ("__init__", Case::Snake),
            ("Pascal", Case::Pascal),
            ("_Internal", Case::Pascal),
            ("camelCase", Case::Camel),
            ("Component", Case::AnyCamel),
            ("größe", Case::Snake),
        ] {
            assert!(fits(name, case), "{name} {case:?}");
        }
        for (name, case) in [
            ("camelCase", Case::Snake),
            ("snake_case", Case::Pascal),
            ("lower", Case::Pascal),
            ("snake_case", Case::AnyCamel),
            ("Pascal", Case::Camel),
        ] {
            assert!(!fits(name, case), "{name} {case:?}");
        }
    }
}
