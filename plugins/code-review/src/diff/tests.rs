//! Diffs of every form that git and diff write, and broken ones.

use super::*;

fn files(text: &str) -> Vec<FileDiff> {
    let diff = parse(text.as_bytes());
    assert_eq!(diff.notes, [], "of {text}");
    diff.files
}

fn one(text: &str) -> FileDiff {
    let mut files = files(text);
    assert_eq!(files.len(), 1, "of {text}");
    files.remove(0)
}

fn codes(text: &str) -> Vec<NoteCode> {
    parse(text.as_bytes()).notes.into_iter().map(|note| note.code).collect()
}

#[test]
fn a_modification_has_its_lines_with_both_numbers() {
    let file = one("diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n\
                    @@ -3,3 +3,4 @@ fn f() {\n one\n-two\n+2\n+2.5\n three\n");
    assert_eq!((file.path.as_str(), file.change), ("x", Change::Modified));
    assert_eq!((file.added(), file.removed()), (2, 1));
    assert_eq!(file.new_mode.as_deref(), Some("100644"));
    let hunk = &file.hunks[0];
    assert_eq!(hunk.section, "fn f() {");
    let numbers: Vec<_> = hunk.lines.iter().map(|line| (line.old, line.new)).collect();
    let expected =
        [(Some(3), Some(3)), (Some(4), None), (None, Some(4)), (None, Some(5)), (Some(5), Some(6))];
    assert_eq!(numbers, expected);
}

#[test]
fn renames_copies_and_modes_are_read_without_hunks() {
    let file =
        one("diff --git a/a b b/c d\nsimilarity index 97%\nrename from a b\nrename to c d\n");
    assert_eq!((file.path.as_str(), file.old_path.as_deref()), ("c d", Some("a b")));
    assert_eq!((file.change, file.similarity), (Change::Renamed, Some(97)));
    let file = one("diff --git a/a b/c\nsimilarity index 100%\ncopy from a\ncopy to c\n");
    assert_eq!((file.change, file.old_path.as_deref()), (Change::Copied, Some("a")));
    let file = one("diff --git a/run b/run\nold mode 100644\nnew mode 100755\n");
    assert_eq!((file.path.as_str(), file.hunks.len()), ("run", 0));
    let modes = (file.old_mode.as_deref(), file.new_mode.as_deref());
    assert_eq!(modes, (Some("100644"), Some("100755")));
}

#[test]
fn new_deleted_and_empty_files_are_told() {
    let file =
        one("diff --git a/x b/x\nnew file mode 100644\nindex 0..1\n--- /dev/null\n+++ b/x\n\
                    @@ -0,0 +1 @@\n+a\n");
    assert_eq!((file.change, file.path.as_str()), (Change::Added, "x"));
    assert_eq!(file.old_path, None);
    let file = one("diff --git a/x b/x\ndeleted file mode 100644\nindex 1..0\n--- a/x\n\
                    +++ /dev/null\n@@ -1 +0,0 @@\n-a\n");
    assert_eq!((file.change, file.path.as_str()), (Change::Deleted, "x"));
    let file = one("diff --git a/d/x y b/d/x y\nnew file mode 100644\nindex 0..0\n");
    assert_eq!((file.change, file.path.as_str()), (Change::Added, "d/x y"));
}

#[test]
fn binaries_submodules_and_links_are_told() {
    let file = one("diff --git a/x.png b/x.png\nindex 1..2 100644\n\
                    Binary files a/x.png and b/x.png differ\n");
    assert_eq!((file.content, file.path.as_str()), (Content::Binary, "x.png"));
    let patch = "diff --git a/x.png b/x.png\nindex 1..2 100644\nGIT binary patch\nliteral 4\n\
                 LcmZQzU|?hb00IC2\n\nliteral 0\nHcmV?d00001\n\n";
    let two = files(&format!("{patch}{}", patch.replace("x.png", "y.png")));
    assert_eq!(two.iter().map(|file| file.content).collect::<Vec<_>>(), [Content::Binary; 2]);
    let file = one("diff --git a/m b/m\nindex 1111111..2222222 160000\n--- a/m\n+++ b/m\n\
                    @@ -1 +1 @@\n-Subproject commit 1\n+Subproject commit 2\n");
    assert_eq!(file.content, Content::Submodule);
    let file = one("Submodule libs/m 1111111..2222222:\n  > fix it\n  < break it\n");
    assert_eq!((file.content, file.path.as_str()), (Content::Submodule, "libs/m"));
    for text in [
        "Submodule a b 0000000...2222222 (new submodule)\n",
        "Submodule a b contains untracked content\n",
    ] {
        assert_eq!(one(text).path, "a b");
    }
    let file = one("diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n\
                    @@ -0,0 +1 @@\n+target\n\\ No newline at end of file\n");
    assert_eq!(file.content, Content::Symlink);
    assert!(file.hunks[0].lines[0].is_unterminated);
}

