//! An authorization that takes too long: denied by an event, unless its approval was first.

use std::sync::Arc;
use std::time::Duration;

use coppice_domain::treasury::{Amount, Reason};
use coppice_runtime::Failure;
use coppice_runtime::task::spawn;
use coppice_testkit::{MemoryStore, Point, Times, VirtualClock, read_whole_journal};
use coppice_treasury::{TreasuryError, TreasuryOptions};
use tokio::time::Instant;

use crate::world::{Setting, World, wants};

const BUDGET: Duration = Duration::from_millis(500);

/// A world in paused time whose authorizations have half a second.
async fn hurried() -> (MemoryStore, World) {
    let store = MemoryStore::default();
    let clock = Arc::new(VirtualClock::default());
    let treasury = TreasuryOptions { authorize_timeout: BUDGET, ..TreasuryOptions::default() };
    let setting = Setting { treasury, ..Setting::default() };
    let world = World::start(Arc::new(store.clone()), clock, &setting).await;
    world.money.fund(1_000).await;
    (store, world)
}

async fn events_of(store: &MemoryStore, event_type: &str) -> usize {
    let journal = read_whole_journal(store).await.unwrap();
    journal.iter().filter(|event| &*event.record.body.event_type == event_type).count()
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_decided_in_time_is_denied_and_no_late_answer_overturns_it() {
    let (store, world) = hurried().await;
    world.money.create("a", &wants(100)).await;
    // The payee can't be read: the group never completes.
    let hold = store.faults().hold(Point::Entity, Times::Next(1));
    let started = Instant::now();
    let asked = spawn({
        let money = world.money.clone();
        async move { money.try_authorize("a").await }
    });
    hold.reached(1).await;
    let authorized = asked.await.unwrap().unwrap();
    assert_eq!((authorized.approved, authorized.reason), (false, Reason::Timeout));
    let took = started.elapsed();
    assert!(took >= BUDGET && took < BUDGET * 2, "{took:?}");
    hold.release();
    assert_eq!(world.money.authorize("a").await, Reason::Timeout, "it stays so");
    assert_eq!(world.money.has().await, (1_000, 0));
    assert_eq!(events_of(&store, "intent.denied.v1").await, 1);
    assert_eq!(events_of(&store, "transfer.reserved.v1").await, 0);
    // The accounts go on.
    assert_eq!(world.money.wants("b", &wants(100)).await, Reason::Approved);
    world.balanced().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_is_on_its_way_when_time_is_up_stands_and_the_denial_finds_it() {
    let (store, world) = hurried().await;
    world.money.create("a", &wants(100)).await;
    // Everything is decided, and the commit takes longer than there is time.
    let hold = store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let asked = spawn({
        let money = world.money.clone();
        async move { money.try_authorize("a").await }
    });
    hold.reached(1).await;
    tokio::time::sleep(BUDGET + Duration::from_millis(100)).await;
    hold.release();
    let authorized = asked.await.unwrap().unwrap();
    assert_eq!((authorized.approved, authorized.reason), (true, Reason::Approved));
    assert_eq!(world.money.has().await, (1_000, 100));
    assert_eq!(events_of(&store, "intent.denied.v1").await, 0);
    world.balanced().await;
}

#[tokio::test(start_paused = true)]
async fn where_the_store_gives_no_answer_nobody_says_what_was_decided_until_it_does() {
    for stays in [true, false] {
        let (store, world) = hurried().await;
        world.money.create("a", &wants(100)).await;
        let point = if stays { Point::AfterAppendBeforeAnswer } else { Point::BeforeAppend };
        let hold = store.faults().hold(point, Times::Next(1));
        let asked = spawn({
            let money = world.money.clone();
            async move { money.try_authorize("a").await }
        });
        hold.reached(1).await;
        let answer = asked.await.unwrap();
        assert_eq!(answer, Err(TreasuryError::Failed(Failure::TimedOut)), "its outcome is unknown");
        if stays {
            hold.release();
            assert_eq!(world.money.authorize("a").await, Reason::Approved);
            continue;
        }
        // The node dies with it; the next one finds an intent that nobody decided.
        let World { node, .. } = world;
        node.abort();
        hold.release();
        let clock = Arc::new(VirtualClock::default());
        let next = World::start(Arc::new(store.clone()), clock, &Setting::default()).await;
        assert_eq!(next.money.authorize("a").await, Reason::Approved);
        assert_eq!(next.money.has().await, (1_000, 100));
        next.balanced().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_room_until_time_is_up_is_denied_for_that() {
    let (store, world) = hurried().await;
    world.money.create("first", &wants(1_000)).await;
    world.money.create("second", &wants(1_000)).await;
    let hold = store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let ask = |id: &'static str| {
        let money = world.money.clone();
        spawn(async move { money.try_authorize(id).await })
    };
    let first = ask("first");
    hold.reached(1).await;
    let second = ask("second");
    tokio::time::sleep(BUDGET + Duration::from_millis(50)).await;
    hold.release();
    assert!(first.await.unwrap().unwrap().approved);
    assert_eq!(second.await.unwrap().unwrap().reason, Reason::Timeout);
    assert_eq!(world.money.has().await, (1_000, 1_000));
    let balanced = world.balanced().await;
    assert_eq!((balanced.approved, balanced.denied), (1, 1));
    assert_eq!(world.money.post("first", None).await.posted, Amount::of(1_000));
}
