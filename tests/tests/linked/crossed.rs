//! Groups that wait for each other: two entities that meet two groups in opposite orders.

use coppice_runtime::{Failure, RuntimeOptions};
use coppice_testkit::MemoryStore;
use coppice_tests::node::{Caller, add};
use futures_util::future::join_all;

use crate::world::{adds, linked, node, profile};

async fn caller_with(options: RuntimeOptions) -> (MemoryStore, coppice_runtime::Node, Caller) {
    let store = MemoryStore::default();
    let (node, caller) = node(&store, options).await;
    (store, node, caller)
}

#[tokio::test(start_paused = true)]
async fn crossed_groups_both_commit() {
    let (_store, _node, caller) = caller_with(RuntimeOptions::default()).await;
    let (one, other) = tokio::join!(
        linked(&caller, adds(&[("a", 1, None), ("b", -1, None)])),
        linked(&caller, adds(&[("b", 2, None), ("a", -2, None)])),
    );
    assert_eq!(one.iter().chain(&other).filter(|part| part.is_ok()).count(), 4);
}

#[tokio::test(start_paused = true)]
async fn crossed_groups_with_room_for_one_decision_do_not_block_their_entities() {
    // With a first-in-first-out mailbox each, A holds the first part of one group open and B that
    // of the other, and the second parts can't be decided behind them.
    let options = RuntimeOptions { tickets_open_max: 1, ..RuntimeOptions::default() };
    let (_store, _node, caller) = caller_with(options).await;
    let mut forward = adds(&[("a", 1, None), ("b", -1, None)]);
    let mut backward = adds(&[("a", -2, None), ("b", 2, None)]);
    let (on_b, on_a) = (forward.pop().unwrap(), backward.remove(0));
    // The first halves are delivered in one order, the second halves in the other.
    forward.push(on_b);
    backward.push(on_a);
    let (one, other) = tokio::join!(linked(&caller, forward), linked(&caller, backward));
    assert_eq!(one.iter().chain(&other).filter(|part| part.is_ok()).count(), 4);
    crossed_by_delay(&caller).await;
}

/// The parts meet in opposite orders: `a` has G1 before G2, `b` has G2 before G1.
async fn crossed_by_delay(caller: &Caller) {
    use coppice_runtime::LinkGroup;
    use std::sync::Arc;
    let _ = Arc::new(LinkGroup::new(2));
    let groups = (0..50).map(|round| {
        let mut parts = adds(&[("a", 1, None), ("b", -1, None)]);
        if round % 2 == 1 {
            parts.reverse();
        }
        linked(caller, parts)
    });
    for answers in join_all(groups).await {
        assert!(!answers.contains(&Err(Failure::TimedOut)), "{answers:?}");
    }
    caller.add("a", 1, None).await.unwrap();
    caller.add("b", 1, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_crossed_groups_does_not_block_their_entities() {
    let (_store, _node, caller) = caller_with(RuntimeOptions::default()).await;
    // The profile meets G1, a crash, G2; the counter meets G2 before G1. The profile's life waits
    // for G1 to end before it decides G2, and G1 waits on the counter behind G2.
    let forward = vec![profile("name"), ("counter", add("a", 1, None))];
    let crash = profile("crash");
    let (answers, crashed) = tokio::join!(
        async {
            let delayed = vec![profile("name"), ("counter", add("a", 2, None))];
            let (one, other) = tokio::join!(linked(&caller, forward), linked(&caller, delayed));
            [one, other].concat()
        },
        caller.0.ask("profile", crash.1),
    );
    assert!(crashed.is_err());
    assert!(!answers.contains(&Err(Failure::TimedOut)), "{answers:?}");
    caller.add("a", 1, None).await.unwrap();
}
