//! Diffs that the real git writes: what is read is what git means.
//!
//! Line numbers are proved by carrying the hunks out on the old side: the new side must come out.

mod common;

use std::fs;
use std::path::Path;

use common::{applied, commit, git, lines_of, repository, reviewed, told, write};
use coppice_code_review::diff::{Change, Content, FileDiff, LineKind, parse};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The diff between the last two commits, and its files without any note.
fn difference(folder: &Path, options: &[&str]) -> (String, Vec<FileDiff>) {
    let mut arguments = vec!["diff"];
    arguments.extend(options);
    arguments.extend(["HEAD~1", "HEAD"]);
    let bytes = told(folder, &arguments);
    let diff = parse(&bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert_eq!(diff.notes, [], "{text}");
    reviewed(&text);
    (text, diff.files)
}

/// Commits both sides of one file, in a repository of its own.
fn two_sides(old: Option<&[u8]>, new: Option<&[u8]>, options: &[&str]) -> FileDiff {
    let folder = repository();
    let path = "src/a file.rs";
    if let Some(old) = old {
        write(folder.path(), path, old);
    }
    commit(folder.path());
    match new {
        Some(new) => write(folder.path(), path, new),
        None => fs::remove_file(folder.path().join(path)).expect("it must work"),
    }
    commit(folder.path());
    let (_, mut files) = difference(folder.path(), options);
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[test]
fn every_change_of_a_file_comes_out_as_git_has_it() {
    let many: String = (0..60).map(|at| format!("line {at}\n")).collect();
    let other = many.replace("line 5\n", "five\nand more\n").replace("line 40\n", "");
    let cases: [(&str, &str); 9] = [
        ("a\nb\nc\n", "a\nx\nc\n"),
        ("a\nb\nc", "a\nb\nc\n"),
        ("a\nb\n", "a\nb"),
        ("a\r\nb\r\n", "a\r\nb\r\nc\r\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("\n\n\n", "\n\nx\n\n"),
        ("-- a\n++ b\n@@ c\n", "-- d\n++ e\n@@ f\ndiff --git a/x b/x\n"),
        ("ä\u{2028}\u{c}b\n", "ö\u{2028}\u{c}b\n"),
        (&many, &other),
    ];
    for (old, new) in cases {
        for options in
            [&["-U3"][..], &["-U0"], &["-U20"], &["--no-prefix"], &["--function-context"]]
        {
            let file = two_sides(Some(old.as_bytes()), Some(new.as_bytes()), options);
            assert_eq!(file.path, "src/a file.rs");
            assert_eq!(
                applied(old.as_bytes(), &file.hunks),
                lines_of(new.as_bytes()),
                "{options:?}"
            );
        }
    }
    let added = two_sides(None, Some(b"a\nb\n"), &[]);
    assert_eq!((added.change, added.added()), (Change::Added, 2));
    let deleted = two_sides(Some(b"a\nb\n"), None, &[]);
    assert_eq!((deleted.change, deleted.removed()), (Change::Deleted, 2));
    assert_eq!(two_sides(None, Some(b""), &[]).change, Change::Added);
}

#[test]
fn renames_modes_binaries_links_and_strange_names_come_out_as_git_has_them() {
    let folder = repository();
    let path = folder.path();
    let text: String = (0..30).map(|at| format!("line {at}\n")).collect();
    write(path, "old name.txt", text.as_bytes());
    write(path, "copied.txt", text.replace("line", "text").as_bytes());
    write(path, "run.sh", b"echo\n");
    write(path, "picture.bin", &[0, 1, 2, 0, 255]);
    write(path, "ä \"quoted\"\tname.py", b"a = 1\n");
    commit(path);
    fs::rename(path.join("old name.txt"), path.join("new name.txt")).expect("it must work");
    write(path, "new name.txt", text.replace("line 7\n", "seven\n").as_bytes());
    write(path, "copy.txt", text.replace("line", "text").as_bytes());
    write(path, "copied.txt", text.replace("line", "words").replace("words 2", "w 2").as_bytes());
    write(path, "picture.bin", &[0, 9, 2, 0, 255]);
    write(path, "ä \"quoted\"\tname.py", b"a = 2\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path.join("run.sh"), fs::Permissions::from_mode(0o755))
            .expect("it must work");
        std::os::unix::fs::symlink("run.sh", path.join("link")).expect("it must work");
    }
    commit(path);
    for options in [&["-M", "-C", "-C"][..], &["-M", "--binary"], &["-M", "--no-prefix"]] {
        let (text, files) = difference(path, options);
        let file = |name: &str| {
            let found = files.iter().find(|file| file.path == name);
            found.unwrap_or_else(|| panic!("no {name} in {text}"))
        };
        let renamed = file("new name.txt");
        assert_eq!(renamed.change, Change::Renamed);
        assert_eq!(renamed.old_path.as_deref(), Some("old name.txt"));
        assert_eq!((renamed.added(), renamed.removed()), (1, 1));
        assert_eq!(file("run.sh").new_mode.as_deref(), Some("100755"));
        assert_eq!(file("picture.bin").content, Content::Binary);
        assert_eq!(file("link").content, Content::Symlink);
        assert_eq!(file("ä \"quoted\"\tname.py").added(), 1);
        let copied = if options.contains(&"-C") { Change::Copied } else { Change::Added };
        assert_eq!(file("copy.txt").change, copied);
    }
}

#[test]
fn a_submodule_is_told_in_every_form() {
    let inner = repository();
    write(inner.path(), "a", b"a\n");
    commit(inner.path());
    let folder = repository();
    commit(folder.path());
    let source = inner.path().to_str().expect("it must work");
    told(folder.path(), &["submodule", "--quiet", "add", source, "libs/inner"]);
    commit(folder.path());
    write(inner.path(), "a", b"b\n");
    commit(inner.path());
    let module = folder.path().join("libs/inner");
    told(&module, &["pull", "--quiet"]);
    commit(folder.path());
    for form in ["--submodule=short", "--submodule=log"] {
        let (text, files) = difference(folder.path(), &[form]);
        assert_eq!(files.len(), 1, "{text}");
        assert_eq!((files[0].path.as_str(), files[0].content), ("libs/inner", Content::Submodule));
    }
}

#[test]
fn a_merge_shows_what_no_parent_had() {
    let folder = repository();
    let path = folder.path();
    write(path, "a.py", b"one\ntwo\nthree\n");
    commit(path);
    told(path, &["checkout", "--quiet", "-b", "theirs"]);
    write(path, "a.py", b"one\ntheirs\nthree\n");
    commit(path);
    told(path, &["checkout", "--quiet", "main"]);
    write(path, "a.py", b"one\nours\nthree\n");
    commit(path);
    assert!(!git(path, &["merge", "theirs"]).status.success(), "it must conflict");
    write(path, "a.py", b"one\nours\ntheirs\neval(text)\nthree\n");
    commit(path);
    for form in ["--cc", "-c"] {
        let bytes = told(path, &["show", form, "HEAD"]);
        let diff = parse(&bytes);
        assert_eq!(diff.notes, []);
        let lines = &diff.files[0].hunks[0].lines;
        let added: Vec<_> = lines.iter().filter(|line| line.kind == LineKind::Added).collect();
        assert_eq!(added.len(), 1);
        assert_eq!((added[0].text.as_str(), added[0].new), ("eval(text)", Some(4)));
        assert_eq!(reviewed(&String::from_utf8_lossy(&bytes)), 1);
    }
}

/// Lines that look like code, like diffs, and like nothing.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        Just("    for item in items:".to_owned()),
        Just("        db.query(f\"SELECT a FROM b WHERE c = {item}\")".to_owned()),
        Just("@@ -1,2 +3,4 @@".to_owned()),
        Just("--- a/x".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("/* { */ }".to_owned()),
        Just("\\ No newline at end of file".to_owned()),
        Just(String::new()),
        Just("x\r".to_owned()),
    ]
}

fn side() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(line(), 1..40), any::<bool>()).prop_map(|(lines, ends)| {
        let mut text = lines.join("\n");
        if ends {
            text.push('\n');
        }
        text.into_bytes()
    })
}

