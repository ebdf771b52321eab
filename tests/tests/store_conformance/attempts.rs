//! Counts of tries: they go up, are forgotten, and none is lost.

use std::sync::Arc;

use coppice_core::{Epoch, StreamKey};
use coppice_persistence::{MessageRef, Store, Tried};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::*;

/// The same messages under the first epoch.
pub(crate) fn tried(messages: &[MessageRef]) -> Vec<Tried> {
    under(Epoch(1), messages)
}

fn under(epoch: Epoch, messages: &[MessageRef]) -> Vec<Tried> {
    messages.iter().map(|message| Tried { message: *message, epoch }).collect()
}

pub(crate) fn message(of: &StreamKey, number: u128) -> MessageRef {
    MessageRef { stream: of.stream(), message: Uuid::from_u128(number) }
}

fn messages(id: &str, count: u128) -> Vec<MessageRef> {
    (0..count).map(|number| message(&key(id), number)).collect()
}

async fn count(store: &dyn Store, messages: &[MessageRef]) -> Vec<u32> {
    store.count_attempts(&tried(messages), NOW).await.unwrap()
}

/// By one with each call, each message by itself; the answers come in the order asked.
pub(crate) async fn a_count_goes_up_by_one(store: Arc<dyn Store>) {
    let [a, b] = [message(&key("x"), 1), message(&key("x"), 2)];
    let other = message(&key("y"), 1);
    assert_eq!(count(&*store, &[]).await, [0; 0]);
    assert_eq!(count(&*store, &[b]).await, [1]);
    assert_eq!(count(&*store, &[a, b]).await, [1, 2]);
    assert_eq!(count(&*store, &[b, other, a]).await, [3, 1, 2]);
}

/// A message that stands several times in a call is counted as often, and has its last count
/// everywhere.
pub(crate) async fn a_message_twice_in_one_call_is_counted_twice(store: Arc<dyn Store>) {
    let [a, b] = [message(&key("x"), 1), message(&key("x"), 2)];
    assert_eq!(count(&*store, &[a, b, a]).await, [2, 1, 2]);
    assert_eq!(count(&*store, &[b, b, a, b]).await, [4, 4, 3, 4]);
}

/// More than one statement takes.
pub(crate) async fn a_thousand_messages_are_counted_in_one_call(store: Arc<dyn Store>) {
    let many: Vec<_> = messages("x", 1_000).into_iter().rev().collect();
    assert_eq!(count(&*store, &many).await, [1; 1_000]);
    assert_eq!(count(&*store, &many[..300]).await, [2; 300]);
    let expected: Vec<_> = [3; 300].into_iter().chain([2; 700]).collect();
    assert_eq!(count(&*store, &many).await, expected);
    store.drop_attempts(&tried(&many[100..])).await.unwrap();
    let expected: Vec<_> = [4; 100].into_iter().chain([1; 900]).collect();
    assert_eq!(count(&*store, &many).await, expected);
}

/// What is forgotten begins at one again; what has no count is passed over.
pub(crate) async fn a_dropped_count_begins_anew(store: Arc<dyn Store>) {
    let [a, b] = [message(&key("x"), 1), message(&key("x"), 2)];
    let other = message(&key("y"), 1);
    count(&*store, &[a, b, other, a]).await;
    store.drop_attempts(&tried(&[])).await.unwrap();
    store.drop_attempts(&tried(&[message(&key("x"), 9), a, a])).await.unwrap();
    store.drop_attempts(&tried(&[a])).await.unwrap();
    assert_eq!(count(&*store, &[a, b, other]).await, [1, 2, 2]);
}

/// Those last tried before a time are forgotten, no more at once than asked for.
pub(crate) async fn stale_counts_are_dropped_by_age(store: Arc<dyn Store>) {
    let all = messages("x", 6);
    for (message, time) in all.iter().zip([10, 20, 30, 40, 50, 60]) {
        store.count_attempts(&tried(&[*message]), at(time)).await.unwrap();
    }
    // The first is tried again, and is young by that.
    store.count_attempts(&tried(&all[..1]), at(60)).await.unwrap();
    assert_eq!(store.drop_stale_attempts(at(20), 9).await.unwrap(), 0);
    assert_eq!(store.drop_stale_attempts(at(50), 0).await.unwrap(), 0);
    assert_eq!(store.drop_stale_attempts(at(50), 2).await.unwrap(), 2);
    assert_eq!(store.drop_stale_attempts(at(50), 9).await.unwrap(), 1);
    assert_eq!(store.drop_stale_attempts(at(50), 9).await.unwrap(), 0);
    assert_eq!(count(&*store, &all).await, [3, 1, 1, 1, 2, 2]);
}

