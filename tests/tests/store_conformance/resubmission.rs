//! Handing in the same again: what a caller does that lost the answer.

use std::sync::Arc;

use coppice_core::Timestamp;
use coppice_persistence::{CommandRecord, Refusal, Store};
use tokio::task::JoinSet;

use crate::fixture::*;

/// Once, however often it is handed in.
pub(crate) async fn the_same_unit_again_is_committed_once(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let first = pen.begin(&key("c")).event("1").event("2").command(1).command(2);
    for _ in 0..3 {
        commit(&*store, &[first.clone().unit()]).await;
    }
    assert_eq!(payloads(&journal(&*store).await), ["1", "2"]);
    assert_eq!(batches(&*store).await.len(), 1);
    assert_eq!(store.recent_commands(&key("c"), 9).await.unwrap().len(), 2);
    // And also once its stream has gone on.
    let second = pen.at(&key("c"), first.head()).event("3").wakes(Some(at(5))).owes(true);
    commit(&*store, &[second.clone().unit()]).await;
    commit(&*store, &[first.unit()]).await;
    let row = store.entity(&key("c")).await.unwrap().unwrap();
    assert_eq!((row.head, row.wake_at, row.owes), (second.head(), Some(at(5)), true));
    assert_eq!(payloads(&journal(&*store).await), ["1", "2", "3"]);
}

/// Also where another owner has taken over and gone on.
pub(crate) async fn the_same_unit_after_a_succession_is_committed(store: Arc<dyn Store>) {
    let former = claim(&*store, "a").await;
    let first = former.begin(&key("c")).event("1").command(1);
    commit(&*store, &[first.clone().unit()]).await;
    let pen = claim(&*store, "b").await;
    commit(&*store, &[first.clone().unit()]).await;
    let second = pen.at(&key("c"), first.head()).event("2");
    commit(&*store, &[second.clone().unit()]).await;
    commit(&*store, &[first.unit()]).await;
    assert_eq!(payloads(&journal(&*store).await), ["1", "2"]);
    let row = store.entity(&key("c")).await.unwrap().unwrap();
    assert_eq!((row.head, row.epoch), (second.head(), second.append.epoch));
}

/// And where its command records were dropped since: the events tell.
pub(crate) async fn the_same_unit_after_its_records_were_dropped_is_committed(
    store: Arc<dyn Store>,
) {
    let pen = claim(&*store, "a").await;
    let first = pen.begin(&key("c")).event("1").command(1);
    commit(&*store, &[first.clone().unit()]).await;
    store.drop_commands(at(i64::MAX), 10).await.unwrap();
    commit(&*store, &[first.unit()]).await;
    assert_eq!(journal(&*store).await.len(), 1);
    assert_eq!(store.command(&key("c"), command_id(1)).await.unwrap(), None);
}

/// A linked unit again, beside units that are new and units that are refused.
pub(crate) async fn old_and_new_units_are_told_apart_in_one_batch(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let pair = linked(["x", "y"].map(|id| pen.begin(&key(id)).event("1").command(1)));
    let single = pen.begin(&key("z")).event("1").unit();
    commit(&*store, &[pair.clone(), single.clone()]).await;
    let new = pen.begin(&key("new")).event("1").unit();
    let wrong = pen.begin(&key("wrong"));
    let wrong = wrong.epoch(coppice_core::Epoch(9)).event("1").unit();
    let outcomes = store.append(&[wrong, pair, new, single]).await.unwrap();
    let refused = Refused(vec![(0, Refusal::Epoch)]);
    assert_eq!(outcomes, [refused, Committed, Committed, Committed]);
    let events = journal(&*store).await;
    assert_eq!(events.len(), 4);
    assert_eq!(events[3].key, key("new"));
    assert_eq!(events[3].position.0, 4);
    assert_eq!(batches(&*store).await.len(), 2);
}

/// Records without events again: the same records are the same unit.
pub(crate) async fn the_same_records_again_are_committed_once(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let head = write(&*store, &pen, &key("c"), 1).await;
    let unit = pen.at(&key("c"), head).command(1).command(2).unit();
    for _ in 0..3 {
        commit(&*store, std::slice::from_ref(&unit)).await;
    }
    assert_eq!(store.recent_commands(&key("c"), 9).await.unwrap().len(), 2);
    let other = claim(&*store, "b").await;
    commit(&*store, &[other.at(&key("c"), head).event("2").unit()]).await;
    commit(&*store, &[unit]).await;
    assert_eq!(store.recent_commands(&key("c"), 9).await.unwrap().len(), 2);
}

