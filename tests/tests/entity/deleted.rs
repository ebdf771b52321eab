//! The end of an entity, and commands that say where its stream must end.

use coppice_core::Sequence;
use coppice_core::envelope::TOMBSTONE;
use coppice_persistence::Journal;
use coppice_runtime::{Answer, Failure, Request, RuntimeOptions};
use coppice_testkit::{Point, Times};
use coppice_tests::node::{Caller, PATIENCE, add, id, tenant, value};
use coppice_tests::running::{command, stream_key};
use tokio::time::Instant;

use crate::world::World;

async fn delete(caller: &Caller, counter: &str, key: Option<&str>) -> Result<Answer, Failure> {
    caller.0.delete("counter", command(counter, "delete", "", key)).await
}

async fn add_at(caller: &Caller, sequence: u64, key: Option<&str>) -> Result<Answer, Failure> {
    let request = Request { expected: Some(Sequence(sequence)), ..add("x", 1, key) };
    caller.0.ask("counter", request).await
}

#[tokio::test(start_paused = true)]
async fn a_deleted_entity_takes_nothing_in_and_shows_nothing_now_and_after_a_restart() {
    let world = World::default();
    let (mut node, mut caller) = world.start().await;
    caller.add("x", 1, None).await.unwrap();
    let ended = delete(&caller, "x", Some("end")).await.unwrap();
    assert_eq!((ended.sequence, &*ended.reply), (Sequence(2), "null"));
    for _ in 0..2 {
        assert_eq!(caller.add("x", 1, None).await, Err(Failure::Deleted));
        assert_eq!(delete(&caller, "x", None).await, Err(Failure::Deleted));
        let view = caller.read("x").await.unwrap();
        assert_eq!((view.sequence, view.deleted, &*view.state), (Sequence(2), true, "null"));
        // A repeat gets its first answer all the same.
        let again = delete(&caller, "x", Some("end")).await.unwrap();
        assert_eq!((again.sequence, again.repeated), (Sequence(2), true));
        (node, caller) = world.restart(node).await;
    }
    let journal = world.journal().await;
    let types: Vec<&str> = journal.iter().map(|event| &*event.record.body.event_type).collect();
    assert_eq!(types, ["counter.added.v1", TOMBSTONE]);
}

#[tokio::test(start_paused = true)]
async fn what_never_was_is_not_made_by_its_deletion() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    assert_eq!(delete(&caller, "x", Some("k")).await, Err(Failure::NotThere));
    assert!(world.journal().await.is_empty());
    caller.add("x", 1, None).await.unwrap();
    assert!(delete(&caller, "x", Some("k")).await.is_ok(), "a refusal is decided anew");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_entity_owes_nothing_any_more() {
    let world = World::default();
    let (node, caller) = world.start().await;
    let name = command("p", "name", r#"{"subject":"s","name":"Ada"}"#, None);
    caller.0.ask("profile", name).await.unwrap();
    let key = stream_key("profile", "p");
    assert!(world.store.entity(&key).await.unwrap().unwrap().owes);
    caller.0.delete("profile", command("p", "delete", "", None)).await.unwrap();
    let row = world.store.entity(&key).await.unwrap().unwrap();
    assert_eq!((row.owes, row.wake_at), (false, None));
    let (_node, caller) = world.restart(node).await;
    let deadline = Instant::now() + PATIENCE;
    assert!(caller.0.view("profile", tenant(), id("p"), deadline).await.unwrap().deleted);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_before_the_end_brings_nobody_back() {
    let world = World::new(RuntimeOptions { snapshot_every: 2, ..RuntimeOptions::default() });
    let (node, caller) = world.start().await;
    for _ in 0..3 {
        caller.add("x", 1, None).await.unwrap();
    }
    // The fourth event would have its snapshot, were it not the last.
    delete(&caller, "x", None).await.unwrap();
    let (_node, caller) = world.restart(node).await;
    assert!(caller.read("x").await.unwrap().deleted);
    assert_eq!(caller.add("x", 1, None).await, Err(Failure::Deleted));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_commit_is_not_known_shows_nothing_before_it_is() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    caller.add("x", 1, None).await.unwrap();
    let hold = world.store.faults().hold(Point::AfterAppendBeforeAnswer, Times::Next(1));
    let asked = coppice_runtime::task::spawn({
        let caller = caller.clone();
        async move { delete(&caller, "x", None).await }
    });
    hold.reached(1).await;
    let read = coppice_runtime::task::spawn({
        let caller = caller.clone();
        async move { caller.read("x").await }
    });
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(!read.is_finished(), "a read waits behind what was decided before it");
    hold.release();
    asked.await.unwrap().unwrap();
    assert!(read.await.unwrap().unwrap().deleted);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_decided_only_where_the_stream_ends_as_expected() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    assert_eq!(value(&add_at(&caller, 0, Some("first")).await.unwrap().reply), 1);
    let expected = Failure::SequenceMismatch { expected: Sequence(0), actual: Sequence(1) };
    assert_eq!(add_at(&caller, 0, None).await, Err(expected));
    assert_eq!(value(&add_at(&caller, 1, None).await.unwrap().reply), 2);
    // A repeat expects what was then.
    let again = add_at(&caller, 0, Some("first")).await.unwrap();
    assert_eq!((value(&again.reply), again.repeated), (1, true));
    let late = Request { expected: Some(Sequence(1)), ..command("x", "delete", "", None) };
    let actual = Sequence(2);
    let expected = Failure::SequenceMismatch { expected: Sequence(1), actual };
    assert_eq!(caller.0.delete("counter", late).await, Err(expected));
}

#[tokio::test(start_paused = true)]
async fn of_many_who_expect_the_same_one_is_accepted() {
    let world = World::default();
    let (_node, caller) = world.start().await;
    let asked = (0..20).map(|_| add_at(&caller, 0, None));
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(value(&caller.read("x").await.unwrap().state), 1);
}