#[test]
fn carriage_returns_of_files_stay_and_those_of_headers_go() {
    let file = one("diff --git a/x b/x\r\n--- a/x\r\n+++ b/x\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n");
    assert_eq!(file.path, "x");
    assert_eq!(file.hunks[0].lines[1].text, "b\r");
}

#[test]
fn a_merge_tells_what_is_new_from_what_another_parent_had() {
    let file =
        one("diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,3 -1,2 +1,4 @@@ fn f\n  one\n\
                    - two\n -2\n++both\n +theirs\n+ ours\n");
    assert_eq!(file.path, "x");
    let hunk = &file.hunks[0];
    assert_eq!(hunk.section, "fn f");
    let lines: Vec<_> = hunk.lines.iter().map(|line| (line.kind, line.old, line.new)).collect();
    let expected = [
        (LineKind::Context, Some(1), Some(1)),
        (LineKind::Removed, Some(2), None),
        (LineKind::Added, None, Some(2)),
        (LineKind::Context, Some(3), Some(3)),
        (LineKind::Merged, None, Some(4)),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn plain_diffs_are_read_with_their_times_and_remarks() {
    let text = "diff -ru old/a b.txt new/a b.txt\n--- old/a b.txt\t2026-01-02 03:04:05.0 +0000\n\
                +++ new/a b.txt\t2026-01-02 03:04:06.0 +0000\n@@ -1 +1 @@\n-a\n+b\n\
                Only in new: c.txt\nBinary files old/d and new/d differ\n\
                Binary files old/e and new/e differ\n";
    let files = files(text);
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["new/a b.txt", "new/d", "new/e"]);
}

#[test]
fn prefixes_may_lack_or_be_others() {
    let path = |old: &str, new: &str| {
        one(&format!("diff --git {old} {new}\n--- {old}\n+++ {new}\n@@ -1 +1 @@\n-a\n+b\n")).path
    };
    assert_eq!(path("x/y", "x/y"), "x/y");
    assert_eq!(path("i/x", "w/x"), "x");
    assert_eq!(path("b/x", "b/x"), "b/x");
    let added =
        "diff --git b/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n";
    assert_eq!(one(added).path, "b/x");
}

#[test]
fn removed_lines_that_look_like_headers_are_lines() {
    let text = "--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1,2 @@\n--- a comment\n-b\n+++ b\n+c\n";
    let file = one(text);
    assert_eq!(file.hunks[0].lines[0].text, "-- a comment");
    assert_eq!(file.hunks[0].lines[2].text, "++ b");
}

#[test]
fn text_around_a_diff_means_nothing() {
    let text = "From 1234 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.com>\n\n---\n x | 2 +-\n\n\
                diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n-- \n2.47.3\n\n";
    assert_eq!(one(text).hunks.len(), 1);
    assert_eq!(files(""), []);
    assert_eq!(files("nothing\n\n+of that kind\n"), []);
}

#[test]
fn what_is_malformed_is_noted_and_the_rest_is_kept() {
    let good = "diff --git a/y b/y\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n";
    let head = "diff --git a/x b/x\n--- a/x\n+++ b/x\n";
    let cases = [
        ("@@ -1 +x @@\n-a\n+b\n", NoteCode::HunkHeaderMalformed),
        ("@@\n", NoteCode::HunkHeaderMalformed),
        ("@@ -1,9 +1,9 @@\n-a\n+b\n", NoteCode::HunkCutShort),
        ("@@ -1 +1 @@\n-a\n+b\n+c\n+d\n", NoteCode::LinesOutsideHunk),
        ("@@ -1 +99999999999 @@\n-a\n+b\n", NoteCode::NumberTooLarge),
        ("@@ -4294967295,2 +1 @@\n-a\n+b\n", NoteCode::NumberTooLarge),
    ];
    for (body, code) in cases {
        let text = format!("{head}{body}{good}");
        assert_eq!(codes(&text), [code], "{body}");
        let paths: Vec<_> =
            parse(text.as_bytes()).files.into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["x", "y"], "{body}");
    }
    assert_eq!(codes("@@ -1 +1 @@\n-a\n+b\n"), [NoteCode::HunkWithoutFile]);
    assert_eq!(codes("diff --git a/one two b/three\n"), [NoteCode::PathMissing]);
    assert_eq!(codes("--- \"a/x\n+++ \"b/x\n@@ -1 +1 @@\n-a\n+b\n"), [NoteCode::PathMalformed]);
    let bytes = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+\xff\n";
    assert_eq!(parse(bytes).notes[0].code, NoteCode::NotUtf8);
}

#[test]
fn notes_have_an_end() {
    let text = "@@ x\n".repeat(NOTES_MAX + 50);
    let notes = codes(&text);
    assert_eq!(notes.len(), NOTES_MAX + 1);
    assert_eq!(notes.last(), Some(&NoteCode::NotesCut));
}

#[test]
fn a_line_stripped_of_its_blank_is_context() {
    let file = one("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n");
    assert_eq!(file.hunks[0].lines[1].kind, LineKind::Context);
    assert_eq!(file.hunks[0].lines[3].new, Some(3));
}
