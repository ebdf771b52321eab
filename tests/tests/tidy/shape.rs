//! The shape of files and of names.

use crate::source::{Fault, Source, closed};

/// A file of more lines holds a second idea.
const LINES_MAX: usize = 500;

/// Rust files that are too long to hold in mind.
pub(crate) fn too_long(source: &Source) -> Vec<Fault> {
    let lines = source.text.lines().count();
    let is_long = source.is_rust() && lines > LINES_MAX;
    is_long
        .then(|| source.fault_of_file(format!("{lines} lines, {LINES_MAX} at most")))
        .into_iter()
        .collect()
}

/// Rust files that don't open with what they own.
pub(crate) fn without_purpose(source: &Source) -> Vec<Fault> {
    let first = source.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let says = first.strip_prefix("//!").is_some_and(|text| !text.trim().is_empty());
    (source.is_rust() && !says)
        .then(|| source.fault_of_file("begin with a `//!` line: what it owns"))
        .into_iter()
        .collect()
}

/// Files named after nothing in particular.
pub(crate) fn without_subject(source: &Source) -> Vec<Fault> {
    let mut parts = source.path.split('/').map(|part| part.trim_end_matches(".rs"));
    let is_nameless = parts.any(|part| matches!(part, "util" | "utils"));
    (source.is_rust() && is_nameless)
        .then(|| source.fault_of_file("name it after what it holds"))
        .into_iter()
        .collect()
}

/// Tests that say twice that they are tests.
pub(crate) fn test_prefix(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !source.is_rust() {
        return faults;
    }
    for (at, _) in source.code.match_indices("#[") {
        let end = closed(&source.code, at + 1);
        let attribute = &source.code[at + 2..end.saturating_sub(1)];
        let path = attribute.split('(').next().unwrap_or_default();
        if path.rsplit("::").next() != Some("test") {
            continue;
        }
        if let Some(offset) = source.code[end..].find("fn ") {
            let name = &source.code[end + offset + "fn ".len()..];
            if name.trim_start().starts_with("test_") {
                faults.push(source.fault(end + offset, "a test's name has no `test_` in front"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found() {
        let of = |lines: usize| too_long(&Source::new("a.rs", &"a\n".repeat(lines))).len();
        assert_eq!([of(LINES_MAX), of(LINES_MAX + 1)], [0, 1]);
        assert!(too_long(&Source::new("Cargo.lock", &"a\n".repeat(9_000))).is_empty());
    }

    #[test]
    fn a_file_without_purpose_is_found() {
        let of = |text| without_purpose(&Source::new("a.rs", text)).len();
        assert_eq!([of("use a;"), of(""), of("//!\nuse a;"), of("/// A\nfn f() {}")], [1; 4]);
        assert_eq!([of("//! Owns a.\n"), of("\n//! Owns a.\n")], [0; 2]);
    }

    #[test]
    fn a_file_without_subject_is_found() {
        let of = |path| without_subject(&Source::new(path, "")).len();
        assert_eq!([of("a/utils.rs"), of("a/util.rs"), of("a/utils/b.rs")], [1; 3]);
        assert_eq!([of("a/utilization.rs"), of("docs/utils/a.md")], [0; 2]);
    }

    #[test]
    fn a_prefixed_test_is_found() {
        let of = |text| test_prefix(&Source::new("a.rs", text)).len();
        assert_eq!(of("#[test]\nfn test_a() {}"), 1);
        assert_eq!(of("#[tokio::test(start_paused = true)]\nasync fn test_a() {}"), 1);
        assert_eq!(of("#[test]\nfn a_holds() {}\nfn test_store() {}"), 0);
        assert_eq!(of("#[cfg(test)]\nmod tests { fn test_store() {} }"), 0);
    }
}
