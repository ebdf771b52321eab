//! What is written beside the events: timers and debts, times, snapshots; and a damaged journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use coppice_core::{Position, Timestamp};
use coppice_persistence::{Journal, Snapshots, Unit, UnitOutcome};
use coppice_runtime::{Clock, Failure, Outcome, RuntimeOptions};
use coppice_testkit::{Observer, Point};
use coppice_tests::node::value;
use coppice_tests::running::{run, stream_key};
use parking_lot::Mutex;

use crate::world::{ADA, World, profile};

#[tokio::test(start_paused = true)]
async fn timers_and_debts_of_a_row_follow_the_state() {
    let world = World::default();
    let (node, caller) = world.start().await;
    let key = stream_key("profile", "p");
    let begun = world.clock.now();
    let due = begun.saturating_add_micros(60_000_000);
    profile(&caller, "name", ADA, None).await.unwrap();
    let row = world.store.entity(&key).await.unwrap().unwrap();
    assert_eq!((row.wake_at, row.owes, row.head.sequence.0), (Some(due), true, 1));
    assert_eq!(world.store.owing(None, 10).await.unwrap().len(), 1);
    assert_eq!(world.store.due(due, None, 10).await.unwrap().len(), 1);
    // A command that is only recorded leaves both as they are.
    profile(&caller, "touch", "{}", Some("k")).await.unwrap();
    let row = world.store.entity(&key).await.unwrap().unwrap();
    assert_eq!((row.wake_at, row.owes, row.head.sequence.0), (Some(due), true, 1));
    let (_node, caller) = world.restart(node).await;
    profile(&caller, "settle", "{}", None).await.unwrap();
    let row = world.store.entity(&key).await.unwrap().unwrap();
    assert_eq!((row.wake_at, row.owes, row.head.sequence.0), (None, false, 2));
    assert!(world.store.owing(None, 10).await.unwrap().is_empty());
    assert!(matches!(
        profile(&caller, "settle", "{}", None).await,
        Err(Failure::Rejected { code: "nothing_owed", .. })
    ));
}

/// Of each append, whether it says that nothing changes in what the entity waits for. That it is
/// true is checked by the store in memory.
#[derive(Debug, Default)]
struct Waits(Mutex<Vec<bool>>);

