//! Finds the freshly built `coppice` binary, and refuses a stale one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Names the binary to test, in place of the one beside the tests.
pub const BINARY_VARIABLE: &str = "COPPICE_TEST_BINARY";

const ADVICE: &str = "build it with the profile of the tests: \
     cargo build -p coppice-server --bin coppice (CI: --profile ci)";

/// The binary that `COPPICE_TEST_BINARY` names, or else the one that was built into the same
/// target directory as the running test.
///
/// # Panics
/// With advice, where there is none or it is older than a source file that it is built from. The
/// sources are those that Cargo lists beside the binary; one that is named by the variable is
/// taken as it is.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os(BINARY_VARIABLE) {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "{BINARY_VARIABLE} names no file: {}", path.display());
        return path;
    }
    let test = env::current_exe().expect("a running test has a path");
    // <target>/<profile>/deps/<test>
    let profile = test.parent().and_then(Path::parent).expect("a test stands in deps");
    let path = profile.join("coppice");
    assert!(path.is_file(), "there is no binary at {}; {ADVICE}", path.display());
    if let Some(source) = newer_source(&path) {
        panic!("{} is older than {}; {ADVICE}", path.display(), source.display());
    }
    path
}

/// A source file that was changed after the binary was built.
fn newer_source(binary: &Path) -> Option<PathBuf> {
    let built = modified(binary)?;
    sources(binary).into_iter().find(|source| modified(source).is_none_or(|at| at > built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// What Cargo says that the binary is built from, or else the sources of the server's crate.
fn sources(binary: &Path) -> Vec<PathBuf> {
    match fs::read_to_string(binary.with_extension("d")) {
        Ok(rule) => listed(&rule),
        Err(_) => {
            let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gateway/server/src");
            let mut found = Vec::new();
            walk(&server, &mut found);
            found
        }
    }
}

/// The dependencies of a Makefile rule `target: a b c`, where a space within a path is escaped.
fn listed(rule: &str) -> Vec<PathBuf> {
    let Some((_, dependencies)) = rule.split_once(": ") else { return Vec::new() };
    let mut paths = Vec::new();
    let mut path = String::new();
    let mut letters = dependencies.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&' ') => path.extend(letters.next()),
            ' ' | '\n' | '\r' => {
                if !path.is_empty() {
                    paths.push(PathBuf::from(std::mem::take(&mut path)));
                }
            }
            other => path.push(other),
        }
    }
    if !path.is_empty() {
        paths.push(PathBuf::from(path));
    }
    paths
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_rule_lists_its_dependencies_with_spaces_in_them() {
        assert_eq!(
            listed("target/ci/coppice: /a/b.rs /with\\ space/c.rs\n"),
            [PathBuf::from("/a/b.rs"), PathBuf::from("/with space/c.rs")]
        );
    }

    #[test]
    fn a_source_changed_after_the_build_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let [binary, source] = ["coppice", "main.rs"].map(|name| directory.path().join(name));
        let built = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let file = |path: &Path, at| File::create(path).unwrap().set_modified(at).unwrap();
        file(&binary, built);
        file(&source, built - Duration::from_secs(1));
        let rule = format!("{}: {}\n", binary.display(), source.display());
        fs::write(binary.with_extension("d"), rule).unwrap();
        assert_eq!(newer_source(&binary), None);
        file(&source, built + Duration::from_secs(1));
        assert_eq!(newer_source(&binary), Some(source));
    }
}
