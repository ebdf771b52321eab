//! Which command records are dropped: those of senders that may send again stay.

use std::sync::Arc;

use coppice_core::{StreamHead, Timestamp};
use coppice_persistence::{CommandRecord, LATER_RECORDS_MAX, Store};

use crate::fixture::*;

/// Writes records to the stream `c`, in order: number, who sent it, when it was decided.
async fn records(store: &dyn Store, pen: &Pen, records: &[(u128, Option<&str>, i64)]) {
    let head = StreamHead::genesis(&key("c"));
    for chunk in records.chunks(200) {
        let draft = chunk.iter().fold(pen.at(&key("c"), head), |draft, (number, sender, time)| {
            draft.record(CommandRecord {
                sender: sender.map(|sender| key(sender).stream()),
                recorded_at: at(*time),
                ..record(*number, head.sequence)
            })
        });
        commit(store, &[draft.unit()]).await;
    }
}

/// The numbers of the records that are left, in order of writing.
async fn left(store: &dyn Store) -> Vec<u128> {
    let records = store.recent_commands(&key("c"), 10_000).await.unwrap();
    records.iter().rev().map(|record| record.command_id.0.as_u128()).collect()
}

async fn drop_all(store: &dyn Store, before: Timestamp) -> u64 {
    store.drop_commands(before, usize::MAX).await.unwrap()
}

/// They stay while the sender owes, whatever their age, and go once it owes nothing.
pub(crate) async fn records_of_an_owing_sender_stay_until_it_owes_nothing(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let owing = pen.begin(&key("owing")).event("1").owes(true);
    let settled = pen.begin(&key("settled")).event("1").wakes(Some(at(5)));
    commit(&*store, &[owing.clone().unit(), settled.unit()]).await;
    let written = [
        (1, Some("owing"), 1),
        (2, Some("settled"), 1),
        (3, None, 1),
        (4, Some("nobody"), 1),
        (5, Some("owing"), 1),
        (6, Some("owing"), 50),
    ];
    records(&*store, &pen, &written).await;
    assert_eq!(drop_all(&*store, at(9)).await, 3);
    assert_eq!(left(&*store).await, [1, 5, 6]);
    assert_eq!(drop_all(&*store, at(9)).await, 0);
    // The sender goes on and still owes.
    let further = pen.at(&key("owing"), owing.head()).event("2").owes(true);
    commit(&*store, &[further.clone().unit()]).await;
    assert_eq!(drop_all(&*store, at(9)).await, 0);
    commit(&*store, &[pen.at(&key("owing"), further.head()).event("3").unit()]).await;
    assert_eq!(drop_all(&*store, at(9)).await, 2);
    assert_eq!(left(&*store).await, [6]);
}

/// Records that stay don't count against what is asked for, however many they are: those behind
/// them go.
pub(crate) async fn records_that_stay_hold_up_no_other(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    commit(&*store, &[pen.begin(&key("owing")).event("1").owes(true).unit()]).await;
    let kept = 2_100;
    let mut written: Vec<_> = (0..kept).map(|number| (number, Some("owing"), 1)).collect();
    written.extend((kept..kept + 5).map(|number| (number, None, 1)));
    records(&*store, &pen, &written).await;
    assert_eq!(store.drop_commands(at(9), 2).await.unwrap(), 2);
    assert_eq!(
        left(&*store).await[usize::try_from(kept).unwrap()..],
        [kept + 2, kept + 3, kept + 4]
    );
    assert_eq!(drop_all(&*store, at(9)).await, 3);
    assert_eq!(left(&*store).await, (0..kept).collect::<Vec<_>>());
}

/// A record that was decided later than those behind it, by a clock that was ahead, holds none of
/// them up.
pub(crate) async fn records_out_of_order_are_dropped_each_by_its_own_time(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let written = [(1, None, 90), (2, None, 1), (3, None, 91), (4, None, 9), (5, None, 8)];
    records(&*store, &pen, &written).await;
    assert_eq!(store.drop_commands(at(9), 1).await.unwrap(), 1);
    assert_eq!(left(&*store).await, [1, 3, 4, 5]);
    assert_eq!(drop_all(&*store, at(9)).await, 1);
    assert_eq!(left(&*store).await, [1, 3, 4]);
}

/// So many later records in a row end the walk: a sweep costs what it drops and not the whole table.
pub(crate) async fn a_sweep_ends_behind_many_later_records(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let later = u128::try_from(LATER_RECORDS_MAX).unwrap();
    let mut written = vec![(0, None, 1)];
    written.extend((1..later).map(|number| (number, None, 50)));
    written.push((later, None, 1));
    written.extend((later + 1..=2 * later).map(|number| (number, None, 50)));
    written.push((2 * later + 1, None, 1));
    records(&*store, &pen, &written).await;
    // One less than ends it stands between the first two; the third is behind the full number.
    assert_eq!(drop_all(&*store, at(9)).await, 2);
    assert_eq!(drop_all(&*store, at(9)).await, 0);
    assert_eq!(store.command(&key("c"), command_id(0)).await.unwrap(), None);
    assert_eq!(store.command(&key("c"), command_id(later)).await.unwrap(), None);
    assert!(store.command(&key("c"), command_id(2 * later + 1)).await.unwrap().is_some());
    // It goes once those before it are old.
    assert_eq!(drop_all(&*store, at(51)).await, 2 * LATER_RECORDS_MAX as u64);
    assert_eq!(left(&*store).await, [0; 0]);
}
