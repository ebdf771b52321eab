//! Effects: when they start, what is repeated, and what never is.

use std::time::Duration;

use coppice_persistence::{Journal, LetterReason};
use coppice_runtime::RuntimeOptions;
use coppice_testkit::{Action, Point, Times};
use coppice_tests::bell::Ring;
use coppice_tests::node::{tenant, value};
use coppice_tests::running::{eventually, stream_key};

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_commit_behind_it() {
    let world = World::default();
    let running = world.start().await;
    running.set("a", 1_000).await;
    let hold = world.store.faults().hold(Point::AfterAppendBeforeAnswer, Times::Next(1));
    hold.reached(1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.bell.count(), 0, "the commit is not known");
    hold.release();
    running.shows("a", "heard", 1).await;
    assert_eq!(world.bell.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_effect_whose_outcome_was_not_recorded_is_sent_again_the_same() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    running.set("a", 1_000).await;
    eventually("it is sent", || world.bell.count() == 1).await;
    let running = world.restart(running).await;
    running.shows("a", "heard", 1).await;
    assert_eq!(world.bell.count(), 2);
    assert_eq!(world.bell.keys().len(), 1);
    // Recorded, it is never sent again.
    let running = world.restart(running).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.bell.count(), 2);
    assert_eq!(running.view("a").await["outstanding"], 0);
}

/// A timer's try is counted, and its count dropped.
const COUNTED_OF_A_TIMER: u64 = 2;

