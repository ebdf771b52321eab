//! What the end of the real process tells whoever started it.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coppice_testkit::sandbox::SandboxError;
use coppice_testkit::{Client, Sandbox, binary};
use tokio::time::timeout;

const GAVE_UP: i32 = 4;
/// Far below what a start needs.
const FILES_FEW: u32 = 16;
const TRIES_MAX: u32 = 1_000;
/// A tree that bears three restarts has given up long before; a process that takes longer is taken
/// for one that lives, and tried again.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(2);

/// How a start with few files ended.
#[derive(Debug)]
enum End {
    /// With that code and log.
    Code(Option<i32>, String),
    /// Not at all: it serves, or would if it had a file for the connection.
    Lives,
}

/// The binary with a limit on its open files.
fn with_few_files(home: &Path) -> PathBuf {
    let script = home.join("coppice-with-few-files");
    let text = format!("#!/bin/sh\nulimit -n $FILES\nexec {} \"$@\"\n", binary().display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

async fn started_with(script: &Path, data: &Path, files: u32) -> End {
    let builder = Sandbox::builder(script.to_owned()).data(data);
    match builder.env("FILES", files.to_string()).start().await {
        Err(SandboxError::Ended { status, log }) => End::Code(status.code(), log),
        Err(error) => panic!("{error}"),
        Ok(mut sandbox) => {
            let client = Client::with_timeout(sandbox.url(), sandbox.key(), GIVES_UP_WITHIN);
            tokio::select! {
                biased;
                ended = timeout(GIVES_UP_WITHIN, sandbox.ended()) => match ended {
                    Ok(status) => End::Code(status.unwrap().code(), sandbox.log_tail()),
                    Err(_) => End::Lives,
                },
                Ok(_) = client.get_path("/health") => End::Lives,
            }
        }
    }
}

#[tokio::test]
async fn a_node_whose_part_falls_again_and_again_ends_with_code_4_and_says_which() {
    let home = tempfile::tempdir().unwrap();
    let (script, data) = (with_few_files(home.path()), home.path().join("data"));
    // With one file less than it needs, the gateway falls at each of its starts, and all before it
    // are up. How many that is depends on how many files the store has open at that moment, so it
    // is looked for.
    let mut files = FILES_FEW;
    let mut tries = 0;
    let log = loop {
        tries += 1;
        assert!(tries < TRIES_MAX, "it never gave up, at last with {files} files");
        match started_with(&script, &data, files).await {
            End::Code(Some(GAVE_UP), log) => break log,
            End::Code(Some(1), _) => files += 1,
            End::Lives => files -= 1,
            End::Code(code, log) => panic!("{code:?} with {files} files:\n{log}"),
        }
    };
    let report = log.lines().last().unwrap();
    for part in [
        "coppice: the node gave up",
        "supervisor node",
        "child gateway",
        "more than 3 restarts within 60s",
        "Too many open files",
    ] {
        assert!(report.contains(part), "{report}");
    }
    // It is to be started again, and with what it needs it serves.
    let mut sandbox = Sandbox::builder(binary()).data(&data).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("x", 1, None).await.unwrap().value(), Some(1));
    assert_eq!(sandbox.terminate().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_node_that_can_not_start_ends_with_code_1_and_one_that_is_misconfigured_with_code_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let builder = || Sandbox::builder(binary());
    for (builder, expected, says) in [
        (builder().listen(&address), 1, "can not listen on"),
        (builder().env("COPPICE_RUNTIME__NO_SUCH_SETTING", "1"), 2, "no_such_setting"),
        (builder().env("COPPICE_RUNTIME__SHARDS", "0"), 2, "shards"),
        (builder().key("sk_short"), 2, "the first API key is not accepted"),
        (builder().arg("--no-such-flag"), 2, "--no-such-flag"),
    ] {
        match builder.start().await {
            Err(SandboxError::Ended { status, log }) => {
                assert_eq!(status.code(), Some(expected), "{log}");
                assert!(log.contains(says), "{log}");
            }
            other => panic!("{says}: {other:?}"),
        }
    }
}