impl Observer for Waits {
    fn called(&self, _point: Point, _during: &'static str) {}

    fn appended(&self, units: &[Unit], _outcomes: &[UnitOutcome]) {
        let appends = units.iter().flat_map(|unit| &unit.appends);
        self.0.lock().extend(appends.map(|append| append.waits_as_before));
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_says_whether_what_its_entity_waits_for_changes() {
    let world = World::default();
    let (node, caller) = world.start().await;
    let waits = Arc::new(Waits::default());
    world.store.faults().observe(waits.clone());
    let told = || std::mem::take(&mut *waits.0.lock());
    profile(&caller, "name", ADA, None).await.unwrap();
    profile(&caller, "touch", "{}", Some("k")).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    profile(&caller, "name", ADA, None).await.unwrap();
    profile(&caller, "settle", "{}", None).await.unwrap();
    profile(&caller, "touch", "{}", Some("l")).await.unwrap();
    // The first of a life can't know; the third moves a timer, the fourth ends it.
    assert_eq!(told(), [false, true, false, false, true]);
    let (_node, caller) = world.restart(node).await;
    profile(&caller, "touch", "{}", Some("m")).await.unwrap();
    profile(&caller, "touch", "{}", Some("n")).await.unwrap();
    assert_eq!(told(), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn recorded_times_never_run_backwards() {
    let world = World::default();
    let (mut node, mut caller) = world.start().await;
    for jump in [5, 0, 30, 0, 3_600, 1] {
        profile(&caller, "name", ADA, None).await.unwrap();
        world.clock.jump_back(Duration::from_secs(jump));
        profile(&caller, "name", ADA, None).await.unwrap();
        (node, caller) = world.restart(node).await;
        profile(&caller, "name", ADA, None).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    drop(node);
    let journal = world.journal().await;
    assert_eq!(journal.len(), 18);
    let times: Vec<_> = journal.iter().map(|event| event.record.body.recorded_at).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(journal.iter().map(decided_at).collect::<Vec<_>>(), times);
}

/// The time that the decision saw: the reminder is due a minute after it.
fn decided_at(event: &coppice_core::StoredEvent) -> Timestamp {
    let payload: serde_json::Value = serde_json::from_str(&event.record.body.payload).unwrap();
    Timestamp::from_micros(payload["due"].as_i64().unwrap() - 60_000_000)
}

/// A clock that never stands still, so that two looks at it differ.
#[derive(Debug, Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_that_is_recorded_is_the_time_that_the_decision_saw() {
    let world = World::default();
    let clock = Arc::new(Ticking::default());
    let store = Arc::new(world.store.clone());
    let (_node, caller) =
        run(store, clock, RuntimeOptions::default(), Some(world.vault.clone())).await;
    profile(&caller, "name", ADA, None).await.unwrap();
    let journal = world.journal().await;
    assert_eq!(journal[0].record.body.recorded_at, decided_at(&journal[0]));
}

/// Ten adds with a snapshot after every second.
async fn with_snapshot() -> World {
    let world = World::new(RuntimeOptions { snapshot_every: 2, ..RuntimeOptions::default() });
    let (node, caller) = world.start().await;
    for _ in 0..9 {
        caller.add("x", 1, None).await.unwrap();
    }
    let key = stream_key("counter", "x");
    let deadline = tokio::time::Instant::now() + coppice_tests::node::PATIENCE;
    while world.store.snapshot(&key).await.unwrap().is_none_or(|at| at.head.sequence.0 < 8) {
        assert!(tokio::time::Instant::now() < deadline, "no snapshot was saved");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    node.abort();
    world
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_does_not_fit_is_ignored() {
    type Alter = fn(&mut coppice_persistence::Snapshot);
    let alterations: [(&str, Alter); 6] = [
        ("other bytes", |taken| taken.state = vec![0xff; 3]),
        ("no bytes", |taken| taken.state.clear()),
        ("trailing bytes", |taken| taken.state.push(0)),
        ("another layout", |taken| taken.layout += 1),
        ("another hash", |taken| taken.head.hash.0[0] ^= 1),
        ("a sequence past the end", |taken| taken.head.sequence.0 = 99),
    ];
    for (what, alter) in alterations {
        let world = with_snapshot().await;
        assert!(world.store.tamper_with_snapshot(&stream_key("counter", "x"), alter));
        let (_node, caller) = world.start().await;
        assert_eq!(value(&caller.read("x").await.unwrap().state), 9, "{what}");
        assert_eq!(caller.add("x", 1, None).await.unwrap().sequence.0, 10, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_event_is_named_and_nothing_is_served_or_written() {
    type Alter = fn(&mut coppice_core::StoredEvent);
    let alterations: [Alter; 4] = [
        |event| event.record.body.payload = r#"{"n":1000}"#.into(),
        |event| event.record.body.recorded_at = Timestamp::from_micros(1),
        |event| event.record.previous_hash.0[0] ^= 1,
        |event| event.record.body.event_type = "counter.added.v2".into(),
    ];
    for alter in alterations {
        let world = World::default();
        let (node, caller) = world.start().await;
        for _ in 0..5 {
            caller.add("x", 1, None).await.unwrap();
        }
        caller.add("y", 1, None).await.unwrap();
        node.abort();
        assert!(world.store.tamper_with_event(Position(3), alter));
        let (_node, caller) = world.start().await;
        for failure in
            [caller.read("x").await.unwrap_err(), caller.add("x", 1, None).await.unwrap_err()]
        {
            assert_eq!(failure.outcome(), Outcome::NotApplied);
            let Failure::Damaged { stream, problem } = failure else {
                panic!("{failure:?} where the journal is damaged")
            };
            assert_eq!(stream, "default/counter/x");
            assert!(problem.contains("event 3"), "{problem:?} names no sequence");
        }
        assert_eq!(value(&caller.add("y", 1, None).await.unwrap().reply), 2);
        assert_eq!(world.journal().await.len(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_event_behind_a_snapshot_is_not_met_and_one_after_it_is() {
    let world = with_snapshot().await;
    let damage = |event: &mut coppice_core::StoredEvent| {
        event.record.body.payload = r#"{"n":1000}"#.into();
    };
    assert!(world.store.tamper_with_event(Position(2), damage));
    let (node, caller) = world.start().await;
    assert_eq!(value(&caller.read("x").await.unwrap().state), 9);
    node.abort();
    assert!(world.store.tamper_with_event(Position(9), damage));
    let (_node, caller) = world.start().await;
    assert!(matches!(caller.read("x").await, Err(Failure::Damaged { .. })));
}