/// A record that differs in anything is another answer, and the first stands.
pub(crate) async fn another_answer_to_the_same_command_is_a_duplicate(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let head = write(&*store, &pen, &key("c"), 1).await;
    let stored = record(1, head.sequence);
    commit(&*store, &[pen.at(&key("c"), head).record(stored.clone()).unit()]).await;
    let others: [CommandRecord; 3] = [
        CommandRecord { body_hash: coppice_core::Hash::ZERO, ..stored.clone() },
        CommandRecord { sender: Some(key("sender").stream()), ..stored.clone() },
        CommandRecord { reply: r#"{"value":99}"#.into(), ..stored.clone() },
    ];
    for other in others {
        let what = format!("{other:?}");
        let unit = pen.at(&key("c"), head).record(other).unit();
        let outcome = store.append(&[unit]).await.unwrap();
        let refused = Refused(vec![(0, Refusal::Duplicate(vec![command_id(1)]))]);
        assert_eq!(outcome, [refused], "{what}");
    }
    assert_eq!(store.command(&key("c"), command_id(1)).await.unwrap(), Some(stored));
}

/// One record of two is there: the unit never was.
pub(crate) async fn records_that_are_there_in_part_are_a_duplicate(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let head = write(&*store, &pen, &key("c"), 1).await;
    commit(&*store, &[pen.at(&key("c"), head).command(1).unit()]).await;
    let unit = pen.at(&key("c"), head).command(1).command(2).unit();
    refuse(&*store, unit, &[(0, Refusal::Duplicate(vec![command_id(1)]))]).await;
    assert_eq!(store.command(&key("c"), command_id(2)).await.unwrap(), None);
}

/// A refused unit again is refused again, and decided anew it may be accepted.
pub(crate) async fn a_refused_unit_again_is_refused_again(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let head = write(&*store, &pen, &key("c"), 1).await;
    let unit = pen.begin(&key("c")).event("other").command(1).unit();
    refuse(&*store, unit.clone(), &[(0, Refusal::Head)]).await;
    refuse(&*store, unit, &[(0, Refusal::Head)]).await;
    commit(&*store, &[pen.at(&key("c"), head).event("other").command(1).unit()]).await;
}

/// The first try is still under way when the same is handed in again: all are told the same.
pub(crate) async fn the_same_unit_from_many_at_once_is_committed_once(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    for round in 0..10 {
        let [left, right] = ["l", "r"].map(|side| key(&format!("{side}{round}")));
        let units = vec![
            linked([&left, &right].map(|key| pen.begin(key).events(3).command(1))),
            pen.begin(&key(&format!("s{round}"))).event("1").unit(),
        ];
        let mut tries = JoinSet::new();
        for _ in 0..6 {
            let (store, units) = (Arc::clone(&store), units.clone());
            tries.spawn(async move { store.append(&units).await.unwrap() });
        }
        for outcomes in tries.join_all().await {
            assert_eq!(outcomes, [Committed, Committed], "round {round}");
        }
        assert_eq!(journal(&*store).await.len(), 7 * (round + 1));
        assert_eq!(batches(&*store).await.len(), round + 1);
    }
}

/// A record's time and reply are kept as they were decided.
pub(crate) async fn a_record_reads_back_as_it_was(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let head = write(&*store, &pen, &key("c"), 1).await;
    let records = [
        CommandRecord {
            command_id: command_id(u128::MAX),
            body_hash: coppice_core::Hash([0xff; 32]),
            sequence: head.sequence,
            reply: "{ \"\u{1f600}\" : \"\\u0000\" }".into(),
            recorded_at: Timestamp::from_micros(i64::MAX),
            sender: Some(key("sender").stream()),
        },
        CommandRecord { reply: "".into(), recorded_at: at(i64::MIN), ..record(0, head.sequence) },
    ];
    let draft = records.iter().cloned().fold(pen.at(&key("c"), head), Draft::record);
    commit(&*store, &[draft.clone().unit()]).await;
    for record in records {
        let read = store.command(&key("c"), record.command_id).await.unwrap();
        assert_eq!(read, Some(record));
    }
    commit(&*store, &[draft.unit()]).await;
}
