//! Keyed groups that are asked again, by a caller that never learned.

use coppice_runtime::{Failure, RuntimeOptions};
use coppice_testkit::{MemoryStore, read_whole_journal};
use coppice_tests::node::value;

use crate::world::{adds, fresh, linked, node};

const PARTS: [(&str, i64, Option<&str>); 2] = [("a", 5, Some("k")), ("b", -5, Some("k"))];

fn backwards() -> [(&'static str, i64, Option<&'static str>); 2] {
    let mut parts = PARTS;
    parts.reverse();
    parts
}

#[tokio::test(start_paused = true)]
async fn a_repeated_group_gets_its_first_answers() {
    let (store, _node, caller) = fresh().await;
    assert_eq!(linked(&caller, adds(&PARTS)).await, [Ok(1), Ok(1)]);
    caller.add("a", 1, None).await.unwrap();
    for parts in [PARTS, backwards(), PARTS] {
        let answers = caller.0.ask_linked(adds(&parts)).await;
        for (answer, (counter, n, _)) in answers.into_iter().zip(parts) {
            let answer = answer.unwrap_or_else(|failure| panic!("{counter}: {failure:?}"));
            assert_eq!((answer.repeated, value(&answer.reply)), (true, n));
        }
    }
    assert_eq!(read_whole_journal(&store).await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_group_gets_its_first_answers_after_a_restart() {
    // With the tail replayed, recovery knows the repeats; behind a snapshot or for one entity
    // only, the store has to say so.
    for snapshot_every in [1, 2, 500] {
        let options = RuntimeOptions { snapshot_every, ..RuntimeOptions::default() };
        let store = MemoryStore::default();
        let (first, caller) = node(&store, options.clone()).await;
        assert_eq!(linked(&caller, adds(&PARTS)).await, [Ok(1), Ok(1)]);
        for _ in 0..3 {
            caller.add("a", 1, None).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        first.abort();
        let (_node, caller) = node(&store, options).await;
        for parts in [PARTS, backwards()] {
            let answers = linked(&caller, adds(&parts)).await;
            assert_eq!(answers, [Ok(1), Ok(1)], "snapshot_every {snapshot_every}");
        }
        assert_eq!(read_whole_journal(&store).await.unwrap().len(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_group_beyond_one_entitys_window_gets_its_first_answers() {
    let options = RuntimeOptions { command_window: 1, ..RuntimeOptions::default() };
    let store = MemoryStore::default();
    let (_node, caller) = node(&store, options).await;
    assert_eq!(linked(&caller, adds(&PARTS)).await, [Ok(1), Ok(1)]);
    // A still remembers; B does not.
    caller.add("b", 1, Some("other")).await.unwrap();
    for parts in [PARTS, backwards()] {
        assert_eq!(linked(&caller, adds(&parts)).await, [Ok(1), Ok(1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_with_one_part_that_was_done_before_applies_no_other() {
    let (store, _node, caller) = fresh().await;
    caller.add("a", 5, Some("k")).await.unwrap();
    let answers = linked(&caller, adds(&PARTS)).await;
    assert_eq!(answers, [Ok(1), Err(Failure::Unlinked)]);
    let answers = linked(&caller, adds(&[("b", -5, Some("k2")), ("a", 6, Some("k"))])).await;
    assert_eq!(answers, [Err(Failure::Unlinked), Err(Failure::KeyReused)]);
    assert_eq!(read_whole_journal(&store).await.unwrap().len(), 1);
    assert_eq!(value(&caller.add("b", -5, Some("k")).await.unwrap().reply), -5);
}
