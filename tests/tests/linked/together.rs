//! Groups that are accepted: one commit for all parts, whatever goes on around them.

use coppice_persistence::Journal;
use coppice_runtime::task::spawn;
use coppice_runtime::{Failure, RuntimeOptions};
use coppice_testkit::{Faults, Point, Times, read_whole_journal};
use coppice_tests::node::value;
use coppice_tests::running::eventually;

use crate::world::{adds, fresh, linked, node, outcomes, profile};

#[tokio::test(start_paused = true)]
async fn both_parts_commit_in_one_batch() {
    let (store, _node, caller) = fresh().await;
    let answers = linked(&caller, adds(&[("a", 5, None), ("b", -5, None)])).await;
    assert_eq!(answers, [Ok(1), Ok(1)]);
    let batches = store.batches(0, 10).await.unwrap();
    assert_eq!(batches.len(), 1);
    assert_eq!((batches[0].first.0, batches[0].last.0), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn groups_and_single_commands_on_one_entity_keep_their_order() {
    let (store, _node, caller) = fresh().await;
    let (one, group, other, next) = tokio::join!(
        caller.add("a", 1, None),
        caller.0.ask_linked(adds(&[("a", 10, None), ("b", -10, None)])),
        caller.add("a", 100, None),
        caller.add("b", 1_000, None),
    );
    assert_eq!((value(&one.unwrap().reply), value(&other.unwrap().reply)), (1, 111));
    let group: Vec<_> = group.into_iter().map(|part| value(&part.unwrap().reply)).collect();
    assert_eq!(group, [11, -10]);
    assert_eq!(value(&next.unwrap().reply), 990);
    assert_eq!(read_whole_journal(&store).await.unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_group_of_one_and_a_group_of_none_are_answered() {
    let (_store, _node, caller) = fresh().await;
    assert_eq!(linked(&caller, adds(&[("a", 1, None)])).await, [Ok(1)]);
    assert_eq!(linked(&caller, Vec::new()).await, []);
}

#[tokio::test(start_paused = true)]
async fn parts_without_events_wait_for_the_others() {
    let (store, _node, caller) = fresh().await;
    let mut parts = adds(&[("a", 1, None)]);
    parts.push(profile("touch"));
    assert_eq!(linked(&caller, parts).await, [Ok(1), Ok(0)]);
    // And where no part writes anything, there is nothing to commit.
    assert_eq!(linked(&caller, vec![profile("touch")]).await, [Ok(0)]);
    assert_eq!(read_whole_journal(&store).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_entity_twice_in_a_group_takes_both_parts_in_order() {
    let (store, _node, caller) = fresh().await;
    let parts = adds(&[("a", 5, None), ("a", 7, None), ("b", 1, None)]);
    let answers = caller.0.ask_linked(parts).await;
    let values: Vec<_> = answers.into_iter().map(|part| value(&part.unwrap().reply)).collect();
    assert_eq!(values, [5, 12, 1]);
    assert_eq!(store.batches(0, 10).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_entity_twice_in_a_group_applies_neither_where_the_second_part_is_refused() {
    let (store, _node, caller) = fresh().await;
    let answers = linked(&caller, adds(&[("a", i64::MAX, None), ("a", 1, None)])).await;
    // The second is refused on a state that the first made and that never was; decided again it
    // finds its group broken. Either word is true.
    assert_eq!(answers[0], Err(Failure::Unlinked));
    assert!(matches!(answers[1], Err(Failure::Rejected { .. } | Failure::Unlinked)));
    assert!(read_whole_journal(&store).await.unwrap().is_empty());
    assert_eq!(value(&caller.add("a", 1, None).await.unwrap().reply), 1);
}

#[tokio::test(start_paused = true)]
async fn a_part_beaten_by_another_owner_has_its_whole_group_decided_again() {
    let (store, a_node, a) = fresh().await;
    let (b_store, lease) = (store.connect(Faults::default()), epochs(&store).await);
    let clock = std::sync::Arc::new(coppice_testkit::VirtualClock::default());
    let b_node = coppice_tests::node::start(
        std::sync::Arc::new(b_store),
        lease,
        clock,
        RuntimeOptions::default(),
        None,
    )
    .await;
    let b = coppice_tests::node::Caller(b_node.registry());
    a.add("x", 1, None).await.unwrap();
    a.add("y", 1, None).await.unwrap();
    let hold = store.faults().hold(Point::BeforeAppend, Times::Next(1));
    let group = spawn({
        let a = a.clone();
        async move { a.0.ask_linked(adds(&[("x", 10, None), ("y", -10, None)])).await }
    });
    hold.reached(1).await;
    let behind = spawn({
        let a = a.clone();
        async move { a.add("y", 5, None).await }
    });
    eventually("the command behind it is decided", || a_node.writer().waiting() == 1).await;
    b.add("x", 100, None).await.unwrap();
    hold.release();
    assert_eq!(outcomes(group.await.unwrap()), [Ok(3), Ok(2)]);
    assert_eq!(value(&behind.await.unwrap().unwrap().reply), -4);
    assert_eq!(value(&a.read("x").await.unwrap().state), 111);
    let batches = store.batches(0, 10).await.unwrap();
    let journal = read_whole_journal(&store).await.unwrap();
    let of = |n: &str| journal.iter().find(|at| at.record.body.payload.contains(n)).unwrap();
    let (x, y) = (of("\"n\":10}").position, of("\"n\":-10}").position);
    assert!(batches.iter().any(|batch| {
        (batch.first..=batch.last).contains(&x) && (batch.first..=batch.last).contains(&y)
    }));
}

/// A second owner under the epochs of the first: only sequence and hash stand between them.
async fn epochs(
    store: &coppice_testkit::MemoryStore,
) -> std::sync::Arc<coppice_testkit::TestLease> {
    use coppice_core::Epoch;
    use coppice_tests::node::SHARDS;
    assert!(store.batches(0, 1).await.unwrap().is_empty(), "the first claim gives the first epoch");
    std::sync::Arc::new(coppice_testkit::TestLease::of_all(SHARDS, Epoch(1)))
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_the_append_leaves_all_of_a_group_or_nothing() {
    for (point, expected) in [(Point::BeforeAppend, 0), (Point::AfterAppendBeforeAnswer, 3)] {
        let (store, first, caller) = fresh().await;
        let hold = store.faults().hold(point, Times::Next(1));
        let keyed = [("a", 1, Some("k")), ("b", 2, Some("k")), ("c", -3, Some("k"))];
        let asked = spawn(async move { linked(&caller, adds(&keyed)).await });
        hold.reached(1).await;
        first.abort();
        let lost = asked.await.unwrap();
        assert_eq!(lost, vec![Err(Failure::TimedOut); 3]);
        hold.release();
        assert_eq!(read_whole_journal(&store).await.unwrap().len(), expected);
        let (_node, caller) = node(&store, RuntimeOptions::default()).await;
        // The repeat finds out, in either case.
        assert_eq!(linked(&caller, adds(&keyed)).await, [Ok(1), Ok(1), Ok(1)], "{point:?}");
        assert_eq!(read_whole_journal(&store).await.unwrap().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_larger_than_a_batch_is_committed_or_refused_but_never_stuck() {
    let options = RuntimeOptions { batch_tickets_max: 2, ..RuntimeOptions::default() };
    let store = coppice_testkit::MemoryStore::default();
    let (_node, caller) = node(&store, options).await;
    let parts = adds(&[("a", 1, None), ("b", 1, None), ("c", 1, None)]);
    let answers = linked(&caller, parts).await;
    assert!(!answers.contains(&Err(Failure::TimedOut)), "{answers:?}");
    for counter in ["a", "b", "c"] {
        caller.add(counter, 1, None).await.unwrap();
    }
}
