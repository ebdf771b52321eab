//! What the end of the real process tells whoever started it.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;

use coppice_testkit::sandbox::SandboxError;
use coppice_testkit::{Client, Sandbox, binary};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

const GAVE_UP: i32 = 4;

/// Ends the socket that a running node listens on, as `ss --kill` does, and nothing else of it. The
/// node's descriptors stay open and accept never again.
fn break_listener(sandbox: &Sandbox) {
    let id = sandbox.process_id().unwrap();
    let address = sandbox.url().strip_prefix("http://").unwrap().parse().unwrap();
    let process = Pid::from_raw(id.try_into().unwrap()).unwrap();
    let process = pidfd_open(process, PidfdFlags::empty()).unwrap();
    // A second descriptor of what the process has open, for each of its own.
    let taken = |entry: std::io::Result<std::fs::DirEntry>| -> Option<OwnedFd> {
        let number = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
        // One may have been closed since the directory was read.
        pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()
    };
    let sockets = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().filter_map(taken);
    let mut listening = sockets.map(TcpStream::from).filter(|socket| {
        // Connections that it has accepted have the same address, and a peer.
        socket.local_addr().is_ok_and(|local| local == address) && socket.peer_addr().is_err()
    });
    listening.next().expect("it listens").shutdown(Shutdown::Both).unwrap();
}

#[tokio::test]
async fn a_node_whose_part_falls_again_and_again_ends_with_code_4_and_says_which() {
    let mut sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("x", 1, None).await.unwrap().value(), Some(1));
    // The socket outlives the gateway's restarts, so each new gateway falls as well, and nothing else
    // does.
    break_listener(&sandbox);
    let ended = sandbox.ended().await.unwrap();
    let log = sandbox.log_tail();
    assert_eq!(ended.code(), Some(GAVE_UP), "{log}");
    let report = log.lines().last().unwrap();
    for part in [
        "coppice: the node gave up",
        "supervisor node",
        "child gateway",
        "more than 3 restarts within 60s",
        "Invalid argument",
    ] {
        assert!(report.contains(part), "{report}");
    }
    // It is to be started again, and then it listens on a socket of its own.
    sandbox.restart().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("x", 1, None).await.unwrap().value(), Some(2));
    assert_eq!(sandbox.terminate().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_node_that_can_not_start_ends_with_code_1_and_one_that_is_misconfigured_with_code_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let builder = || Sandbox::builder(binary());
    let home = tempfile::tempdir().unwrap();
    let rules = home.path().join("routing.toml");
    std::fs::write(&rules, "[[rules]]\ntype = \"push\"\nplan = \"no-such-plan\"\n").unwrap();
    for (builder, expected, says) in [
        (builder().listen(&address), 1, "can not listen on"),
        (builder().env("COPPICE_RUNTIME__NO_SUCH_SETTING", "1"), 2, "no_such_setting"),
        (builder().env("COPPICE_RUNTIME__SHARDS", "0"), 2, "shards"),
        (builder().key("sk_short"), 2, "the first API key is not accepted"),
        (builder().arg("--no-such-flag"), 2, "--no-such-flag"),
        (builder().env("COPPICE_INGRESS__ROUTING", &rules), 2, "no-such-plan"),
        (builder().env("COPPICE_GITHUB_WEBHOOK_SECRET", "short"), 2, "at least 16 bytes"),
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
