//! An entity whose own code panics: its command fails, and it lives on.

use coppice_runtime::task::spawn;
use coppice_runtime::{Failure, Outcome, RuntimeOptions};
use coppice_testkit::{Point, Times};
use coppice_tests::node::{PATIENCE, id, tenant, value};
use coppice_tests::running::{eventually, stream_key};
use tokio::time::Instant;

use crate::world::{ADA, World, profile, read_profile};

#[tokio::test(start_paused = true)]
async fn a_crash_in_decide_fails_its_command_and_the_next_one_works() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    profile(&caller, "name", ADA, None).await.unwrap();
    let crashed = profile(&caller, "crash", "{}", None).await.unwrap_err();
    assert_eq!((&crashed, crashed.outcome()), (&Failure::Crashed, Outcome::NotApplied));
    let next = profile(&caller, "name", ADA, None).await.unwrap();
    assert_eq!((next.sequence.0, &*next.reply), (2, "1"));
    assert_eq!(world.journal().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_evolve_fails_its_command_and_the_next_one_works() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    profile(&caller, "name", ADA, None).await.unwrap();
    let crashed = profile(&caller, "crash_in_evolve", "{}", Some("k")).await.unwrap_err();
    assert_eq!((&crashed, crashed.outcome()), (&Failure::Crashed, Outcome::NotApplied));
    let view = read_profile(&caller).await.unwrap();
    assert_eq!((view.sequence.0, &*view.state), (1, r#"{"name":"Ada Lovelace","named":1}"#));
    // The failed command left no record: its repeat is decided, and crashes, anew.
    let again = profile(&caller, "crash_in_evolve", "{}", Some("k")).await;
    assert_eq!(again, Err(Failure::Crashed));
    assert_eq!(profile(&caller, "name", ADA, None).await.unwrap().sequence.0, 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_before_a_crash_still_commits_and_what_waits_behind_it_too() {
    let world = World::default();
    let (node, caller) = world.start().await;
    profile(&caller, "name", ADA, None).await.unwrap();
    let hold = world.store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let mut asked = Vec::new();
    for name in ["name", "name", "crash", "name", "crash_in_evolve", "name", "touch"] {
        let caller = caller.clone();
        let body = if name == "name" { ADA } else { "{}" };
        asked.push(spawn(async move { profile(&caller, name, body, None).await }));
        tokio::task::yield_now().await;
    }
    hold.reached(1).await;
    let reading = spawn(async move { read_profile(&caller).await });
    eventually("all waits behind the append", || node.writer().waiting() <= 2).await;
    hold.release();
    let mut outcomes = Vec::new();
    for task in asked {
        outcomes.push(task.await.unwrap().map(|answer| answer.sequence.0));
    }
    let crashed = Err(Failure::Crashed);
    assert_eq!(outcomes, [Ok(2), Ok(3), crashed.clone(), Ok(4), crashed, Ok(5), Ok(5)]);
    assert_eq!(reading.await.unwrap().unwrap().sequence.0, 5);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_crashes_in_a_row_each_fail_and_leave_the_entity_working() {
    // Entities that crash too often are another test's subject.
    let options = RuntimeOptions { entity_crashes_max: 1_000, ..RuntimeOptions::default() };
    let world = World::new(options);
    let (_node, caller) = world.start().await;
    for round in 0..100 {
        let name = if round % 2 == 0 { "crash" } else { "crash_in_evolve" };
        assert_eq!(profile(&caller, name, "{}", None).await, Err(Failure::Crashed), "{round}");
    }
    assert_eq!(profile(&caller, "touch", "{}", None).await.unwrap().sequence.0, 0);
}

/// Nothing is lost by it, and nothing is counted.
#[tokio::test(start_paused = true)]
async fn a_restarted_entity_reads_its_journal_behind_what_was_decided_and_before_what_waits() {
    let world = World::default();
    let (node, caller) = world.start().await;
    let (key, deadline) = (stream_key("counter", "x"), Instant::now() + PATIENCE);
    assert_eq!(caller.0.restart(&key, deadline).await, Ok(false), "it isn't in memory");
    caller.add("x", 1, None).await.unwrap();
    let reads = || world.store.faults().calls(Point::ReadStream);
    let before = reads();
    let hold = world.store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let adds = |from: i64| {
        let caller = caller.clone();
        (from..from + 3).map(move |n| {
            let caller = caller.clone();
            spawn(async move { caller.add("x", n, None).await })
        })
    };
    let decided: Vec<_> = adds(10).collect();
    hold.reached(1).await;
    assert_eq!(caller.0.restart(&key, deadline).await, Ok(true));
    let waiting: Vec<_> = adds(100).collect();
    tokio::task::yield_now().await;
    assert_eq!(reads(), before, "what it decided is not durable yet");
    hold.release();
    for (at, task) in decided.into_iter().chain(waiting).enumerate() {
        assert_eq!(task.await.unwrap().unwrap().sequence.0, at as u64 + 2);
    }
    assert!(reads() > before, "it read its journal");
    assert_eq!(value(&caller.read("x").await.unwrap().state), 1 + 33 + 303);
    let report = caller.0.actor("counter", &tenant(), &id("x")).unwrap().unwrap();
    assert_eq!((report.crashes_total, report.quarantined), (0, false));
    drop(node);
}
