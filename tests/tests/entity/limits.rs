//! Full mailboxes, passed deadlines, full and silent stores, and the order of a long queue.

use std::sync::atomic::Ordering;
use std::time::Duration;

use coppice_runtime::task::spawn;
use coppice_runtime::{Failure, Outcome, RuntimeOptions};
use coppice_testkit::{Action, Point, Times};
use coppice_tests::node::{add, value};
use coppice_tests::running::{command, eventually};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_refuses_and_the_rest_is_answered() {
    let options = RuntimeOptions { mailbox_capacity: 4, tickets_open_max: 1, ..Default::default() };
    let world = World::new(options);
    let (_node, caller) = world.start().await;
    let hold = world.store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let first = spawn({
        let caller = caller.clone();
        async move { caller.add("x", 1, None).await }
    });
    hold.reached(1).await;
    // One is open, four wait: the mailbox holds no more.
    let asked: Vec<_> = (0..7)
        .map(|_| {
            let caller = caller.clone();
            spawn(async move { caller.add("x", 1, None).await })
        })
        .collect();
    tokio::task::yield_now().await;
    eventually("the last ones are refused", || asked[4..].iter().all(|task| task.is_finished()))
        .await;
    assert!(asked[..4].iter().all(|task| !task.is_finished()));
    hold.release();
    first.await.unwrap().unwrap();
    for (at, task) in asked.into_iter().enumerate() {
        let answer = task.await.unwrap();
        if at < 4 {
            assert_eq!(value(&answer.unwrap().reply), i64::try_from(at).unwrap() + 2);
        } else {
            let failure = answer.unwrap_err();
            assert_eq!(failure, Failure::MailboxFull { depth: 4 });
            assert_eq!(failure.outcome(), Outcome::NotApplied);
        }
    }
    assert_eq!(value(&caller.read("x").await.unwrap().state), 5);
}

