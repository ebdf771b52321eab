//! Following the journal live: every event in scope once and in order, however slow one reads.
//!
//! Time is paused and moves by itself.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::sync::Arc;
use std::time::Duration;

use coppice_core::{EntityKind, Position};
use coppice_persistence::Journal;
use coppice_runtime::task::spawn;
use coppice_runtime::{Follower, LiveEvent, Node, RuntimeOptions, Scope};
use coppice_testkit::{
    Action, MemoryStore, Point, Random, Times, VirtualClock, read_whole_journal,
};
use coppice_tests::node::{Caller, id, tenant};
use coppice_tests::running::{command, eventually, run};
use tokio::time::timeout;

async fn start(store: &MemoryStore) -> (Node, Caller) {
    let options = RuntimeOptions::default();
    run(Arc::new(store.clone()), Arc::new(VirtualClock::default()), options, None).await
}

fn everything() -> Scope {
    Scope { tenant: tenant(), kind: None, id: None }
}

fn of_counter(counter: &str) -> Scope {
    let kind = EntityKind::new("counter").unwrap();
    Scope { tenant: tenant(), kind: Some(kind), id: Some(id(counter)) }
}

async fn take(follower: &mut Follower, count: usize) -> Vec<Arc<LiveEvent>> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = timeout(Duration::from_secs(60), follower.next()).await;
        taken.extend(next.unwrap().unwrap());
    }
    taken
}

fn positions(events: &[Arc<LiveEvent>]) -> Vec<u64> {
    events.iter().map(|event| event.position.0).collect()
}

#[tokio::test(start_paused = true)]
async fn a_follower_begins_at_the_end_unless_it_says_otherwise() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    for _ in 0..3 {
        caller.add("x", 1, None).await.unwrap();
    }
    let mut late = node.feed().follow(everything(), None).await.unwrap();
    let mut whole = node.feed().follow(everything(), Some(Position(0))).await.unwrap();
    let mut beyond = node.feed().follow(everything(), Some(Position(99))).await.unwrap();
    caller.add("x", 1, None).await.unwrap();
    assert_eq!(positions(&take(&mut late, 1).await), [4]);
    assert_eq!(positions(&take(&mut whole, 4).await), [1, 2, 3, 4]);
    assert_eq!(positions(&take(&mut beyond, 1).await), [4], "beyond the end is the end");
}

#[tokio::test(start_paused = true)]
async fn a_follower_meets_what_is_in_its_scope_and_nothing_else() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    let mut one = node.feed().follow(of_counter("x"), None).await.unwrap();
    let stranger = Scope { tenant: coppice_core::TenantId::new("other").unwrap(), ..everything() };
    let mut stranger = node.feed().follow(stranger, Some(Position(0))).await.unwrap();
    for counter in ["a", "x", "b", "x"] {
        caller.add(counter, 1, None).await.unwrap();
    }
    assert_eq!(positions(&take(&mut one, 2).await), [2, 4]);
    assert!(timeout(Duration::from_secs(60), stranger.next()).await.is_err());
    assert_eq!(stranger.place(), Position(4), "what is out of scope is passed");
}

