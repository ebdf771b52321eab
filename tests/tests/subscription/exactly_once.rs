//! Documents and offset move together.

use std::sync::Arc;
use std::time::Duration;

use coppice_domain::example::Counter;
use coppice_persistence::{SqlStore, SqliteOptions, Store};
use coppice_runtime::projection::ParkPolicy;
use coppice_runtime::subscription::Stepped;
use coppice_runtime::task::spawn;
use coppice_runtime::{Node, NodeBuilder, RuntimeOptions, SystemClock};
use coppice_testkit::{Action, Faults, MemoryStore, Point, Random, Times, read_whole_journal};
use coppice_tests::node::{Caller, PATIENCE, claim};
use coppice_tests::running::run;
use tokio::time::Instant;

use crate::model::{Tally, catch_up, subscription, tally};

const COUNTERS: [&str; 3] = ["a", "b", "c"];

async fn node(store: &Arc<dyn Store>) -> (Node, Caller) {
    run(store.clone(), Arc::new(SystemClock), RuntimeOptions::default(), None).await
}

/// Adds at random; the expected count and sum of each counter.
async fn fill(caller: &Caller, random: &mut Random, adds: u64) -> [(i64, i64); 3] {
    let mut expected = [(0, 0); 3];
    for _ in 0..adds {
        let at = usize::try_from(random.below(3)).unwrap();
        let n = i64::try_from(random.below(100)).unwrap();
        caller.add(COUNTERS[at], n, None).await.unwrap();
        expected[at] = (expected[at].0 + 1, expected[at].1 + n);
    }
    expected
}

async fn assert_tallies(store: &dyn Store, expected: [(i64, i64); 3]) {
    for (counter, expected) in COUNTERS.into_iter().zip(expected) {
        assert_eq!(tally(store, counter).await.unwrap_or_default(), expected, "{counter}");
    }
}

#[tokio::test(start_paused = true)]
async fn crashes_between_steps_fold_every_event_once() {
    for seed in 0..30 {
        println!("SIM_SEED={seed}");
        let mut random = Random::seeded(seed);
        let memory = MemoryStore::default();
        let store: Arc<dyn Store> = Arc::new(memory.clone());
        let (_node, caller) = node(&store).await;
        let expected = fill(&caller, &mut random, 40).await;
        let faults = Faults::seeded(seed);
        for point in [
            Point::BeforeAdvance,
            Point::AfterAdvanceBeforeAnswer,
            Point::ReadModels,
            Point::ReadJournal,
        ] {
            faults.arm(point, Action::Unavailable, Times::PerMille(300));
        }
        let faulty: Arc<dyn Store> = Arc::new(memory.connect(faults));
        let page = 1 + usize::try_from(random.below(7)).unwrap();
        catch_up(&faulty, ParkPolicy::GoOn, page).await;
        assert_tallies(store.as_ref(), expected).await;
        assert_eq!(store.offset("tally").await.unwrap().0, 40);
    }
}