/// Whoever has gone away leaves a command behind that is carried out all the same, and an entity that
/// doesn't come back keeps nobody out once nobody waits for it.
#[tokio::test(start_paused = true)]
async fn commands_are_counted_for_as_long_as_somebody_waits_for_their_answers() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    let open = || caller.0.commands_open();
    let hold = world.store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let asked: Vec<_> = ["x", "y", "x"]
        .map(|counter| {
            let caller = caller.clone();
            spawn(async move { caller.add(counter, 1, None).await })
        })
        .into_iter()
        .collect();
    hold.reached(1).await;
    assert_eq!(open(), 3);
    asked[2].abort();
    tokio::task::yield_now().await;
    assert_eq!(open(), 2);
    // One that is refused at the door was never under way.
    assert!(caller.0.ask("counter", command("z", "add", "{}", None)).await.is_err());
    assert_eq!(open(), 2);
    hold.release();
    eventually("nothing is open", || open() == 0).await;
    assert_eq!(value(&caller.read("x").await.unwrap().state), 2);
    assert_eq!(open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_deadline_passed_in_the_queue_is_not_started() {
    let world = World::new(RuntimeOptions {
        tickets_open_max: 1,
        answer_grace: Duration::from_secs(10),
        ..RuntimeOptions::default()
    });
    let (_node, caller) = world.start().await;
    world.store.faults().arm(
        Point::BeforeAppend,
        Action::Delay(Duration::from_secs(2)),
        Times::Next(1),
    );
    let mut late = add("x", 10, Some("late"));
    late.deadline = Instant::now() + Duration::from_secs(1);
    let asked = [add("x", 1, None), late, add("x", 100, None)];
    let answers = join_all(asked.map(|request| caller.0.ask("counter", request))).await;
    assert_eq!(value(&answers[0].as_ref().unwrap().reply), 1);
    assert_eq!(answers[1], Err(Failure::DeadlineExceeded));
    assert_eq!(value(&answers[2].as_ref().unwrap().reply), 101);
    assert_eq!(value(&caller.add("x", 10, Some("late")).await.unwrap().reply), 111);
}

#[tokio::test(start_paused = true)]
async fn a_commit_past_the_deadline_is_unknown_and_its_repeat_tells() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    world.store.faults().arm(
        Point::AfterAppendBeforeAnswer,
        Action::Delay(Duration::from_secs(5)),
        Times::Next(1),
    );
    let mut request = add("x", 1, Some("k"));
    request.deadline = Instant::now() + Duration::from_secs(1);
    let failure = caller.0.ask("counter", request).await.unwrap_err();
    assert_eq!((&failure, failure.outcome()), (&Failure::TimedOut, Outcome::Unknown));
    let told = caller.add("x", 1, Some("k")).await.unwrap();
    assert_eq!((told.repeated, value(&told.reply)), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_full_store_fails_what_is_open_and_the_entity_recovers_from_it() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    caller.add("x", 1, None).await.unwrap();
    world.store.faults().arm(Point::BeforeAppend, Action::Full, Times::Next(1));
    let asked = (0..5).map(|n| caller.0.ask("counter", add("x", 10 + n, None)));
    for answer in join_all(asked).await {
        let failure = answer.unwrap_err();
        assert_eq!((&failure, failure.outcome()), (&Failure::StoreFull, Outcome::NotApplied));
    }
    assert_eq!(value(&caller.read("x").await.unwrap().state), 1);
    assert_eq!(value(&caller.add("x", 1, Some("k")).await.unwrap().reply), 2);
    assert_eq!(world.journal().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_behind_an_unknown_commit_is_not_told_as_not_applied() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    let faults = world.store.faults();
    // The first try is durable and its answer is lost; the second try meets a full store.
    let hold = faults.hold(Point::AfterAppendBeforeAnswer, Times::Next(1));
    faults.arm(Point::AfterAppendBeforeAnswer, Action::Unavailable, Times::Next(1));
    let asked = spawn({
        let caller = caller.clone();
        async move { caller.add("x", 5, None).await }
    });
    hold.reached(1).await;
    faults.arm(Point::BeforeAppend, Action::Full, Times::Next(1));
    hold.release();
    let answer = asked.await.unwrap();
    assert_eq!(world.journal().await.len(), 1, "the command has happened");
    let is_a_lie = answer.as_ref().is_err_and(|failure| failure.outcome() == Outcome::NotApplied);
    assert!(!is_a_lie, "{answer:?}");
    assert_eq!(value(&caller.read("x").await.unwrap().state), 5);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_silent_for_a_while_loses_and_doubles_nothing() {
    for point in [Point::BeforeAppend, Point::AfterAppendBeforeAnswer] {
        let world = World::default();
        let (node, caller) = world.start().await;
        world.store.faults().arm(point, Action::Unavailable, Times::Next(7));
        let began = Instant::now();
        let asked = (0..20).map(|_| caller.0.ask("counter", add("x", 1, None)));
        for (at, answer) in join_all(asked).await.into_iter().enumerate() {
            assert_eq!(answer.unwrap().sequence.0, at as u64 + 1);
        }
        assert!(began.elapsed() > Duration::from_millis(500), "nobody waited for the store");
        assert_eq!(world.journal().await.len(), 20);
        let writer = node.writer();
        assert_eq!(writer.counters().store_retries.load(Ordering::Relaxed), 7);
        assert!(!writer.is_degraded());
    }
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_cannot_be_read_fails_its_commands_and_works_once_it_can() {
    for point in [Point::Entity, Point::ReadStream] {
        let world = World::default();
        let (node, caller) = world.start().await;
        caller.add("x", 1, None).await.unwrap();
        let (_node, caller) = world.restart(node).await;
        world.store.faults().arm(point, Action::Unavailable, Times::Next(1));
        let failure = caller.add("x", 1, None).await.unwrap_err();
        assert_eq!(failure, Failure::StoreUnavailable);
        assert_eq!(value(&caller.add("x", 1, None).await.unwrap().reply), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_cannot_be_read_costs_a_replay_and_nothing_else() {
    let options = RuntimeOptions { snapshot_every: 2, ..RuntimeOptions::default() };
    let world = World::new(options);
    let (node, caller) = world.start().await;
    for _ in 0..5 {
        caller.add("x", 1, None).await.unwrap();
    }
    let (_node, caller) = world.restart(node).await;
    world.store.faults().arm(Point::Snapshot, Action::Unavailable, Times::Always);
    assert_eq!(value(&caller.read("x").await.unwrap().state), 5);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_queued_commands_keep_their_order() {
    // Small limits, so that the queue crosses every one of them.
    let options = RuntimeOptions {
        drain_batch: 7,
        tickets_open_max: 11,
        batch_tickets_max: 5,
        ..RuntimeOptions::default()
    };
    let world = World::new(options);
    let (_node, caller) = world.start().await;
    let asked = (1..=1_000).map(|n| caller.0.ask("counter", add("x", n, None)));
    for (at, answer) in join_all(asked).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap().sequence.0, at as u64 + 1);
    }
    let journal = world.journal().await;
    for (at, event) in journal.iter().enumerate() {
        assert_eq!(&*event.record.body.payload, format!("{{\"n\":{}}}", at + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_sees_every_command_before_it_and_none_behind_it() {
    let options = RuntimeOptions { drain_batch: 3, batch_tickets_max: 2, ..Default::default() };
    let world = World::new(options);
    let (_node, caller) = world.start().await;
    for round in 0..20_i64 {
        let before = (0..4).map(|_| caller.add("x", 1, None));
        let reads = (0..2).map(|_| caller.read("x"));
        let behind = (0..4).map(|_| caller.add("x", 1, None));
        let (before, reads, behind) =
            tokio::join!(join_all(before), join_all(reads), join_all(behind));
        assert!(before.iter().chain(&behind).all(Result::is_ok));
        for read in reads {
            assert_eq!(value(&read.unwrap().state), 8 * round + 4);
        }
    }
}
