//! The table of requirements: every row once and in order, in a legal state, shown by tests that
//! exist.

use crate::source::{Fault, Source};

const ROWS: u32 = 361;

/// What is wrong with the table; `files` are what its tests are looked for in.
pub(crate) fn table(source: &Source, files: &[Source]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut expected = 1;
    let mut at = 0;
    for line in source.text.split_inclusive('\n') {
        let number = line.strip_prefix("| R").and_then(|rest| rest.get(..3)?.parse::<u32>().ok());
        if let Some(number) = number {
            if number != expected {
                let what = format!("R{number:03} stands where R{expected:03} should");
                faults.push(source.fault(at, what));
            }
            expected = number + 1;
            faults.extend(row(line, files).map(|what| source.fault(at, what)));
        }
        at += line.len();
    }
    if expected != ROWS + 1 {
        faults.push(source.fault_of_file(format!("the last row should be R{ROWS}")));
    }
    faults
}

/// What is wrong with one row.
fn row(line: &str, files: &[Source]) -> Option<String> {
    let cells: Vec<_> = line.trim().split('|').map(str::trim).collect();
    let ["", _, requirement, state, tests, ""] = cells[..] else {
        return Some("a row has four cells".to_owned());
    };
    let named: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
    let missing = named.iter().find(|test| !stands(test, files));
    if requirement.is_empty() {
        Some("the requirement is empty".to_owned())
    } else if !matches!(state, "met" | "partly" | "not yet") {
        Some(format!("`{state}` is no state"))
    } else if state == "not yet" && tests != "-" {
        Some("what isn't there has no test".to_owned())
    } else if state != "not yet" && named.is_empty() {
        Some("name the test that shows it, in backticks".to_owned())
    } else {
        missing.map(|test| format!("there is no test `{test}`"))
    }
}

/// Whether `path` or `path::function` exists.
fn stands(test: &str, files: &[Source]) -> bool {
    let (path, function) = match test.split_once("::") {
        Some((path, name)) => (path, name.rsplit("::").next()),
        None => (test, None),
    };
    files.iter().any(|file| {
        let holds = |name| file.code.contains(&format!("fn {name}("));
        file.path == path && function.is_none_or(holds)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> [Source; 1] {
        [Source::new("tests/tests/kill.rs", "fn nothing_is_lost() {}")]
    }

    fn complaint(rest: &str) -> bool {
        row(&format!("| R001 | {rest} |\n"), &files()).is_some()
    }

    #[test]
    fn rows_are_complete_and_their_tests_exist() {
        for good in [
            "a | not yet | -",
            "a | met | `tests/tests/kill.rs`",
            "a | partly | `tests/tests/kill.rs::nothing_is_lost`, `tests/tests/kill.rs`",
        ] {
            assert!(!complaint(good), "{good}");
        }
        for bad in [
            "a | done | -",
            "a | met | -",
            "a | met | tests/tests/kill.rs",
            "a | not yet | `tests/tests/kill.rs`",
            "a | met | `tests/tests/gone.rs`",
            "a | met | `tests/tests/kill.rs::something_else`",
            " | not yet | -",
            "a | not yet",
        ] {
            assert!(complaint(bad), "{bad}");
        }
    }

    #[test]
    fn every_row_stands_once_and_in_order() {
        let row = |number: u32| format!("| R{number:03} | a | not yet | - |\n");
        let count = |numbers: Vec<u32>| {
            let text: String = numbers.into_iter().map(row).collect();
            table(&Source::new("docs/requirements.md", &text), &[]).len()
        };
        assert_eq!(count((1..=ROWS).collect()), 0);
        assert_eq!(count((1..ROWS).collect()), 1, "the last one is missing");
        assert_eq!(count((1..=ROWS).filter(|number| *number != 7).collect()), 1, "one is missing");
        assert_eq!(count((1..=ROWS).flat_map(|n| vec![n; 1 + usize::from(n == 7)]).collect()), 1);
    }
}