#[test]
fn whatever_changes_the_hunks_lead_from_one_side_to_the_other() {
    let folder = repository();
    let path = folder.path();
    commit(path);
    // Each case costs some processes, so there are few and large ones: four files at once.
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let sides = prop::collection::vec((side(), side(), 0..4_usize), 4);
    runner
        .run(&sides, |files| {
            const NAMES: [&str; 4] = ["a.py", "b/b.rs", "c c.js", "d.sql"];
            for (name, (old, ..)) in NAMES.iter().zip(&files) {
                write(path, name, old);
            }
            commit(path);
            for (name, (old, new, keep)) in NAMES.iter().zip(&files) {
                // Some keep most of their lines, so that hunks have context.
                let kept = [&old[..], b"\n", &new[..]].concat();
                write(path, name, if *keep == 0 { new } else { &kept });
            }
            commit(path);
            let (text, changed) = difference(path, &["-M", "-a"]);
            for file in changed {
                let show = |side: &str, path_of: &str| {
                    git(path, &["show", &format!("{side}:{path_of}")]).stdout
                };
                let before = file.old_path.as_ref().unwrap_or(&file.path);
                let (old, new) = (show("HEAD~1", before), show("HEAD", &file.path));
                prop_assert_eq!(applied(&old, &file.hunks), lines_of(&new), "{}", text);
            }
            Ok(())
        })
        .expect("it must work");
}
