//! The connection to PostgreSQL is cut around a commit: the node finds out what became of it
//! before it tells anybody anything.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::sync::Arc;

use coppice_core::{Epoch, ShardId};
use coppice_persistence::{PostgresOptions, SqlStore, Store};
use coppice_runtime::{RuntimeOptions, SystemClock, task};
use coppice_testkit::proxy::Cut;
use coppice_testkit::{Action, MemoryStore, Point, Proxy, Times, postgres, read_whole_journal};
use coppice_tests::node::{Caller, PATIENCE, claim, start, value};

/// Thirty concurrent keyed adds around `cuts` cut commits; then everything is counted.
async fn adds_around_cut_commits(cut: Cut) {
    let direct = postgres::shared_database().unwrap();
    let host = direct.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
    let proxy = Proxy::start(&host).await.unwrap();
    let url = proxy.url(&direct);
    let store = SqlStore::open_postgres(&url, PostgresOptions::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let lease = Arc::new(claim(store.as_ref(), "a").await);
    let node =
        start(Arc::clone(&store), lease, Arc::new(SystemClock), RuntimeOptions::default(), None)
            .await;
    let caller = Caller(node.registry());
    caller.add("x", 1, None).await.unwrap();

    for round in 0..5_u64 {
        // The name of the event type stands among what an append binds.
        proxy.cut("counter.added.v1", cut, 1);
        let asked: Vec<_> = (0..30)
            .map(|n| {
                let caller = caller.clone();
                task::spawn(async move {
                    let counter = format!("x{}", n % 3);
                    caller.add(&counter, 1, Some(&format!("{round}-{n}"))).await
                })
            })
            .collect();
        for task in asked {
            let answer = task.await.unwrap().unwrap();
            assert!(!answer.repeated, "the node's own retry is no repeat to its caller");
        }
        assert!(proxy.reached_cuts(round + 1, PATIENCE).await, "round {round} was cut");
    }
    let clean = SqlStore::open_postgres(&direct, PostgresOptions::default()).await.unwrap();
    for counter in ["x0", "x1", "x2"] {
        assert_eq!(value(&caller.read(counter).await.unwrap().state), 50);
    }
    let journal = read_whole_journal(&clean).await.unwrap();
    assert_eq!(journal.len(), 151, "each add once");
    node.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_neither_lost_nor_doubled() {
    adds_around_cut_commits(Cut::AfterItsAnswer).await;
}

#[tokio::test]
async fn a_commit_that_may_still_be_running_is_neither_lost_nor_doubled() {
    adds_around_cut_commits(Cut::AfterItsRequest).await;
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_handed_in_again() {
    adds_around_cut_commits(Cut::BeforeIt).await;
}

#[tokio::test]
async fn an_unknown_commit_whose_shard_moved_meanwhile_is_still_told_truthfully() {
    // Written under the old epoch, answer lost, another owner takes over: it was committed.
    let store = MemoryStore::default();
    let lease = Arc::new(claim(&store, "a").await);
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let options = RuntimeOptions::default();
    let node = start(shared, lease, Arc::new(SystemClock), options, None).await;
    let caller = Caller(node.registry());
    caller.add("x", 1, None).await.unwrap();

    store.faults().arm(Point::AfterAppendBeforeAnswer, Action::Unavailable, Times::Next(1));
    let hold = store.faults().hold(Point::AfterAppendBeforeAnswer, Times::Next(1));
    let adding = task::spawn({
        let caller = caller.clone();
        async move { caller.add("x", 10, Some("k")).await }
    });
    // The first try has been written and failed; the second waits at the hold.
    hold.reached(1).await;
    let other = claim(&store, "a").await;
    assert_ne!(coppice_runtime::Lease::epoch(&other, ShardId(0)), Some(Epoch(1)));
    hold.release();
    let answer = adding.await.unwrap().unwrap();
    assert_eq!((answer.sequence.0, value(&answer.reply)), (2, 11));
    assert_eq!(read_whole_journal(&store).await.unwrap().len(), 2);
}
