//! Poison for the whole process: a message whose entity's code aborts. No supervisor in the process
//! can help; what does is that the next start remembers the tries.
//!
//! Each test starts itself again as a process of its own that runs a node on the files of an
//! embedded store, for as long as that lives.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "poison/grenade.rs"]
mod grenade;

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use coppice_domain::example::Counter;
use coppice_persistence::{
    DeadLetter, DeadLetters, LetterKind, LetterReason, SqlStore, SqliteOptions,
};
use coppice_runtime::{EffectPool, Node, NodeBuilder, RuntimeOptions, SystemClock};
use coppice_tests::bell::Bell;
use coppice_tests::node::{Caller, PATIENCE, claim, id, tenant, value};
use coppice_tests::running::command;
use tokio::time::Instant;

use grenade::{Grenade, OUTSIDE};

/// Names the store's directory to a process that is to live and die there.
const HOME: &str = "COPPICE_TEST_POISON_HOME";
const SIGABRT: i32 = 6;

#[tokio::test]
async fn a_timer_that_aborts_the_process_is_out_of_delivery_after_three_starts() {
    three_starts(
        "a_timer_that_aborts_the_process_is_out_of_delivery_after_three_starts",
        "on_timer",
        LetterKind::Timer,
    )
    .await;
}

#[tokio::test]
async fn a_timer_whose_command_aborts_the_process_is_out_of_delivery_after_three_starts() {
    three_starts(
        "a_timer_whose_command_aborts_the_process_is_out_of_delivery_after_three_starts",
        "decide",
        LetterKind::Timer,
    )
    .await;
}

#[tokio::test]
async fn an_outcome_that_aborts_the_process_is_out_of_delivery_after_three_starts() {
    three_starts(
        "an_outcome_that_aborts_the_process_is_out_of_delivery_after_three_starts",
        "on_effect",
        LetterKind::Effect,
    )
    .await;
}

/// Starts this very test as a process of its own until one lives, and one more.
async fn three_starts(test: &str, pin: &str, kind: LetterKind) {
    if let Some(home) = std::env::var_os(HOME) {
        return live(Path::new(&home), pin).await;
    }
    let home = tempfile::tempdir().unwrap();
    for start in 1..=3 {
        let ended = process(test, home.path());
        assert_eq!(ended.status.signal(), Some(SIGABRT), "start {start}: {}", said(&ended));
    }
    for adds in 1..=2 {
        let ended = process(test, home.path());
        assert!(ended.status.success(), "it did not live: {}", said(&ended));
        let store = SqlStore::open_sqlite(home.path(), SqliteOptions::default()).await.unwrap();
        let letter = only_letter(store.dead_letters(None, 0, 100).await.unwrap());
        assert_eq!((letter.kind, letter.reason), (kind, LetterReason::ProcessEnded));
        assert_eq!((letter.key.id().as_str(), letter.attempts), ("live", 3));
        assert!(!letter.detail.is_empty(), "it says why");
        store.close().await;
        let said = said(&ended);
        assert!(said.contains(&format!("neighbour stands at {adds}")), "{said}");
    }
}

fn process(test: &str, home: &Path) -> Output {
    // Without a core file of every death.
    let script = r#"ulimit -c 0; exec "$0" "$@""#;
    let myself: OsString = std::env::current_exe().unwrap().into();
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(myself).args(["--exact", test, "--nocapture"]);
    command.env(HOME, home).output().unwrap()
}

fn said(ended: &Output) -> String {
    let [out, err] = [&ended.stdout, &ended.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{}\n{out}\n{err}", ended.status)
}

fn only_letter(letters: Vec<DeadLetter>) -> DeadLetter {
    let [letter] = <[DeadLetter; 1]>::try_from(letters).unwrap();
    letter
}

async fn start(home: &Path) -> Node {
    let store = SqlStore::open_sqlite(home, SqliteOptions::default()).await.unwrap();
    let store = Arc::new(store);
    let lease = Arc::new(claim(store.as_ref(), "node").await);
    let outside = EffectPool::new(OUTSIDE, Arc::new(Bell::default()));
    NodeBuilder::new(store, lease, Arc::new(SystemClock), RuntimeOptions::default())
        .kind::<Counter>()
        .kind::<Grenade>()
        .effects(outside)
        .start()
        .await
        .unwrap()
}

/// One life of the process: it arms the entity, unless an earlier one has, and meets its message.
/// Whoever lives on shows that the others do.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
async fn live(home: &Path, pin: &str) {
    let node = start(home).await;
    let caller = Caller(node.registry());
    let body = format!(r#"{{"pin":"{pin}"}}"#);
    caller.0.ask("grenade", command("live", "arm", &body, Some("once"))).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let letters = loop {
        let letters = node.dead_letters().list(&tenant(), 0, 100).await.unwrap();
        if !letters.is_empty() {
            break letters;
        }
        assert!(Instant::now() < deadline, "it lives, and nothing is out of delivery");
        tokio::task::yield_now().await;
    };
    assert_eq!(only_letter(letters).key.id().as_str(), "live");
    // Timers of its neighbour, the counter and the entity itself are served.
    caller.0.ask("grenade", command("dud", "arm", r#"{"pin":"dud"}"#, None)).await.unwrap();
    while caller.0.view("grenade", tenant(), id("dud"), deadline).await.unwrap().state.as_ref()
        == "0"
    {
        assert!(Instant::now() < deadline, "the neighbour's timer never fired");
        tokio::task::yield_now().await;
    }
    caller.0.view("grenade", tenant(), id("live"), deadline).await.unwrap();
    let added = caller.add("c", 1, None).await.unwrap();
    println!("neighbour stands at {}", value(&added.reply));
    node.shutdown(PATIENCE).await;
}
