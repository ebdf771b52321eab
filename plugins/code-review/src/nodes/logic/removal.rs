//! Tests and assertions that a change takes away.
//!
//! A finding stands where something is gone: at the next line of the new side, or at the last one
//! where there is none.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::diff::LineKind;
use crate::language::Language;
use crate::nodes::findings::Findings;
use crate::nodes::pattern::compile;
use crate::source::View;

use super::rules::{REMOVED_ASSERTION, REMOVED_TEST};

/// What begins a test, by language.
const TESTS: &[(&[Language], &str)] = &[
    (&[Language::Rust], r"^\s*#\[(?:\w+::)*test\b|^\s*#\[rstest\b"),
    (&[Language::Python], r"^\s*(?:async\s+)?def\s+test_?\w*\s*\("),
    (&[Language::JavaScript, Language::TypeScript], r"^\s*(?:it|test)(?:\.\w+)?\s*\("),
    (&[Language::Go], r"^func\s+(?:Test|Fuzz|Benchmark|Example)\w*\("),
    (&[Language::Java], r"^\s*@(?:Test|ParameterizedTest)\b"),
    (&[Language::Ruby], r"^\s*(?:it|test|specify)\s+\x22|^\s*def\s+test_\w+"),
];

/// What holds something in a test, by language.
const ASSERTIONS: &[(&[Language], &str)] = &[
    (&[Language::Rust], r"\b(?:debug_)?assert(?:_\w+)?!\s*\(|\bprop_assert\w*!\s*\("),
    (&[Language::Python], r"^\s*assert\b|\bself\.assert\w+\(|\bpytest\.raises\("),
    (&[Language::JavaScript, Language::TypeScript], r"\bexpect\s*\(|\bassert(?:\.\w+)?\s*\("),
    (
        &[Language::Go],
        r"\bt\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\(|\b(?:assert|require)\.\w+\(",
    ),
    (&[Language::Java], r"\bassert\w*\s*\(|\bverify\("),
    (&[Language::Ruby], r"\bexpect[\s({]|\bassert\w*[\s(]|\.should\b"),
];

/// In a file with more hunks nobody looks for what was moved: it is read once for each of them.
const HUNKS_MAX: usize = 200;

type Compiled = Vec<(&'static [Language], Option<Regex>)>;

fn compiled(table: &'static [(&'static [Language], &'static str)]) -> Compiled {
    table.iter().map(|(languages, regex)| (*languages, compile(regex))).collect()
}

static TEST: LazyLock<Compiled> = LazyLock::new(|| compiled(TESTS));
static ASSERTION: LazyLock<Compiled> = LazyLock::new(|| compiled(ASSERTIONS));

fn of_language(table: &Compiled, language: Language) -> Option<&Regex> {
    let row = table.iter().find(|(languages, _)| languages.contains(&language))?;
    row.1.as_ref()
}

pub(super) fn check(view: &View<'_>, findings: &mut Findings<'_>) {
    let language = view.language();
    let (Some(test), Some(assertion)) =
        (of_language(&TEST, language), of_language(&ASSERTION, language))
    else {
        return;
    };
    if view.removed.is_empty() || view.lines.is_empty() {
        return;
    }
    let mut gone = Gone::of(view, test, assertion);
    if !gone.tests.is_empty() && is_moved(view, test) {
        gone.tests.clear();
    }
    if !gone.assertions.is_empty() && is_moved(view, assertion) {
        gone.assertions.clear();
    }
    let made = added(view, test);
    // As many as are missing, the last ones: the first may have been rewritten in place.
    for place in gone.tests.iter().skip(made) {
        findings.add_anywhere(&REMOVED_TEST, view, *place, |_| {});
    }
    let is_test = view.file.is_test || (0..view.lines.len()).any(|place| view.is_in_tests(place));
    if is_test
        && gone.assertions.len() > added(view, assertion)
        && let Some(place) = gone.assertions.first()
    {
        findings.add_anywhere(&REMOVED_ASSERTION, view, *place, |_| {});
    }
}

/// Where tests are gone, and assertions of tests that stay.
#[derive(Debug, Default)]
struct Gone {
    tests: Vec<usize>,
    assertions: Vec<usize>,
}

impl Gone {
    fn of(view: &View<'_>, test: &Regex, assertion: &Regex) -> Self {
        let last = view.lines.len() - 1;
        let mut gone = Self::default();
        // The place of the removed test that assertions belong to: those that follow it at once.
        let mut test_at = None;
        for line in &view.removed {
            let place = line.before.min(last);
            if test.is_match(line.raw.as_bytes()) {
                gone.tests.push(place);
                test_at = Some(line.before);
            } else if assertion.is_match(line.raw.as_bytes()) && test_at != Some(line.before) {
                gone.assertions.push(place);
            }
        }
        gone
    }
}

/// Whether the whole file gains as many as it loses: then they stand elsewhere in it.
fn is_moved(view: &View<'_>, regex: &Regex) -> bool {
    if view.file.hunks.len() > HUNKS_MAX {
        return false;
    }
    let lines = view.file.hunks.iter().flat_map(|hunk| &hunk.lines);
    let matching = lines.filter(|line| regex.is_match(line.text.as_bytes()));
    let (mut lost, mut gained) = (0_usize, 0_usize);
    for line in matching {
        match line.kind {
            LineKind::Removed => lost += 1,
            LineKind::Added => gained += 1,
            LineKind::Context | LineKind::Merged => {}
        }
    }
    gained >= lost
}

fn added(view: &View<'_>, regex: &Regex) -> usize {
    view.added().filter(|(_, line)| regex.is_match(line.raw.as_bytes())).count()
}
