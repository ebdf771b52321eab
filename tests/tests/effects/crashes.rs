//! Poison: a message that crashes its entity, and an entity that crashes too often.

use std::time::Duration;

use coppice_persistence::{LetterKind, LetterReason};
use coppice_runtime::{Answer, Failure, OfficeError, Request, RuntimeOptions};
use coppice_testkit::{Point, Times};
use coppice_tests::node::{PATIENCE, tenant};
use coppice_tests::profile::PENDING_PANICS;
use coppice_tests::running::{command, stream_key};

use crate::world::{Running, World};

async fn profile(
    running: &Running,
    entity: &str,
    name: &str,
    key: Option<&str>,
) -> Result<Answer, Failure> {
    running.caller.0.ask("profile", command(entity, name, "{}", key)).await
}

#[tokio::test(start_paused = true)]
async fn the_third_crash_on_a_message_takes_it_out_of_delivery_and_the_others_go_on() {
    let world = World::default();
    let running = world.start().await;
    for expected in [Failure::Crashed, Failure::Crashed, Failure::MessageQuarantined] {
        assert_eq!(profile(&running, "p", "crash", Some("poison")).await, Err(expected));
        profile(&running, "p", "touch", None).await.unwrap();
    }
    let letter = running.letter().await;
    assert_eq!((letter.kind, letter.reason), (LetterKind::Command, LetterReason::Crashed));
    assert_eq!((&*letter.name, letter.body.as_deref()), ("crash", Some("{}")));
    assert_eq!(letter.attempts, 3);
    // It stays out through a restart, and its neighbours don't.
    let running = world.restart(running).await;
    let again = profile(&running, "p", "crash", Some("poison")).await;
    assert_eq!(again, Err(Failure::MessageQuarantined));
    profile(&running, "p", "touch", Some("good")).await.unwrap();
    profile(&running, "q", "touch", None).await.unwrap();
    // Replayed it crashes again; discarded, it may be tried anew.
    let office = running.node.dead_letters();
    assert!(office.replay(&tenant(), letter.id).await.is_err());
    assert!(running.letters().await.is_empty());
    let once_more = profile(&running, "p", "crash", Some("poison")).await;
    assert_eq!(once_more, Err(Failure::Crashed));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_expects_a_sequence_can_not_be_replayed_past_it() {
    let world = World::default();
    let running = world.start().await;
    for _ in 0..3 {
        let expected = Some(coppice_core::Sequence(0));
        let crash = Request { expected, ..command("p", "crash", "{}", Some("poison")) };
        running.caller.0.ask("profile", crash).await.unwrap_err();
    }
    let letter = running.letter().await;
    let replayed = running.node.dead_letters().replay(&tenant(), letter.id).await;
    assert!(matches!(replayed, Err(OfficeError::BodyNotKept)), "{replayed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_of_another_entity_can_not_be_replayed_for_its_sender_knows_that_it_failed() {
    let world = World::default();
    let running = world.start().await;
    let sender = stream_key("alarm", "a").stream();
    for _ in 0..3 {
        let crash = Request { sender: Some(sender), ..command("p", "crash", "{}", Some("poison")) };
        running.caller.0.ask("profile", crash).await.unwrap_err();
    }
    let letter = running.letter().await;
    let replayed = running.node.dead_letters().replay(&tenant(), letter.id).await;
    assert!(matches!(replayed, Err(OfficeError::BodyNotKept)), "{replayed:?}");
    running.node.dead_letters().discard(&tenant(), letter.id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_pending_is_a_crash_like_any_other() {
    let world = World::default();
    let running = world.start().await;
    let name = command("p", "name", r#"{"subject":"s","name":"Ada"}"#, None);
    running.caller.0.ask("profile", name).await.unwrap();
    let running = world.restart(running).await;
    PENDING_PANICS.set(true);
    assert_eq!(profile(&running, "p", "touch", None).await, Err(Failure::Crashed));
    assert_eq!(running.node.registry().census()[2].crashes_total, 1);
    PENDING_PANICS.set(false);
    profile(&running, "p", "touch", None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn too_many_crashes_in_the_window_take_the_entity_out_of_service_until_it_is_put_back() {
    let options = RuntimeOptions { entity_crashes_max: 4, ..RuntimeOptions::default() };
    let world = World::new(options);
    let running = world.start().await;
    for _ in 0..3 {
        assert_eq!(profile(&running, "p", "crash", None).await, Err(Failure::Crashed));
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    for _ in 0..3 {
        assert_eq!(profile(&running, "p", "crash", None).await, Err(Failure::Crashed));
    }
    assert_eq!(profile(&running, "p", "crash", None).await, Err(Failure::EntityQuarantined));
    assert_eq!(profile(&running, "p", "touch", None).await, Err(Failure::EntityQuarantined));
    profile(&running, "q", "touch", None).await.unwrap();
    let letter = running.letter().await;
    assert_eq!(letter.kind, LetterKind::Entity);
    let running = world.restart(running).await;
    assert_eq!(profile(&running, "p", "touch", None).await, Err(Failure::EntityQuarantined));
    running.node.dead_letters().discard(&tenant(), letter.id).await.unwrap();
    profile(&running, "p", "touch", None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_an_entity_out_of_service_rests_until_it_is_put_back() {
    let options = RuntimeOptions { entity_crashes_max: 1, ..RuntimeOptions::default() };
    let world = World::new(options);
    let running = world.start().await;
    let body = r#"{"subject":"person","name":"N"}"#;
    let profile = |name, body| running.caller.0.ask("profile", command("p", name, body, None));
    profile("name", body).await.unwrap();
    profile("crash", "{}").await.unwrap_err();
    running.letter().await;
    // Its reminder is due, and time moves on only where nothing is left to do.
    world.clock.advance(Duration::from_secs(120));
    tokio::time::advance(Duration::from_secs(1)).await;
    let asked = running.lease.asked();
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    let turns = running.lease.asked() - asked;
    assert!(turns < 1_000, "{turns} turns in a moment");
    tokio::time::sleep(PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_ends_the_process_is_out_of_delivery_after_three_starts() {
    let world = World::default();
    let running = world.start().await;
    running.set("a", 1_000).await;
    running.set("b", 600_000).await;
    // The timer is decided, and the process ends before anything of it is durable.
    let mut hold = world.store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let mut running = running;
    for start in 1..=3 {
        hold.reached(1).await;
        assert!(running.letters().await.is_empty(), "start {start}");
        running.node.abort();
        // The append must not get through once it is let go of.
        tokio::time::sleep(Duration::from_millis(1)).await;
        // In place before the next start, which finds the timer due at once; of no use after the
        // third, where nothing is to be appended.
        hold = world.store.faults().hold(Point::BeforeAppend, Times::Next(1));
        running = world.start().await;
    }
    let letter = running.letter().await;
    hold.release();
    assert_eq!((letter.kind, letter.reason), (LetterKind::Timer, LetterReason::ProcessEnded));
    assert_eq!((letter.key.id().as_str(), letter.attempts), ("a", 3));
    // The alarm itself is in service, and an operator may try its timer once more.
    running.set("a", 5_000_000).await;
    assert_eq!(running.view("a").await["rung"], 0);
    running.set("c", 10).await;
    running.shows("c", "heard", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_poisoned_entities_leave_the_others_and_the_region_alone() {
    let world = World::default();
    let running = world.start().await;
    for entity in 0..1_000 {
        let entity = format!("p{entity}");
        for _ in 0..3 {
            profile(&running, &entity, "crash", Some("poison")).await.unwrap_err();
        }
        profile(&running, "good", "touch", None).await.unwrap();
    }
    let tree = running.node.supervisor().snapshot().await.unwrap();
    let mut restarts = tree.restarts_in_window;
    for child in &tree.children {
        restarts += child.info.restarts_in_window;
        let below = child.supervisor.iter().flat_map(|below| &below.children);
        restarts += below.map(|child| child.info.restarts_in_window).sum::<usize>();
    }
    assert_eq!(restarts, 0, "what entities do counts against nobody else");
    assert_eq!(running.letters().await.len(), 100, "a page of them");
    let census = running.caller.0.census();
    assert_eq!(census.iter().map(|kind| kind.crashes_total).sum::<u64>(), 3_000);
}
