//! `coppice demo`, as a new user runs it: on both stores, killed at a random moment.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::process::Command;

use coppice_testkit::binary;
use coppice_testkit::postgres::shared_database;

/// How often it is played on each store; the long suite says more.
fn rounds() -> u32 {
    let said = std::env::var("COPPICE_TEST_DEMOS").ok().and_then(|text| text.parse().ok());
    said.unwrap_or(3)
}

fn plays(arguments: &[&str]) {
    let mut demo = Command::new(binary());
    // On a machine that others use a decision about money may take longer than a user waits for it.
    demo.env("COPPICE_TREASURY__AUTHORIZE_TIMEOUT_MS", "20000");
    let output = demo.arg("demo").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{problem}");
    for part in ["SIGKILL", "approval", "posted", "proven by the journal", "coppice verified"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn the_story_comes_out_on_the_embedded_store_whenever_the_process_is_killed() {
    for _ in 0..rounds() {
        plays(&[]);
    }
    plays(&["--kill-after-ms", "0"]);
}

#[test]
fn the_story_comes_out_on_postgresql_whenever_the_process_is_killed() {
    for _ in 0..rounds() {
        // The store is the database; what is made for the story lies in a directory of its own.
        let (database, home) = (shared_database().unwrap(), tempfile::tempdir().unwrap());
        plays(&["--database", &database, "--data", home.path().to_str().unwrap()]);
    }
}
