//! The files of the working tree, and Rust text with its comments and strings blanked out.
//!
//! **Invariant:** [`Source::code`] has the length and the line breaks of [`Source::text`], so an
//! offset found in one means the same place in the other.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text file of the working tree.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the root of the workspace, with `/`.
    pub(crate) path: String,
    /// As it stands on disk.
    pub(crate) text: String,
    /// The text with comments and the insides of strings turned into spaces; of a file that isn't
    /// Rust, the text.
    pub(crate) code: String,
    test_parts: Vec<Range<usize>>,
}

impl Source {
    /// A file with its content.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let is_rust = path.ends_with(".rs");
        let code = if is_rust { blank(text) } else { text.to_owned() };
        let test_parts = if is_rust { test_parts(&code) } else { Vec::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code, test_parts }
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the code at an offset is only ever built for tests and measurements.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.path.starts_with("tests/")
            || self.path.starts_with("benches/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.test_parts.iter().any(|part| part.contains(&at))
    }

    /// What is wrong at an offset.
    pub(crate) fn fault(&self, at: usize, what: impl fmt::Display) -> Fault {
        let line = 1 + self.text[..at].bytes().filter(|byte| *byte == b'\n').count();
        Fault(format!("{}:{line}: {what}", self.path))
    }

    /// What is wrong with the whole file.
    pub(crate) fn fault_of_file(&self, what: impl fmt::Display) -> Fault {
        Fault(format!("{}: {what}", self.path))
    }
}

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        tests.parent().expect("the tests crate lies in the workspace").to_owned()
    });
    &ROOT
}

/// Every text file that git tracks or would track.
pub(crate) fn files() -> &'static [Source] {
    static FILES: LazyLock<Vec<Source>> = LazyLock::new(read_files);
    &FILES
}

fn read_files() -> Vec<Source> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .expect("git must be installed");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    // Listed but deleted in the working tree, or not text: neither is there to be read.
    let read = |path: &str| std::fs::read_to_string(root().join(path)).ok();
    let names = names.split('\0').filter(|path| !path.is_empty());
    let files: Vec<_> =
        names.filter_map(|path| read(path).map(|text| Source::new(path, &text))).collect();
    assert!(files.iter().any(|file| file.path == "Cargo.toml"), "no workspace in {:?}", root());
    files
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The offsets of a word in code, whole words only.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let end = at + word.len();
        (at == 0 || !is_word(bytes[at - 1])) && bytes.get(end).is_none_or(|next| !is_word(*next))
    })
}

/// The offset after the bracket that closes the one at `open`; the end where none does.
pub(crate) fn closed(code: &str, open: usize) -> usize {
    let bytes = code.as_bytes();
    let close = match bytes[open] {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    };
    let mut depth = 0_usize;
    for (at, byte) in (open..).zip(code[open..].bytes()) {
        if byte == bytes[open] {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    bytes.len()
}

/// What stands behind `#[cfg(test)]`, to its closing brace or semicolon.
fn test_parts(code: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    for attribute in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (at, _) in code.match_indices(attribute) {
            let end = match code[at..].find(['{', ';']).map(|offset| at + offset) {
                Some(open) if code.as_bytes()[open] == b'{' => closed(code, open),
                Some(semicolon) => semicolon,
                None => code.len(),
            };
            parts.push(at..end);
        }
    }
    parts
}

/// Rust text with comments and the insides of strings and characters as spaces.
fn blank(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < text.len() {
        let (hidden, next) = skip(text, at);
        for byte in &mut code[hidden] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = next;
    }
    String::from_utf8(code).expect("only whole characters are blanked")
}

/// What to blank of the token at `at`, and where the next one starts.
fn skip(text: &str, at: usize) -> (Range<usize>, usize) {
    let rest = &text[at..];
    let nothing = at..at;
    if rest.starts_with("//") {
        let end = at + rest.find('\n').unwrap_or(rest.len());
        (at..end, end)
    } else if rest.starts_with("/*") {
        let end = comment_end(text, at);
        (at..end, end)
    } else if rest.starts_with('"') {
        let (inner, end) = string_end(text, at);
        (at + 1..inner, end)
    } else if let Some(quoted) = rest.strip_prefix('\'') {
        match quoted.chars().next() {
            Some('\\') => {
                // The escaped character itself may be a quote.
                let end = quoted
                    .get(2..)
                    .and_then(|more| more.find('\''))
                    .map_or(text.len(), |offset| at + 3 + offset);
                (at + 1..end, (end + 1).min(text.len()))
            }
            Some(one) if quoted[one.len_utf8()..].starts_with('\'') => {
                let end = at + 1 + one.len_utf8();
                (at + 1..end, end + 1)
            }
            // A lifetime.
            _ => (nothing, at + 1),
        }
    } else {
        (nothing, at + rest.chars().next().map_or(1, char::len_utf8))
    }
}

fn comment_end(text: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(offset) = text[at..].find(['/', '*']) {
        let rest = &text[at + offset..];
        at += offset + 1;
        if rest.starts_with("/*") {
            depth += 1;
            at += 1;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 1;
            if depth == 0 {
                return at;
            }
        }
    }
    text.len()
}

/// Where the inside of the string at `start` ends, and where the string does.
fn string_end(text: &str, start: usize) -> (usize, usize) {
    let before = text[..start].trim_end_matches('#');
    let hashes = start - before.len();
    let prefix = before.len() - before.trim_end_matches(|c: char| c.is_alphanumeric()).len();
    if matches!(&before[before.len() - prefix..], "r" | "br" | "cr") {
        let close = format!("\"{}", "#".repeat(hashes));
        let inner = text[start + 1..].find(&close).map_or(text.len(), |at| start + 1 + at);
        return (inner, (inner + close.len()).min(text.len()));
    }
    let mut escaped = false;
    for (offset, byte) in (start + 1..).zip(text[start + 1..].bytes()) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return (offset, offset + 1),
            _ => {}
        }
    }
    (text.len(), text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked_in_place() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"a("b\"c", d)"#, r#"a("    ", d)"#),
            ("r\"b\\\" + c", "r\"  \" + c"),
            ("r#\"b\"c\"# + d", "r#\"   \"# + d"),
            ("'\"' + '\\'' + b'x' + 'ä'", "' ' + '  ' + b' ' + '  '"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("\"ä\nö\"", "\"  \n  \""),
        ];
        for (text, code) in cases {
            assert_eq!(blank(text), code, "of {text}");
        }
    }

    #[test]
    fn whole_words_are_found() {
        assert_eq!(words("sleep asleep sleeper sleep", "sleep").collect::<Vec<_>>(), [0, 21]);
    }

    #[test]
    fn code_of_tests_is_told_by_its_path_or_attribute() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c() } }\nfn d() {}\n";
        let source = Source::new("persistence/src/x.rs", text);
        let is_test = |name: &str| source.is_test(text.find(name).unwrap());
        assert_eq!(["a()", "b()", "c()", "d()"].map(is_test), [false, true, true, false]);
        assert!(Source::new("persistence/src/x/tests.rs", "fn a() {}").is_test(0));
        assert!(Source::new("tests/testkit/src/lib.rs", "fn a() {}").is_test(0));
    }

    #[test]
    fn faults_name_the_line() {
        let fault = Source::new("a.rs", "one\ntwo\nthree").fault(5, "wrong");
        assert_eq!(fault.to_string(), "a.rs:2: wrong");
    }
}
