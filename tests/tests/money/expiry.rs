//! What ends by itself, in time that the test moves.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::Timestamp;
use coppice_domain::treasury::intent::Status;
use coppice_domain::treasury::names::AccountName;
use coppice_domain::treasury::{Day, Reason};
use coppice_runtime::{Clock, Failure};
use coppice_testkit::{MemoryStore, VirtualClock};
use coppice_treasury::TreasuryError;

use crate::world::{Setting, World, call, name, usd, wants};

const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

async fn world() -> (VirtualClock, World) {
    let clock = VirtualClock::following_tokio(START);
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let world = World::start(Arc::new(store), Arc::new(clock.clone()), &Setting::default()).await;
    world.money.fund(1_000).await;
    world.money.budget("w", 1_000).await;
    (clock, world)
}

/// Wants so much for so many seconds, on the budget as well.
fn brief(amount: u64, ttl_s: u32) -> coppice_treasury::NewIntent {
    coppice_treasury::NewIntent { ttl_s, workflow: Some(name("w")), ..wants(amount) }
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_nobody_ends_expires_and_everything_but_the_velocity_is_free_again() {
    let (clock, world) = world().await;
    let day = Day::of(clock.now());
    assert_eq!(world.money.wants("a", &brief(400, 10)).await, Reason::Approved);
    assert_eq!(world.money.has().await, (1_000, 400));
    tokio::time::sleep(seconds(9)).await;
    assert_eq!(world.money.intent("a").await.status, Status::Approved);
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(world.money.intent("a").await.status, Status::Expired);
    assert_eq!(world.money.has().await, (1_000, 0));
    let wanted = brief(1, 10);
    for (account, left) in
        [(AccountName::budget(name("w"), usd()), 1_000), (AccountName::cap(day, usd()), 1_000_000)]
    {
        let view = world.money.account(&account).await;
        assert_eq!(view.available.unwrap().units(), left, "{account}");
    }
    let velocity =
        AccountName::velocity(wanted.workflow.as_ref(), &wanted.merchant, &wanted.category, usd());
    assert_eq!(world.money.account(&velocity).await.posted.units(), 400);
    assert_eq!(world.money.post("a", None).await.status, Status::Expired);
    assert_eq!(world.money.void("a").await.status, Status::Expired);
    assert_eq!(world.money.authorize("a").await, Reason::Approved, "it was, once");
    assert_eq!(world.at_rest().await.expired, 1);
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_nobody_decides_expires_and_is_not_approved_any_more() {
    let (_clock, world) = world().await;
    world.money.create("a", &brief(400, 10)).await;
    tokio::time::sleep(seconds(11)).await;
    assert_eq!(world.money.intent("a").await.status, Status::Expired);
    assert_eq!(world.money.authorize("a").await, Reason::IntentExpired);
    assert_eq!(world.money.has().await, (1_000, 0));
}

#[tokio::test(start_paused = true)]
async fn what_expires_while_the_node_is_down_is_dead_at_once_and_ended_by_the_next() {
    let (clock, world) = world().await;
    world.money.wants("a", &brief(1_000, 10)).await;
    world.money.create("b", &brief(1, 10)).await;
    let World { store, node, .. } = world;
    node.abort();
    clock.advance(seconds(60));
    let world = World::start(store, Arc::new(clock.clone()), &Setting::default()).await;
    // Before anybody has seen to it, and after.
    assert_eq!(world.money.wants("c", &brief(1_000, 30)).await, Reason::Approved);
    tokio::time::sleep(seconds(5)).await;
    assert_eq!(world.money.intent("a").await.status, Status::Expired);
    assert_eq!(world.money.intent("b").await.status, Status::Expired);
    assert_eq!(world.money.has().await, (1_000, 1_000));
    world.money.post("c", None).await;
    assert_eq!(world.money.has().await, (0, 0));
    assert_eq!(world.at_rest().await.expired, 1);
}

#[tokio::test(start_paused = true)]
async fn a_post_or_void_that_comes_too_late_is_refused_and_ends_it_as_expired() {
    for void in [false, true] {
        let (clock, world) = world().await;
        world.money.wants("a", &brief(400, 10)).await;
        // The clock jumps: no timer of this node has fired yet.
        clock.advance(seconds(10));
        let settled =
            if void { world.money.void("a").await } else { world.money.post("a", None).await };
        assert_eq!(settled.status, Status::Expired);
        assert_eq!(world.money.has().await, (1_000, 0));
        assert_eq!(world.at_rest().await.expired, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_neither_revives_nor_splits_a_reservation() {
    let (clock, world) = world().await;
    world.money.wants("a", &brief(900, 100)).await;
    clock.advance(seconds(100));
    // The funding account sees the time, and gives the room to somebody else.
    let mut other = wants(900);
    other.merchant = name("other");
    assert_eq!(world.money.wants("b", &other).await, Reason::Approved);
    clock.jump_back(seconds(90));
    // By the transfer's own time it could be posted; by the funding account's it can't.
    let posted = world.money.treasury.post(&call(), "a", None).await;
    assert!(posted.as_ref().is_ok_and(|settled| settled.posted.units() == 0), "{posted:?}");
    let early = world.money.treasury.expire(&call(), "a").await;
    let refused = |error: &TreasuryError| {
        matches!(error, TreasuryError::Failed(Failure::Rejected { code: "transfer_not_due", .. }))
    };
    assert!(early.as_ref().is_err_and(refused), "{early:?}");
    world.balanced().await;
    tokio::time::sleep(seconds(120)).await;
    assert_eq!(world.money.intent("a").await.status, Status::Expired);
    world.money.post("b", None).await;
    assert_eq!(world.money.has().await, (100, 0));
    world.at_rest().await;
}

/// Waiting for an answer takes some of the paused time as well, but never as much as this.
const SECOND_MICROS: u64 = 1_000_000;

#[tokio::test(start_paused = true)]
async fn a_new_day_has_room_again_and_what_was_approved_before_stays_on_its_own() {
    let (clock, world) = world().await;
    let mut setting = Setting::default();
    setting.treasury.daily_cap = coppice_domain::treasury::Amount::of(500);
    let world = world.restart(Arc::new(clock.clone()), &setting).await;
    let yesterday = Day::of(clock.now());
    // Longer than a day, or its end would give the day its room back.
    let lasting = |amount| coppice_treasury::NewIntent { ttl_s: 90_000, ..wants(amount) };
    assert_eq!(world.money.wants("a", &lasting(400)).await, Reason::Approved);
    assert_eq!(world.money.wants("b", &lasting(400)).await, Reason::DailyCapExceeded);
    let left = yesterday.next().begins().as_micros() - clock.now().as_micros();
    clock.advance(Duration::from_micros(u64::try_from(left).unwrap() - SECOND_MICROS));
    let late = lasting(200);
    assert_eq!(world.money.wants("c", &late).await, Reason::DailyCapExceeded, "a second before");
    clock.advance(Duration::from_micros(SECOND_MICROS));
    assert_eq!(world.money.wants("d", &late).await, Reason::Approved);
    world.money.post("d", Some(60)).await;
    // What was approved yesterday is paid by yesterday.
    world.money.post("a", Some(300)).await;
    for (day, posted) in [(yesterday, 300), (yesterday.next(), 60)] {
        let cap = world.money.account(&AccountName::cap(day, usd())).await;
        assert_eq!((cap.posted.units(), cap.held_out.units()), (posted, 0));
    }
    // Set back into a day whose cap has seen the next one: it is asked for the day after.
    clock.jump_back(Duration::from_secs(60));
    assert_eq!(world.money.wants("e", &lasting(300)).await, Reason::Approved);
    world.balanced().await;
}
