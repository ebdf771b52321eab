//! Rules of the house that no compiler checks, each run over every file that git tracks or would.
//!
//! A rule is a plain function from a file, or from what cargo says, to its faults. Beside each
//! stands a test that plants a violation, so that a rule can't rot in silence. Where a rule is in
//! the way of something good, change its table and say why there.

#[path = "tidy/crates.rs"]
mod crates;
#[path = "tidy/logs.rs"]
mod logs;
#[path = "tidy/machine.rs"]
mod machine;
#[path = "tidy/requirements.rs"]
mod requirements;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use source::{Fault, Source, files};

fn none(faults: &[Fault]) {
    let lines: Vec<_> = faults.iter().map(Fault::to_string).collect();
    assert!(lines.is_empty(), "{} faults:\n{}", lines.len(), lines.join("\n"));
}

fn every_file(rule: fn(&Source) -> Vec<Fault>) {
    none(&files().iter().flat_map(rule).collect::<Vec<_>>());
}

#[test]
fn crates_use_only_what_stands_below_them() {
    none(&crates::edges(&crates::metadata()));
}

#[test]
fn pure_crates_use_only_pure_crates() {
    none(&crates::impurities(&crates::metadata()));
}

#[test]
fn the_workspace_has_one_binary() {
    none(&crates::binaries(&crates::metadata()));
}

#[test]
fn manifests_and_lints_say_what_they_must() {
    assert!(files().iter().any(|file| file.path == "clippy.toml"), "there is no root clippy.toml");
    every_file(crates::settings);
}

#[test]
fn files_are_short_enough_to_hold_in_mind() {
    every_file(shape::too_long);
}

#[test]
fn files_open_with_their_purpose() {
    every_file(shape::without_purpose);
}

#[test]
fn files_are_named_after_what_they_hold() {
    every_file(shape::without_subject);
}

#[test]
fn tests_are_named_as_sentences() {
    every_file(shape::test_prefix);
}

#[test]
fn banned_words_and_calls_are_absent() {
    every_file(words::banned);
}

#[test]
fn lints_are_silenced_with_a_reason() {
    every_file(words::silenced_without_reason);
}

#[test]
fn library_errors_have_variants() {
    every_file(words::boxed_errors);
}

#[test]
fn log_messages_are_constant() {
    every_file(logs::messages);
}

#[test]
fn the_tree_knows_no_particular_machine() {
    every_file(machine::traces);
}

#[test]
fn every_requirement_has_its_row() {
    let table = files().iter().find(|file| file.path == "docs/requirements.md");
    none(&requirements::table(table.expect("there is no docs/requirements.md"), files()));
}
