//! Nothing in the tree knows the machine that it was written on, or where that gets its packages.

use crate::source::{Fault, Source};

/// Directories of one machine, each meant with a slash on both sides.
const DIRECTORIES: [&str; 3] = ["work", "root", "home"];

/// Package registries, split so that this table doesn't match itself.
const REGISTRIES: [[&str; 2]; 5] = [
    ["index.", "crates.io"],
    ["static.", "crates.io"],
    ["pypi.org", "/simple"],
    ["registry.", "npmjs.org"],
    ["deb.", "debian.org"],
];

/// Paths and registry hosts of one machine.
pub(crate) fn traces(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    if source.path.ends_with(".lock") {
        return faults;
    }
    for directory in DIRECTORIES {
        let path = format!("/{directory}/");
        for (at, _) in source.text.match_indices(&path) {
            let before = source.text[..at].chars().next_back();
            let is_absolute =
                before.is_none_or(|c| !c.is_alphanumeric() && !"_-.~}])*".contains(c));
            if is_absolute {
                faults.push(source.fault(at, format!("`{path}` is a path of one machine")));
            }
        }
    }
    for host in REGISTRIES.map(|parts| parts.concat()) {
        for (at, _) in source.text.match_indices(&host) {
            faults.push(source.fault(at, format!("`{host}` is the environment's business")));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_machine_are_found() {
        for directory in DIRECTORIES {
            for before in ["", "cd ", "\"", "file://", "=", "("] {
                let text = format!("{before}/{directory}/a");
                assert_eq!(traces(&Source::new("README.md", &text)).len(), 1, "{text}");
            }
            for before in ["$A", "${A}", ".", "v1", "a-b"] {
                let text = format!("{before}/{directory}/a");
                assert!(traces(&Source::new("README.md", &text)).is_empty(), "{text}");
            }
        }
    }

    #[test]
    fn registries_are_found_but_in_lock_files() {
        for host in REGISTRIES.map(|parts| parts.concat()) {
            let text = format!("https://{host}/a");
            assert_eq!(traces(&Source::new("scripts/a", &text)).len(), 1, "{text}");
            assert!(traces(&Source::new("Cargo.lock", &text)).is_empty());
        }
    }
}
