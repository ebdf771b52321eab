//! Sorts a diff's files: what is reviewed, by language and module, and what is left out and why.
//!
//! **Invariants:** each file of the diff is either in [`SplitOutput::files`] or in
//! [`SplitOutput::left_out`]; each of the former is in exactly one batch.
//!
//! **Deliberately absent:** the diff itself in the output. The four nodes get the files, and batches
//! name them by their place, so that a workflow records every line once.

mod module;
mod recognise;

use serde::{Deserialize, Serialize};

use crate::diff::{self, Change, Content, FileDiff, Hunk, Note, NoteCode};
use crate::language::{Language, is_test_path};
pub use recognise::Reason;

/// The longest diff that is read, in bytes: as much as a person could never review, and as a
/// workflow would have to record. What is beyond is left out, with a note.
pub const DIFF_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// A diff to be reviewed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffInput {
    /// The diff's text.
    pub diff: String,
}

/// A diff's files, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitOutput {
    /// What is reviewed, in the diff's order.
    pub files: Vec<ReviewFile>,
    /// The same by language and module, in the order of both.
    pub batches: Vec<Batch>,
    /// What isn't, in the diff's order.
    pub left_out: Vec<LeftOut>,
    /// What of the diff couldn't be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// A file as the nodes see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewFile {
    /// Its path on the new side.
    pub path: String,
    /// Its language.
    pub language: Language,
    /// Whether it is new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_new: bool,
    /// Whether it holds tests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_test: bool,
    /// What changes in it.
    pub hunks: Vec<Hunk>,
}

/// Files of one language and module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Their language.
    pub language: Language,
    /// The folder of the package or component that they belong to; empty at the root.
    pub module: String,
    /// Their places in [`SplitOutput::files`].
    pub files: Vec<usize>,
    /// How many lines are new in them.
    pub added: usize,
    /// How many lines are gone.
    pub removed: usize,
}

/// A file that isn't reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: Reason,
}

/// Reads a diff and sorts its files.
#[must_use]
pub fn split(input: &DiffInput) -> SplitOutput {
    let bytes = input.diff.as_bytes();
    let kept = within(bytes, DIFF_BYTES_MAX);
    let mut diff = diff::parse(kept);
    if kept.len() < bytes.len() {
        let lines = kept.iter().filter(|byte| **byte == b'\n').count();
        let line = u32::try_from(lines).unwrap_or(u32::MAX);
        diff.notes.push(Note { code: NoteCode::DiffCut, line });
    }
    let mut output = SplitOutput { notes: diff.notes, ..SplitOutput::default() };
    for file in diff.files {
        match reason(&file) {
            Some(reason) => output.left_out.push(LeftOut { path: file.path, reason }),
            None => output.files.push(review_file(file)),
        }
    }
    output.batches = batches(&output.files);
    output
}

/// The whole lines among the first bytes.
fn within(bytes: &[u8], bytes_max: usize) -> &[u8] {
    match bytes.get(..bytes_max) {
        Some(head) if head.len() < bytes.len() => {
            let end = head.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            &head[..end]
        }
        _ => bytes,
    }
}

fn reason(file: &FileDiff) -> Option<Reason> {
    match file.content {
        Content::Binary => return Some(Reason::Binary),
        Content::Submodule => return Some(Reason::Submodule),
        Content::Symlink => return Some(Reason::Symlink),
        Content::Text => {}
    }
    if file.change == Change::Deleted {
        return Some(Reason::Deleted);
    }
    if file.hunks.is_empty() {
        return Some(Reason::NoLines);
    }
    recognise::reason(file)
}

fn review_file(file: FileDiff) -> ReviewFile {
    ReviewFile {
        language: language(&file),
        is_new: file.change == Change::Added,
        is_test: is_test_path(&file.path),
        path: file.path,
        hunks: file.hunks,
    }
}

/// A script without an extension says in its first line what runs it.
fn language(file: &FileDiff) -> Language {
    let language = Language::of_path(&file.path);
    if language != Language::Other {
        return language;
    }
    let lines = file.hunks.first().into_iter().flat_map(|hunk| &hunk.lines);
    let first = lines.clone().find(|line| line.new == Some(1));
    match first.map(|line| line.text.trim_end()).and_then(|text| text.strip_prefix("#!")) {
        Some(program) if program.contains("python") => Language::Python,
        Some(program) if program.contains("ruby") => Language::Ruby,
        Some(program) if program.contains("node") => Language::JavaScript,
        Some(program) if program.ends_with("sh") => Language::Shell,
        _ => Language::Other,
    }
}