#[tokio::test]
async fn catching_up_from_zero_and_from_the_middle_on_sqlite() {
    let home = tempfile::tempdir().unwrap();
    let open = SqlStore::open_sqlite(home.path(), SqliteOptions::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(open);
    let (node, caller) = node(&store).await;
    let mut random = Random::seeded(1);
    let before = fill(&caller, &mut random, 30).await;
    catch_up(&store, ParkPolicy::Hold, 7).await;
    assert_tallies(store.as_ref(), before).await;
    let after = fill(&caller, &mut random, 30).await;
    catch_up(&store, ParkPolicy::Hold, 1_000).await;
    let sum = |at: usize| (before[at].0 + after[at].0, before[at].1 + after[at].1);
    assert_tallies(store.as_ref(), [sum(0), sum(1), sum(2)]).await;
    node.shutdown(PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn two_subscriptions_of_one_name_fold_every_event_once() {
    for seed in 0..20 {
        println!("SIM_SEED={seed}");
        let mut random = Random::seeded(seed);
        let memory = MemoryStore::default();
        let store: Arc<dyn Store> = Arc::new(memory.clone());
        let (_node, caller) = node(&store).await;
        let expected = fill(&caller, &mut random, 40).await;
        let rivals: Vec<_> = (0..3)
            .map(|rival| {
                let faults = Faults::seeded(seed * 10 + rival);
                for point in [Point::BeforeAdvance, Point::ReadModels, Point::ReadJournal] {
                    let jitter = Action::Jitter(Duration::from_millis(5));
                    faults.arm(point, jitter, Times::PerMille(700));
                }
                let store: Arc<dyn Store> = Arc::new(memory.connect(faults));
                let page = 1 + usize::try_from(rival).unwrap() * 2;
                spawn(async move { catch_up(&store, ParkPolicy::Hold, page).await })
            })
            .collect();
        for rival in rivals {
            rival.await.unwrap();
        }
        assert_tallies(store.as_ref(), expected).await;
    }
}

async fn projecting(store: &Arc<dyn Store>) -> (Node, Caller) {
    let lease = Arc::new(claim(store.as_ref(), "node").await);
    let options = RuntimeOptions::default();
    let node = NodeBuilder::new(store.clone(), lease, Arc::new(SystemClock), options)
        .kind::<Counter>()
        .projection(Tally(ParkPolicy::GoOn))
        .start()
        .await
        .unwrap();
    let caller = Caller(node.registry());
    (node, caller)
}

#[tokio::test(start_paused = true)]
async fn a_commit_wakes_the_projection_before_it_would_look_by_itself() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (node, caller) = projecting(&store).await;
    for round in 1..=20_i64 {
        caller.add("a", 2, None).await.unwrap();
        let began = Instant::now();
        while tally(store.as_ref(), "a").await != Some((round, 2 * round)) {
            assert!(began.elapsed() < Duration::from_millis(100), "{round} came by the poll");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    node.shutdown(PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_catches_up_with_what_others_wrote() {
    let memory = MemoryStore::default();
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    let (first, caller) = node(&store).await;
    let expected = fill(&caller, &mut Random::seeded(3), 50).await;
    first.abort();
    memory.faults().arm(Point::AfterAdvanceBeforeAnswer, Action::Unavailable, Times::Next(2));
    memory.faults().arm(Point::ReadModels, Action::Unavailable, Times::Next(2));
    let (_second, _caller) = projecting(&store).await;
    let deadline = Instant::now() + PATIENCE;
    let end = read_whole_journal(&memory).await.unwrap().len() as u64;
    while store.offset("tally").await.is_ok_and(|offset| offset.0 < end) {
        assert!(Instant::now() < deadline, "the projection never caught up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The two faults may have met this test's own reads as well; the documents are what counts.
    memory.faults().clear();
    while tally(store.as_ref(), "a").await != Some(expected[0]) {
        assert!(Instant::now() < deadline, "the projection never caught up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_tallies(store.as_ref(), expected).await;
}

/// However slow the store is: where a step finds events that came during the one before, it waits
/// for more all the same.
#[tokio::test(start_paused = true)]
async fn steady_commits_are_digested_twenty_times_a_second() {
    let memory = MemoryStore::default();
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    let (node, caller) = projecting(&store).await;
    let slow = Action::Delay(Duration::from_millis(3));
    memory.faults().arm(Point::BeforeAdvance, slow, Times::Always);
    let steps = || memory.faults().calls(Point::BeforeAdvance);
    for _ in 0..1_000 {
        caller.add("a", 1, None).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // A step each 53 ms.
    assert!((15..=20).contains(&steps()), "{} steps in a second", steps());
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(tally(store.as_ref(), "a").await, Some((1_000, 1_000)));
    node.abort();
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_full_is_followed_by_the_next_at_once() {
    let memory = MemoryStore::default();
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    let (_node, caller) = node(&store).await;
    fill(&caller, &mut Random::seeded(5), 25).await;
    let mut steps = Vec::new();
    let mut subscription = subscription(store, ParkPolicy::GoOn, 10);
    for _ in 0..4 {
        steps.push(subscription.step().await.unwrap());
    }
    let (page, end) = (Stepped::APage, Stepped::ToTheEnd);
    assert_eq!(steps, [page, page, end, Stepped::Nowhere]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_journal_has_nothing_to_digest() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let mut empty = subscription(store, ParkPolicy::GoOn, 10);
    assert_eq!(empty.step().await.unwrap(), Stepped::Nowhere);
}