/// Messages of an entity that owes an effect or waits for a timer stay, however old; once it does
/// neither, they go.
pub(crate) async fn stale_counts_of_owing_and_waiting_entities_stay(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let [owing, waiting, idle] = ["owing", "waiting", "idle"].map(key);
    let drafts = [
        pen.begin(&owing).event("1").owes(true),
        pen.begin(&waiting).event("1").wakes(Some(at(i64::MAX))),
        pen.begin(&idle).event("1"),
    ];
    for draft in &drafts {
        commit(&*store, &[draft.clone().unit()]).await;
    }
    let unknown = key("unknown");
    let all = [&owing, &waiting, &idle, &unknown].map(|key| message(key, 1));
    store.count_attempts(&tried(&all), at(0)).await.unwrap();
    assert_eq!(store.drop_stale_attempts(NOW, 9).await.unwrap(), 2);
    assert_eq!(store.drop_stale_attempts(NOW, 9).await.unwrap(), 0);
    assert_eq!(store.count_attempts(&tried(&all), at(0)).await.unwrap(), [2, 2, 1, 1]);
    for (draft, key) in drafts.iter().zip([&owing, &waiting]) {
        commit(&*store, &[pen.at(key, draft.head()).event("2").unit()]).await;
    }
    assert_eq!(store.drop_stale_attempts(NOW, 3).await.unwrap(), 3);
    assert_eq!(store.drop_stale_attempts(NOW, 3).await.unwrap(), 1);
}

/// Many callers count the same messages in other orders: nobody waits for ever, and every try
/// counts.
pub(crate) async fn competing_counters_lose_no_count(store: Arc<dyn Store>) {
    const CALLERS: u32 = 8;
    const ROUNDS: u32 = 15;
    let forth = messages("x", 100);
    let back: Vec<_> = forth.iter().rev().copied().collect();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&store);
        let order = if caller % 2 == 0 { forth.clone() } else { back.clone() };
        callers.spawn(async move {
            let mut last = 0;
            for _ in 0..ROUNDS {
                let counts = count(&*store, &order).await;
                assert!(counts.iter().all(|count| *count > last), "above {last}: {counts:?}");
                last = counts.into_iter().min().unwrap();
            }
        });
    }
    callers.join_all().await;
    assert_eq!(count(&*store, &forth).await, [CALLERS * ROUNDS + 1; 100]);
}

/// A message that is counted while stale ones are dropped is no longer stale.
pub(crate) async fn a_sweep_takes_no_count_that_goes_up_meanwhile(store: Arc<dyn Store>) {
    const CALLERS: u32 = 4;
    for round in 0..40 {
        let all = messages(&format!("x{round}"), 60);
        store.count_attempts(&tried(&all), at(0)).await.unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..CALLERS {
            let (counting, sweeping, all) = (Arc::clone(&store), Arc::clone(&store), all.clone());
            calls.spawn(async move {
                count(&*counting, &all).await;
            });
            calls.spawn(async move {
                sweeping.drop_stale_attempts(NOW, usize::MAX).await.unwrap();
            });
        }
        calls.join_all().await;
        for found in count(&*store, &all).await {
            assert!((CALLERS + 1..=CALLERS + 2).contains(&found), "round {round}: {found}");
        }
    }
}

/// However often and late it says that it is done: what was tried since stays counted.
pub(crate) async fn a_former_owner_takes_no_count_of_its_successor_away(store: Arc<dyn Store>) {
    let all = [message(&key("a"), 1), message(&key("a"), 2), message(&key("b"), 1)];
    let [former, latter] = [Epoch(1), Epoch(2)].map(|epoch| under(epoch, &all));
    store.count_attempts(&former, NOW).await.unwrap();
    store.drop_attempts(&former).await.unwrap();
    store.count_attempts(&latter[..2], NOW).await.unwrap();
    // The first drop again, whose answer was lost.
    store.drop_attempts(&former).await.unwrap();
    assert_eq!(store.count_attempts(&latter, NOW).await.unwrap(), [2, 2, 1]);
    // A former owner that tries once more doesn't make it its own by that.
    assert_eq!(store.count_attempts(&former[..1], NOW).await.unwrap(), [3]);
    store.drop_attempts(&former).await.unwrap();
    assert_eq!(store.count_attempts(&latter, NOW).await.unwrap(), [4, 3, 2]);
    // A later owner takes away whatever was counted before it.
    store.drop_attempts(&under(Epoch(3), &all)).await.unwrap();
    assert_eq!(store.count_attempts(&former, NOW).await.unwrap(), [1, 1, 1]);
}
