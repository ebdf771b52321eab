//! The same command again, at every distance from the first.

use std::time::Duration;

use coppice_persistence::Journal;
use coppice_runtime::task::spawn;
use coppice_runtime::{Failure, RuntimeOptions};
use coppice_testkit::{Point, Times};
use coppice_tests::node::{Caller, value};
use coppice_tests::running::{command, stream_key};

use crate::world::{ADA, World, profile};

fn narrow() -> RuntimeOptions {
    RuntimeOptions { command_window: 1, snapshot_every: 4, ..RuntimeOptions::default() }
}

/// A repeat of an add with the key `k` gets the answer that the first got.
async fn assert_repeats(caller: &Caller, n: i64) {
    let again = caller.add("x", n, Some("k")).await.unwrap();
    assert!(again.repeated, "the answer does not say that it repeats");
    assert_eq!((again.sequence.0, value(&again.reply)), (1, n));
    assert_eq!(caller.add("x", n - 1, Some("k")).await, Err(Failure::KeyReused));
}

#[tokio::test(start_paused = true)]
async fn a_repeat_gets_the_first_answer_and_another_body_is_refused() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    let first = caller.add("x", 7, Some("k")).await.unwrap();
    assert!(!first.repeated);
    assert_repeats(&caller, 7).await;
    caller.add("x", 1, None).await.unwrap();
    assert_repeats(&caller, 7).await;
    assert_eq!(world.journal().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_after_a_restart_gets_the_first_answer() {
    let world = World::default();
    let (node, caller) = world.start().await;
    caller.add("x", 7, Some("k")).await.unwrap();
    caller.add("x", 1, None).await.unwrap();
    let (_node, caller) = world.restart(node).await;
    assert_repeats(&caller, 7).await;
    assert_eq!(value(&caller.read("x").await.unwrap().state), 8);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_beyond_the_window_gets_the_first_answer() {
    let world = World::new(narrow());
    let (node, caller) = world.start().await;
    caller.add("x", 7, Some("k")).await.unwrap();
    for key in ["a", "b", "c", "d", "e"] {
        caller.add("x", 1, Some(key)).await.unwrap();
    }
    assert_repeats(&caller, 7).await;
    // After a restart a snapshot hides the command from recovery too.
    let (_node, caller) = world.restart(node).await;
    assert_repeats(&caller, 7).await;
    assert_eq!(value(&caller.read("x").await.unwrap().state), 12);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_the_state_would_now_refuse_gets_the_first_answer() {
    let world = World::new(narrow());
    let (node, caller) = world.start().await;
    caller.add("x", i64::MAX, Some("k")).await.unwrap();
    assert_repeats(&caller, i64::MAX).await;
    assert!(matches!(
        caller.add("x", 1, Some("refused")).await,
        Err(Failure::Rejected { code: "counter_overflow", .. })
    ));
    for key in ["a", "b", "c", "d", "e"] {
        caller.add("x", -1, Some(key)).await.unwrap();
    }
    assert_repeats(&caller, i64::MAX).await;
    let (_node, caller) = world.restart(node).await;
    assert_repeats(&caller, i64::MAX).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_decided_anew_by_a_repeat() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    caller.add("x", i64::MAX, None).await.unwrap();
    assert!(caller.add("x", 5, Some("k")).await.is_err());
    caller.add("x", -10, None).await.unwrap();
    let accepted = caller.add("x", 5, Some("k")).await.unwrap();
    assert_eq!((accepted.repeated, value(&accepted.reply)), (false, i64::MAX - 5));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_command_without_events_is_remembered_too() {
    let world = World::new(narrow());
    let (node, caller) = world.start().await;
    // Before the first event there is no entity row, only the record.
    let first = profile(&caller, "touch", "{}", Some("k")).await.unwrap();
    assert_eq!((first.sequence.0, first.repeated), (0, false));
    for _ in 0..3 {
        profile(&caller, "name", ADA, None).await.unwrap();
    }
    profile(&caller, "touch", "{}", Some("other")).await.unwrap();
    let again = profile(&caller, "touch", "{}", Some("k")).await.unwrap();
    assert_eq!((again.sequence.0, &*again.reply, again.repeated), (0, "0", true));
    let (_node, caller) = world.restart(node).await;
    let again = profile(&caller, "touch", "{}", Some("k")).await.unwrap();
    assert_eq!((again.sequence.0, &*again.reply, again.repeated), (0, "0", true));
    assert_eq!(profile(&caller, "touch", "{ }", Some("k")).await, Err(Failure::KeyReused));
    assert_eq!(world.journal().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_repeats_have_one_effect() {
    let world = World::default();
    let (node, caller) = world.start().await;
    for restarted in [false, true] {
        let asked: Vec<_> = (0..64)
            .map(|_| {
                let caller = caller.clone();
                spawn(async move { caller.add("x", 3, Some("k")).await })
            })
            .collect();
        let mut first = 0;
        for task in asked {
            let answer = task.await.unwrap().unwrap();
            assert_eq!((answer.sequence.0, value(&answer.reply)), (1, 3));
            first += usize::from(!answer.repeated);
        }
        assert_eq!(first, usize::from(!restarted));
    }
    assert_eq!(world.journal().await.len(), 1);
    let (_node, caller) = world.restart(node).await;
    assert_eq!(value(&caller.read("x").await.unwrap().state), 3);
}

#[tokio::test(start_paused = true)]
async fn a_new_command_among_many_repeats_is_not_worn_out_by_them() {
    let world = World::new(narrow());
    let (node, caller) = world.start().await;
    let keys: Vec<String> = (0..12).map(|key| format!("k{key}")).collect();
    for key in &keys {
        caller.add("x", 1, Some(key)).await.unwrap();
    }
    caller.add("x", 1, Some("last")).await.unwrap();
    // Nobody else writes: whatever falls here falls because of the repeats around it, of which
    // one more comes in while each append is under way.
    let hold = world.store.faults().hold(Point::BeforeAppend, Times::Always);
    let ask = |n: i64, key: Option<String>| {
        let caller = caller.clone();
        spawn(async move { caller.add("x", n, key.as_deref()).await })
    };
    let fresh = ask(100, None);
    let mut repeats = Vec::new();
    for (round, key) in keys.into_iter().enumerate() {
        repeats.push(ask(1, Some(key)));
        if round == 0 {
            hold.reached(1).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        if round > 0 && !fresh.is_finished() {
            hold.release_one();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    hold.release();
    for repeat in repeats {
        assert!(repeat.await.unwrap().unwrap().repeated);
    }
    assert_eq!(value(&fresh.await.unwrap().unwrap().reply), 113);
    drop(node);
}

#[tokio::test(start_paused = true)]
async fn records_are_dropped_by_age_and_events_stay() {
    let retention = Duration::from_secs(3_600);
    let world =
        World::new(RuntimeOptions { command_retention: retention, ..RuntimeOptions::default() });
    let (node, caller) = world.start().await;
    caller.add("x", 1, Some("old")).await.unwrap();
    let old = command_id("old");
    world.clock.advance(retention + Duration::from_secs(1));
    caller.add("x", 1, Some("new")).await.unwrap();
    // The sweep runs once a minute, in tokio's time.
    tokio::time::sleep(Duration::from_secs(61)).await;
    let key = stream_key("counter", "x");
    assert_eq!(world.store.command(&key, old).await.unwrap(), None);
    assert!(world.store.command(&key, command_id("new")).await.unwrap().is_some());
    let (_node, caller) = world.restart(node).await;
    assert!(caller.add("x", 1, Some("new")).await.unwrap().repeated);
    // Out of the window of retention, a repeat is a new command.
    assert_eq!(value(&caller.add("x", 1, Some("old")).await.unwrap().reply), 3);
}

fn command_id(key: &str) -> coppice_core::CommandId {
    coppice_tests::node::add("x", 1, Some(key)).command_id
}

#[tokio::test(start_paused = true)]
async fn one_key_on_two_entities_is_two_commands() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    let id = command("x", "add", "{}", Some("k")).command_id;
    for counter in ["x", "y"] {
        let mut request = coppice_tests::node::add(counter, 1, Some("k"));
        request.command_id = id;
        assert!(!caller.0.ask("counter", request).await.unwrap().repeated);
    }
}
