//! Command records: looked up, listed, dropped, and written without events.

use std::sync::Arc;

use coppice_core::{Sequence, StreamHead};
use coppice_persistence::{CommandRecord, Refusal, Store};

use crate::fixture::*;

async fn recent(store: &dyn Store, id: &str, limit: usize) -> Vec<u128> {
    let records = store.recent_commands(&key(id), limit).await.unwrap();
    records.iter().map(|record| record.command_id.0.as_u128()).collect()
}

/// By stream and id, and by nothing else.
pub(crate) async fn a_command_is_found_by_its_stream_and_id(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let draft = pen.begin(&key("c")).event("1").command(1);
    commit(&*store, &[draft.clone().unit()]).await;
    let found = store.command(&key("c"), command_id(1)).await.unwrap();
    assert_eq!(found.as_ref(), draft.append.commands.first());
    assert_eq!(store.command(&key("c"), command_id(2)).await.unwrap(), None);
    assert_eq!(store.command(&key("d"), command_id(1)).await.unwrap(), None);
}

/// Latest first, in the order of writing and not of time or id, no more than asked for, and of
/// this stream only.
pub(crate) async fn recent_commands_come_latest_first(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let first = pen.begin(&key("c")).event("1").command(9).command(3).command(7);
    let second = pen.at(&key("c"), first.head()).command(1).command(8);
    let early = CommandRecord { recorded_at: at(5), ..record(2, second.head().sequence) };
    let third = pen.at(&key("c"), second.head()).event("2").record(early);
    commit(&*store, &[first.unit(), pen.begin(&key("d")).event("1").command(100).unit()]).await;
    commit(&*store, &[second.unit()]).await;
    commit(&*store, &[third.unit()]).await;
    assert_eq!(recent(&*store, "c", 100).await, [2, 8, 1, 7, 3, 9]);
    assert_eq!(recent(&*store, "c", 2).await, [2, 8]);
    assert_eq!(recent(&*store, "c", 0).await, [0; 0]);
    assert_eq!(recent(&*store, "d", 9).await, [100]);
    assert_eq!(recent(&*store, "nobody", 9).await, [0; 0]);
}

/// The oldest from before a time, of any stream, as many as asked for.
pub(crate) async fn old_commands_are_dropped_by_age(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let mut heads = ["c", "d"].map(|id| StreamHead::genesis(&key(id)));
    for number in 0..10_u8 {
        let side = usize::from(number % 2);
        let mut draft = pen.at(&key(["c", "d"][side]), heads[side]).event("1");
        let record = record(number.into(), draft.head().sequence);
        draft = draft.record(CommandRecord { recorded_at: at(number.into()), ..record });
        heads[side] = draft.head();
        commit(&*store, &[draft.unit()]).await;
    }
    assert_eq!(store.drop_commands(at(0), 100).await.unwrap(), 0);
    // Three of the seven that are older than 7, the oldest first.
    assert_eq!(store.drop_commands(at(7), 3).await.unwrap(), 3);
    assert_eq!(recent(&*store, "c", 9).await, [8, 6, 4]);
    assert_eq!(recent(&*store, "d", 9).await, [9, 7, 5, 3]);
    assert_eq!(store.drop_commands(at(7), 100).await.unwrap(), 4);
    assert_eq!(recent(&*store, "c", 9).await, [8]);
    assert_eq!(recent(&*store, "d", 9).await, [9, 7]);
    assert_eq!(store.drop_commands(at(7), 100).await.unwrap(), 0);
    assert_eq!(store.drop_commands(at(100), 0).await.unwrap(), 0);
    assert_eq!(store.drop_commands(at(i64::MAX), usize::MAX).await.unwrap(), 3);
    assert_eq!(journal(&*store).await.len(), 10);
}

/// An accepted command that changed nothing: a record and no event, no batch, no move.
pub(crate) async fn records_without_events_move_nothing(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let first = pen.begin(&key("c")).events(2).wakes(Some(at(5))).owes(true);
    commit(&*store, &[first.clone().unit()]).await;
    let row = store.entity(&key("c")).await.unwrap();
    let only = pen.at(&key("c"), first.head()).command(1).wakes(Some(at(5))).owes(true);
    commit(&*store, &[only.unit()]).await;
    assert_eq!(store.entity(&key("c")).await.unwrap(), row);
    assert_eq!(journal(&*store).await.len(), 2);
    assert_eq!(batches(&*store).await.len(), 1);
    assert!(store.command(&key("c"), command_id(1)).await.unwrap().is_some());
    // The stream goes on from where it was.
    let next = pen.at(&key("c"), first.head()).event("3").command(2);
    commit(&*store, &[next.unit()]).await;
}

/// The same on a stream that has no events: it has no row before and none after, and begins later.
pub(crate) async fn records_before_the_first_event_make_no_entity(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    commit(&*store, &[pen.begin(&key("c")).command(1).unit()]).await;
    commit(&*store, &[pen.begin(&key("c")).command(2).unit()]).await;
    assert_eq!(store.entity(&key("c")).await.unwrap(), None);
    assert_eq!(store.entities(None, 9).await.unwrap(), []);
    assert_eq!(recent(&*store, "c", 9).await, [2, 1]);
    assert_eq!(batches(&*store).await, []);
    let duplicate = [(0, Refusal::Duplicate(vec![command_id(2)]))];
    refuse(&*store, pen.begin(&key("c")).event("1").command(2).unit(), &duplicate).await;
    let first = pen.begin(&key("c")).event("1").command(3);
    commit(&*store, &[first.clone().unit()]).await;
    let row = store.entity(&key("c")).await.unwrap();
    assert_eq!(row.map(|row| row.head), Some(first.head()));
    assert_eq!(payloads(&journal(&*store).await), ["1"]);
}

/// Records beside events, in linked units and beside plain ones, all in one batch.
pub(crate) async fn records_and_events_mix_in_one_batch(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let head = write(&*store, &pen, &key("c"), 3).await;
    let units = [
        pen.at(&key("c"), head).command(1).unit(),
        linked([pen.begin(&key("x")).command(1), pen.begin(&key("y")).event("1").command(1)]),
        pen.begin(&key("z")).event("1").unit(),
    ];
    commit(&*store, &units).await;
    commit(&*store, &units).await;
    assert_eq!(journal(&*store).await.len(), 5);
    assert_eq!(batches(&*store).await.len(), 2);
    let found = store.command(&key("x"), command_id(1)).await.unwrap().unwrap();
    assert_eq!(found.sequence, Sequence(0));
}