fn batches(files: &[ReviewFile]) -> Vec<Batch> {
    let mut places: std::collections::BTreeMap<(Language, &str), Batch> = Default::default();
    for (place, file) in files.iter().enumerate() {
        let module = module::of(&file.path);
        let batch = places.entry((file.language, module)).or_insert_with(|| Batch {
            language: file.language,
            module: module.to_owned(),
            files: Vec::new(),
            added: 0,
            removed: 0,
        });
        batch.files.push(place);
        for line in file.hunks.iter().flat_map(|hunk| &hunk.lines) {
            batch.added += usize::from(line.kind == diff::LineKind::Added);
            batch.removed += usize::from(line.kind == diff::LineKind::Removed);
        }
    }
    places.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| format!("+{line}\n")).collect();
        let head = format!("diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n");
        format!("{head}+++ b/{path}\n@@ -0,0 +1,{} @@\n{}", lines.len(), lines.concat())
    }

    fn left_out(diff: String) -> Option<Reason> {
        let output = split(&DiffInput { diff });
        assert_eq!(output.files.len() + output.left_out.len(), 1, "{output:?}");
        output.left_out.first().map(|left| left.reason)
    }

    #[test]
    fn files_are_grouped_by_language_and_module() {
        let paths = ["crates/a/src/x.rs", "web/src/y.ts", "crates/a/src/z.rs", "crates/b/src/x.rs"];
        let diff: String = paths.iter().map(|path| one(path, &["one", "two"])).collect();
        let output = split(&DiffInput { diff });
        let batches: Vec<_> = output
            .batches
            .iter()
            .map(|batch| (batch.language, batch.module.as_str(), &batch.files[..], batch.added))
            .collect();
        let expected = [
            (Language::Rust, "crates/a", &[0, 2][..], 4),
            (Language::Rust, "crates/b", &[3], 2),
            (Language::TypeScript, "web", &[1], 2),
        ];
        assert_eq!(batches, expected);
    }

    #[test]
    fn what_nobody_wrote_is_left_out_with_its_reason() {
        let reason_of = |path| left_out(one(path, &["a"]));
        assert_eq!(reason_of("Cargo.lock"), Some(Reason::LockFile));
        assert_eq!(reason_of("web/package-lock.json"), Some(Reason::LockFile));
        assert_eq!(reason_of("vendor/x/a.go"), Some(Reason::Vendored));
        assert_eq!(reason_of("a/node_modules/x/a.js"), Some(Reason::Vendored));
        assert_eq!(reason_of("api/v1.pb.go"), Some(Reason::Generated));
        assert_eq!(reason_of("web/app.min.js"), Some(Reason::Minified));
        assert_eq!(reason_of("a/table.csv"), Some(Reason::Data));
        assert_eq!(reason_of("src/vendor.rs"), None);
        assert_eq!(reason_of("src/generated.rs"), None);
    }

    #[test]
    fn generated_files_say_so_near_their_top() {
        let marker = "// Code generated by stringer. DO NOT EDIT.";
        assert_eq!(left_out(one("a.go", &[marker, "package a"])), Some(Reason::Generated));
        let mut lines = vec!["package a"; 60];
        lines.push(marker);
        assert_eq!(left_out(one("a.go", &lines)), None);
        assert_eq!(left_out(one("a.js", &["const marker = '@generated';"])), None);
        assert_eq!(left_out(one("a.js", &["/** @generated */"])), Some(Reason::Generated));
    }

    #[test]
    fn scripts_squeezed_into_few_lines_are_minified() {
        let line = "var a=function(){return 1};".repeat(100);
        assert_eq!(left_out(one("a.js", &[&line, &line])), Some(Reason::Minified));
        assert_eq!(left_out(one("a.rs", &[&line, &line])), None);
    }

    #[test]
    fn what_has_no_lines_is_left_out() {
        let head = "diff --git a/x b/x\n";
        let reason_of = |rest: &str| left_out(format!("{head}{rest}"));
        assert_eq!(reason_of("old mode 100644\nnew mode 100755\n"), Some(Reason::NoLines));
        assert_eq!(reason_of("Binary files a/x and b/x differ\n"), Some(Reason::Binary));
        assert_eq!(reason_of("deleted file mode 100644\n"), Some(Reason::Deleted));
        let link = "new file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+y\n";
        assert_eq!(reason_of(link), Some(Reason::Symlink));
        let module = "index 0123456..89abcde 160000\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";
        assert_eq!(reason_of(module), Some(Reason::Submodule));
    }

    #[test]
    fn a_script_without_extension_is_told_by_its_first_line() {
        let output = split(&DiffInput { diff: one("bin/run", &["#!/usr/bin/env python3", "a"]) });
        assert_eq!(output.files[0].language, Language::Python);
    }

    #[test]
    fn a_diff_is_cut_at_a_line() {
        assert_eq!(within(b"ab\ncd\nef", 7), b"ab\ncd\n");
        assert_eq!(within(b"ab\ncd\n", 6), b"ab\ncd\n");
        assert_eq!(within(b"abcdef", 3), b"");
    }
}