#[tokio::test(start_paused = true)]
async fn nobody_who_follows_costs_a_read() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    let mut follower = node.feed().follow(everything(), None).await.unwrap();
    caller.add("x", 1, None).await.unwrap();
    take(&mut follower, 1).await;
    drop(follower);
    caller.add("x", 1, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reads = store.faults().calls(Point::ReadJournal);
    for _ in 0..10 {
        caller.add("x", 1, None).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(store.faults().calls(Point::ReadJournal), reads);
    assert_eq!(node.feed().followers(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_followers_cost_one_read_of_a_commit() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    let feed = node.feed();
    let mut followers = Vec::new();
    for _ in 0..100 {
        followers.push(feed.follow(everything(), None).await.unwrap());
    }
    caller.add("x", 1, None).await.unwrap();
    for follower in &mut followers {
        take(follower, 1).await;
    }
    let reads = store.faults().calls(Point::ReadJournal);
    caller.add("x", 1, None).await.unwrap();
    for follower in &mut followers {
        assert_eq!(positions(&take(follower, 1).await), [2]);
    }
    let cost = store.faults().calls(Point::ReadJournal) - reads;
    assert!(cost <= 5, "{cost} reads for a hundred followers");
}

#[tokio::test(start_paused = true)]
async fn one_that_falls_behind_further_than_the_ring_reaches_misses_nothing() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    let mut slow = node.feed().follow(of_counter("x"), None).await.unwrap();
    let mut quick = node.feed().follow(everything(), None).await.unwrap();
    // Twice what the ring holds.
    let adding = (0..64).map(|lane| {
        let caller = caller.clone();
        spawn(async move {
            for _ in 0..256 {
                caller.add(if lane == 0 { "x" } else { "y" }, 1, None).await.unwrap();
            }
        })
    });
    for lane in adding.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
    let all = take(&mut quick, 64 * 256).await;
    assert!(positions(&all).iter().copied().eq(1..=64 * 256));
    let own = take(&mut slow, 256).await;
    assert!(own.iter().map(|event| event.record.sequence.0).eq(1..=256));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    let mut follower = node.feed().follow(everything(), None).await.unwrap();
    caller.add("x", 1, None).await.unwrap();
    take(&mut follower, 1).await;
    store.faults().arm(Point::ReadJournal, Action::Unavailable, Times::Next(3));
    caller.add("x", 1, None).await.unwrap();
    assert_eq!(positions(&take(&mut follower, 1).await), [2]);
}

#[tokio::test(start_paused = true)]
async fn followers_that_come_and_go_at_random_each_meet_their_part_of_the_journal() {
    for seed in 0..20 {
        let store = MemoryStore::default();
        let (node, caller) = start(&store).await;
        let adding = spawn(async move {
            let mut random = Random::seeded(seed);
            for number in 0..300_u32 {
                let counter = format!("c{}", random.below(5));
                let body = format!(r#"{{"n":{number}}}"#);
                caller.0.ask("counter", command(&counter, "add", &body, None)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(random.below(20))).await;
            }
        });
        let mut random = Random::seeded(seed + 1_000);
        for _ in 0..15 {
            let counter = format!("c{}", random.below(5));
            let after = Position(random.below(200));
            let mut follower = node.feed().follow(of_counter(&counter), Some(after)).await.unwrap();
            let from = follower.place();
            let mut taken = Vec::new();
            for _ in 0..=random.below(8) {
                // Where no more is added, there is no more to wait for.
                let next = timeout(Duration::from_secs(5), follower.next()).await;
                taken.extend(next.map_or_else(|_| Vec::new(), Result::unwrap));
            }
            let until = follower.place();
            let journal = read_whole_journal(&store).await.unwrap();
            let expected = journal.iter().filter(|event| {
                event.key.id().as_str() == counter
                    && event.position > from
                    && event.position <= until
            });
            let expected: Vec<u64> = expected.map(|event| event.position.0).collect();
            assert_eq!(positions(&taken), expected, "seed {seed}, {counter} after {from}");
            if adding.is_finished() {
                break;
            }
        }
        adding.abort();
        drop(adding.await);
        eventually("nobody follows", || node.feed().followers() == 0).await;
        assert!(store.last_position().await.unwrap() > Position(0));
    }
}

#[tokio::test(start_paused = true)]
async fn who_follows_one_stream_is_left_alone_by_the_others_and_still_knows_its_place() {
    let store = MemoryStore::default();
    let (node, caller) = start(&store).await;
    let mut follower = node.feed().follow(of_counter("x"), None).await.unwrap();
    let polled = std::sync::atomic::AtomicUsize::new(0);
    let mut waiting = Box::pin(async {
        let next = follower.next();
        tokio::pin!(next);
        std::future::poll_fn(|cx| {
            polled.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            next.as_mut().poll(cx)
        })
        .await
    });
    // Until the tail is under way, whoever follows may have missed something and looks.
    caller.add("y", 1, None).await.unwrap();
    assert!(timeout(Duration::from_secs(2), &mut waiting).await.is_err());
    let before = polled.load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..200 {
        caller.add("y", 1, None).await.unwrap();
    }
    assert!(timeout(Duration::from_secs(2), &mut waiting).await.is_err());
    let woken = polled.load(std::sync::atomic::Ordering::Relaxed) - before;
    assert!(woken <= 2, "woken {woken} times by another stream's events");
    drop(waiting);
    // Where a client is told to go on is behind all that isn't its own, as fast as that grows.
    assert_eq!(follower.place(), Position(201));
    caller.add("x", 7, None).await.unwrap();
    assert!(follower.place() <= Position(202));
    assert_eq!(positions(&take(&mut follower, 1).await), [202]);
    assert_eq!(follower.place(), Position(202));
}
