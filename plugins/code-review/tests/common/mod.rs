//! What the tests share: repositories of real git, and what holds of every review.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use coppice_code_review::diff::{Diff, LineKind};
use coppice_code_review::steps::review;
use coppice_code_review::{Config, diff};
use tempfile::TempDir;

/// Runs git in a folder, with nothing of the machine's settings.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Output {
    let settings = [
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.com",
        "-c",
        "core.autocrlf=false",
        "-c",
        "core.safecrlf=false",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "protocol.file.allow=always",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "gc.auto=0",
    ];
    Command::new("git")
        .args(settings)
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .expect("git must be installed")
}

/// The same, where it must work.
pub(crate) fn told(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = git(folder, arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {text}");
    output.stdout
}

/// A repository with nothing in it.
pub(crate) fn repository() -> TempDir {
    let folder = tempfile::tempdir().expect("it must work");
    told(folder.path(), &["init", "--quiet"]);
    folder
}

pub(crate) fn write(folder: &Path, path: &str, content: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("it must work")).expect("it must work");
    fs::write(path, content).expect("it must work");
}

/// Commits all that lies there.
pub(crate) fn commit(folder: &Path) {
    told(folder, &["add", "--all"]);
    told(folder, &["commit", "--quiet", "--allow-empty", "--message", "a"]);
}

/// The text of a file's lines without line ends.
pub(crate) fn lines_of(content: &[u8]) -> Vec<String> {
    let mut lines: Vec<_> = content
        .split(|byte| *byte == b'\n')
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The old side with every hunk carried out.
pub(crate) fn applied(old: &[u8], hunks: &[diff::Hunk]) -> Vec<String> {
    let old = lines_of(old);
    let mut new = Vec::new();
    let mut at = 0;
    for hunk in hunks {
        // Where the old side has no line, its number is that of the line before.
        let has_old = hunk.lines.iter().any(|line| line.old.is_some());
        let start = usize::try_from(hunk.old_start).expect("it must work") - usize::from(has_old);
        new.extend(old[at..start].iter().cloned());
        at = start;
        for line in &hunk.lines {
            if let Some(number) = line.old {
                assert_eq!(
                    usize::try_from(number).expect("it must work"),
                    at + 1,
                    "of {:?}",
                    line.text
                );
                assert_eq!(old[at], line.text, "the old side's line {number}");
                at += 1;
            }
            match line.kind {
                LineKind::Context | LineKind::Added | LineKind::Merged => {
                    new.push(line.text.clone());
                    let number =
                        usize::try_from(line.new.expect("it must work")).expect("it must work");
                    assert_eq!(number, new.len(), "the new side's number of {:?}", line.text);
                }
                LineKind::Removed => {}
            }
        }
    }
    new.extend(old[at..].iter().cloned());
    new
}

/// Reviews a diff and holds its findings against it: each names a line that the new side has.
pub(crate) fn reviewed(text: &str) -> usize {
    let parsed: Diff = diff::parse(text.as_bytes());
    let mut lines = HashSet::new();
    for file in &parsed.files {
        for line in file.hunks.iter().flat_map(|hunk| &hunk.lines) {
            if let Some(number) = line.new {
                lines.insert((file.path.as_str(), number));
            }
        }
    }
    let review = review(text, &Config::default());
    for found in &review.findings {
        let stands = lines.contains(&(found.file.as_str(), found.line));
        assert!(stands, "{}:{} of {} isn't there", found.file, found.line, found.rule);
    }
    review.findings.len()
}