#[tokio::test(start_paused = true)]
async fn a_first_try_that_may_be_repeated_costs_no_count_and_one_found_again_does() {
    let world = World::default();
    let running = world.start().await;
    let counted = || world.store.faults().calls(Point::BeforeAttempts);
    let before = counted();
    running.set("a", 10).await;
    running.shows("a", "heard", 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(counted() - before, COUNTED_OF_A_TIMER);
    world.bell.script([Ring::Hang]);
    running.set("a", 10).await;
    eventually("it is sent", || world.bell.count() == 2).await;
    let before = counted();
    let running = world.restart(running).await;
    running.shows("a", "heard", 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Its start, its outcome, and both dropped: beside the sweep of a node that starts.
    assert!(counted() - before >= 4, "{} counts", counted() - before);
}

#[tokio::test(start_paused = true)]
async fn the_life_that_decided_an_effect_counts_as_one_of_its_starts() {
    let options = RuntimeOptions { effect_starts_max: 3, ..RuntimeOptions::default() };
    let world = World::new(options);
    let mut running = world.start().await;
    world.bell.script([Ring::Hang, Ring::Hang, Ring::Hang, Ring::Hang]);
    running.set("a", 10).await;
    for start in 1..=3 {
        eventually("it is sent", || world.bell.count() == start).await;
        assert!(running.letters().await.is_empty(), "start {start}");
        running = world.restart(running).await;
    }
    let letter = running.letter().await;
    assert_eq!((letter.reason, letter.attempts), (LetterReason::ProcessEnded, 3));
    assert_eq!(world.bell.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_is_not_sent_again_and_waits_for_an_operator() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    let body = r#"{"timer":"t","in_ms":10,"mode":"at_most_once"}"#;
    running.tell("a", "set", body).await.unwrap();
    eventually("it is sent", || world.bell.count() == 1).await;
    let mut running = world.restart(running).await;
    let letter = running.letter().await;
    assert_eq!(letter.reason, LetterReason::OutcomeUnknown);
    for _ in 0..3 {
        running = world.restart(running).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    assert_eq!(world.bell.count(), 1, "it was sent once");
    assert_eq!(running.view("a").await["outstanding"], 1, "it is owed still");
    running.node.dead_letters().replay(&tenant(), letter.id).await.unwrap();
    running.shows("a", "heard", 1).await;
    assert_eq!(world.bell.count(), 2, "an operator said so");
    assert!(running.letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_certainly_not_sent_is_tried_again_whatever_its_mode() {
    for mode in ["retry", "at_most_once"] {
        let world = World::default();
        let running = world.start().await;
        world.bell.script([Ring::NotSent, Ring::NotSent]);
        let body = format!(r#"{{"timer":"t","in_ms":10,"mode":"{mode}"}}"#);
        running.tell("a", "set", &body).await.unwrap();
        running.shows("a", "heard", 1).await;
        assert_eq!(world.bell.count(), 3);
        assert_eq!(world.bell.keys().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn refused_or_tried_out_it_ends_as_unheard() {
    for script in [vec![Ring::Refused], vec![Ring::NotSent; 3]] {
        let world = World::default();
        let running = world.start().await;
        world.bell.script(script.clone());
        running.set("a", 10).await;
        running.shows("a", "unheard", 1).await;
        assert_eq!(world.bell.count(), script.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_try_that_nobody_knows_of_makes_the_whole_effect_unknown() {
    for script in [
        vec![Ring::Unknown; 3],
        vec![Ring::Panic; 3],
        vec![Ring::Unknown, Ring::NotSent, Ring::NotSent],
        // A refusal of the second does not speak for the first.
        vec![Ring::Unknown, Ring::Refused],
    ] {
        let world = World::default();
        let running = world.start().await;
        world.bell.script(script.clone());
        running.set("a", 10).await;
        let letter = running.letter().await;
        assert_eq!(world.bell.count(), script.len(), "{script:?}");
        running.node.dead_letters().discard(&tenant(), letter.id).await.unwrap();
        running.shows("a", "unheard", 1).await;
        assert_eq!(running.view("a").await["outstanding"], 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_without_its_lease_sends_nothing() {
    let world = World { concurrency: 1, ..World::default() };
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    running.set("a", 10).await;
    running.set("b", 10).await;
    eventually("one is sent", || world.bell.count() == 1).await;
    running.shows("b", "rung", 1).await;
    running.lease.revoke_all();
    world.bell.let_go(1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.bell.count(), 1, "the second waited for the first and found no lease");
}

#[tokio::test(start_paused = true)]
async fn what_its_entity_takes_off_while_it_waits_is_not_sent() {
    let world = World { concurrency: 1, ..World::default() };
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    // One is under way, one waits for its turn, and a third will have its turn.
    for alarm in ["a", "b", "c"] {
        running.set(alarm, 10).await;
        running.shows(alarm, "rung", 1).await;
    }
    eventually("one is sent", || world.bell.count() == 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.tell("b", "silence", "{}").await.unwrap();
    world.bell.let_go(1);
    running.shows("c", "heard", 1).await;
    assert_eq!(world.bell.count(), 2, "nobody wanted the second any more");
    let view = running.view("b").await;
    assert_eq!((&view["unheard"], &view["outstanding"]), (&1.into(), &0.into()));
    // The next of the same alarm is another effect.
    running.set("b", 10).await;
    running.shows("b", "heard", 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_its_entity_takes_off_between_two_tries_is_not_tried_again() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script([Ring::Unknown, Ring::Unknown]);
    running.set("a", 10).await;
    eventually("it is tried", || world.bell.count() == 1).await;
    running.tell("a", "silence", "{}").await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    // A second try may have followed the first at once.
    assert!(world.bell.count() <= 2, "{} tries", world.bell.count());
    assert_eq!(running.view("a").await["outstanding"], 0);
    assert!(running.letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pool_bounds_its_calls_and_one_that_hangs_holds_nobody_else_up() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script(vec![Ring::Hang; 20]);
    for alarm in 0..20 {
        let body = format!(r#"{{"timer":"t","in_ms":10,"counter":"c{alarm}"}}"#);
        running.tell(&format!("a{alarm}"), "set", &body).await.unwrap();
    }
    for alarm in 0..20 {
        running.shows(&format!("a{alarm}"), "heard", 1).await;
        let view = running.caller.read(&format!("c{alarm}")).await.unwrap();
        assert_eq!(value(&view.state), 1);
    }
    assert_eq!(world.bell.count(), world.concurrency);
    world.bell.let_go(20);
    eventually("the rest is sent", || world.bell.count() == 20).await;
    assert_eq!(world.bell.at_once_max(), world.concurrency);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_place_in_its_pool_is_found_again() {
    let options = RuntimeOptions { pool_queue_max: 3, ..RuntimeOptions::default() };
    let world = World { concurrency: 1, ..World::new(options) };
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    for alarm in 0..20 {
        running.set(&format!("a{alarm}"), 10).await;
    }
    for alarm in 0..20 {
        running.shows(&format!("a{alarm}"), "rung", 1).await;
    }
    world.bell.let_go(1);
    for alarm in 0..20 {
        running.shows(&format!("a{alarm}"), "heard", 1).await;
    }
    assert_eq!((world.bell.count(), world.bell.keys().len()), (20, 20));
}

#[tokio::test(start_paused = true)]
async fn a_start_finds_everything_that_is_owed() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script(vec![Ring::Hang; 4]);
    for alarm in 0..100 {
        running.set(&format!("a{alarm}"), 10).await;
    }
    for alarm in 0..100 {
        running.shows(&format!("a{alarm}"), "rung", 1).await;
    }
    let running = world.restart(running).await;
    eventually("all are sent", || world.bell.keys().len() == 100).await;
    assert!(world.bell.count() <= 104, "only those under way are sent twice");
    running.shows("a99", "heard", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_to_another_entity_takes_effect_once_through_a_crash() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    running.tell("a", "set", r#"{"timer":"t","in_ms":10,"counter":"c"}"#).await.unwrap();
    // The first append is the ring, the second the add, which is durable and nobody knows.
    let hold = world.store.faults().hold(Point::AfterAppendBeforeAnswer, Times::Always);
    hold.release_one();
    hold.reached(2).await;
    running.node.abort();
    hold.release();
    let running = world.start().await;
    running.shows("a", "heard", 2).await;
    assert_eq!(value(&running.caller.read("c").await.unwrap().state), 1);
    assert!(!world.store.entity(&stream_key("alarm", "a")).await.unwrap().unwrap().owes);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_that_only_waited_its_turn_is_sent_after_a_crash() {
    let world = World { concurrency: 1, ..World::default() };
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    for alarm in ["a", "b"] {
        let body = r#"{"timer":"t","in_ms":10,"mode":"at_most_once"}"#;
        running.tell(alarm, "set", body).await.unwrap();
    }
    eventually("one is sent", || world.bell.count() == 1).await;
    running.shows("a", "rung", 1).await;
    running.shows("b", "rung", 1).await;
    let sent = world.bell.calls()[0].entity.id().to_string();
    let waited = if sent == "a" { "b" } else { "a" };
    let running = world.restart(running).await;
    running.shows(waited, "heard", 1).await;
    let letter = running.letter().await;
    assert_eq!((letter.key.id().as_str(), letter.reason), (&*sent, LetterReason::OutcomeUnknown));
    assert_eq!(world.bell.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_when_the_nodes_parts_fall_is_made_again() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    running.set("a", 10).await;
    eventually("it is sent", || world.bell.count() == 1).await;
    // The writer falls, and everything that stands on it is started again.
    world.store.faults().arm(Point::BeforeAppend, Action::Panic, Times::Next(1));
    assert!(running.caller.add("c", 1, None).await.is_err());
    tokio::time::sleep(Duration::from_secs(30)).await;
    running.shows("a", "heard", 1).await;
    assert_eq!((world.bell.count(), world.bell.keys().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_to_be_forgotten_before_the_parts_fell_takes_no_later_count_along() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script([Ring::NotSentLate, Ring::Hang, Ring::Hang]);
    let body = r#"{"timer":"t","in_ms":10,"mode":"at_most_once"}"#;
    running.tell("a", "set", body).await.unwrap();
    eventually("it is sent", || world.bell.count() == 1).await;
    let key = world.bell.calls()[0].idempotency_key;
    // That this try is to be forgotten is done, and not heard of: it is to be done once more.
    let faults = world.store.faults();
    faults.arm(Point::AfterAttempts, Action::Unavailable, Times::Next(1));
    world.bell.let_go(1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    // And not before the parts that come after the fall ask to count a try of their own.
    faults.arm(Point::BeforeAttempts, Action::Unavailable, Times::Next(3));
    faults.arm(Point::BeforeAppend, Action::Panic, Times::Next(1));
    assert!(running.caller.add("c", 1, None).await.is_err());
    tokio::time::sleep(Duration::from_secs(30)).await;
    let calls_of_it = || {
        let calls = world.bell.calls();
        calls.iter().filter(|call| call.idempotency_key == key).count()
    };
    // The first was certainly not sent. This one is under way when the process ends.
    assert_eq!(calls_of_it(), 2);
    let running = world.restart(running).await;
    assert_eq!(running.letter().await.reason, LetterReason::OutcomeUnknown);
    assert_eq!(calls_of_it(), 2, "at most once was asked for");
}
