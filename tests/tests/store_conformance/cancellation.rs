//! A caller that goes away in the middle of a call, as a dropped request does. Whatever became of
//! the call, the store goes on, and what it acknowledges afterwards stays.
//!
//! (The driver's release 0.9.0 hands a connection back whose `BEGIN` was cut off; what is then
//! written on it is acknowledged and lost.)

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coppice_core::hash::sha256;
use coppice_core::{Hash, Position, Sequence, StreamHead};
use coppice_persistence::{ApiKeyRow, DocumentChange, Progress, ShardClaim, Snapshot, Store};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::attempts::tried;
use crate::fixture::*;

/// How many calls are dropped, each a little later than the one before.
const CALLS: u32 = 60;
const LATER: Duration = Duration::from_micros(60);

/// Drops a call after a time, or lets it end before.
async fn drop_after<T>(time: Duration, call: impl Future<Output = T>) -> Option<T> {
    let begun = Instant::now();
    let over = async {
        while begun.elapsed() < time {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = call => Some(outcome),
        () = over => None,
    }
}

/// Dropped appends, each handed in again, among others that are answered.
pub(crate) async fn a_dropped_append_is_found_out_by_handing_it_in_again(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let mut events = 0;
    for call in 0..CALLS {
        let dropped = linked(["x", "y"].map(|id| {
            let key = key(&format!("{id}{call}"));
            pen.begin(&key).events(2).command(1)
        }));
        drop_after(LATER * call, store.append(std::slice::from_ref(&dropped))).await;
        let other = pen.begin(&key(&format!("other{call}"))).event("1").unit();
        commit(&*store, &[other]).await;
        commit(&*store, &[dropped]).await;
        events += 5;
        assert_eq!(journal(&*store).await.len(), events, "call {call}");
    }
}

/// A dropped call has counted once or not at all, and loses nobody else's count.
pub(crate) async fn a_dropped_count_is_counted_at_most_once(store: Arc<dyn Store>) {
    let messages: Vec<_> = (0..70).map(|n| crate::attempts::message(&key("x"), n)).collect();
    let (mut least, mut most) = (0, 0);
    for call in 0..CALLS {
        drop_after(LATER * call, store.count_attempts(&tried(&messages), NOW)).await;
        let counts = store.count_attempts(&tried(&messages), NOW).await.unwrap();
        (least, most) = (least + 1, most + 2);
        assert!(counts.iter().all(|count| (least..=most).contains(count)), "{call}: {counts:?}");
        least = counts.into_iter().min().unwrap_or(0);
    }
}

/// Dropped steps of a subscription: the offset tells whether they were taken.
pub(crate) async fn a_dropped_step_is_taken_whole_or_not_at_all(store: Arc<dyn Store>) {
    let mut offset = 0;
    for call in 0..CALLS {
        let changes = ["p", "q"].map(|id| DocumentChange {
            model: "m".into(),
            tenant: tenant("t"),
            id: id.into(),
            body: Some(call.to_string().into()),
        });
        let step = Progress {
            from: Position(offset),
            to: Position(offset + 1),
            changes: changes.into(),
            ..Progress::default()
        };
        drop_after(LATER * call, store.advance("s", &step)).await;
        // Taken already, or taken now; never taken twice.
        let taken_now = store.advance("s", &step).await.unwrap();
        offset += 1;
        assert_eq!(store.offset("s").await.unwrap(), Position(offset), "taken now: {taken_now}");
        let body = Some(call.to_string());
        for id in ["p", "q"] {
            assert_eq!(store.document("m", &tenant("t"), id).await.unwrap(), body);
        }
    }
}

/// Dropped claims: epochs only grow, and whoever is granted them can write.
pub(crate) async fn a_dropped_claim_leaves_the_shards_claimable(store: Arc<dyn Store>) {
    let wish =
        ShardClaim { owner: "a".to_owned(), count: SHARDS, duration: None, succeed_own: true };
    let mut last = None;
    for call in 0..CALLS {
        drop_after(LATER * call, store.claim(&wish)).await;
        let pen = claim(&*store, "a").await;
        let epoch = pen.epochs.values().next().copied();
        assert!(epoch > last, "{epoch:?} after {last:?}");
        last = epoch;
        commit(&*store, &[pen.begin(&key(&format!("c{call}"))).event("1").unit()]).await;
        assert_eq!(journal(&*store).await.len(), 1 + usize::try_from(call).unwrap());
    }
}

/// What is written by a single statement after dropped calls of every kind that begins a
/// transaction. Read by many at once, so that more than the connection which wrote it is asked.
pub(crate) async fn what_is_acknowledged_after_dropped_calls_stays(store: Arc<dyn Store>) {
    let succeed =
        ShardClaim { owner: "a".to_owned(), count: SHARDS, duration: None, succeed_own: true };
    for call in 0..CALLS {
        let number = u64::from(call) + 1;
        let step = Progress { to: Position(number), ..Progress::default() };
        let name = format!("s{call}");
        let time = LATER * call;
        drop_after(time, store.advance(&name, &step)).await;
        drop_after(time, store.claim(&succeed)).await;
        drop_after(time, store.add_tenant(&tenant("t"), "T", &api_key(number.into()))).await;
        let snapshot = snapshot(number);
        store.save_snapshots(std::slice::from_ref(&snapshot)).await.unwrap();
        let mut readers = JoinSet::new();
        for _ in 0..8 {
            let store = Arc::clone(&store);
            readers.spawn(async move { store.snapshot(&key("c")).await.unwrap() });
        }
        for read in readers.join_all().await {
            let sequence = read.map(|snapshot| snapshot.head.sequence);
            assert_eq!(sequence, Some(snapshot.head.sequence), "call {call}");
        }
    }
}

fn snapshot(sequence: u64) -> Snapshot {
    Snapshot {
        key: key("c"),
        head: StreamHead { sequence: Sequence(sequence), hash: Hash::ZERO },
        layout: 1,
        digest: Hash::ZERO,
        state: Vec::new(),
        taken_at: NOW,
    }
}

fn api_key(number: u128) -> ApiKeyRow {
    let (prefix, hash) = ("abcdefgh".to_owned(), sha256(&number.to_be_bytes()));
    ApiKeyRow::new(Uuid::from_u128(number), tenant("t"), prefix, hash, String::new(), NOW)
}
