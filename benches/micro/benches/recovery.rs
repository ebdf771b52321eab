//! Recovery of an entity with 10,000 events from a snapshot and a tail of under 500, beside a full
//! replay, on SQLite.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step ends the run")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use coppice_bench::{Row, Size, print_ratio};
use coppice_core::{CommandId, CorrelationId, EntityId, EntityKind, StreamKey, TenantId};
use coppice_domain::example::Counter;
use coppice_persistence::{ClaimOutcome, ShardClaim, Snapshots, SqlStore, SqliteOptions, Store};
use coppice_runtime::{
    ExclusiveLease, NodeBuilder, Request, RuntimeOptions, SystemClock, recovery, task,
};
use uuid::Uuid;

const CALLERS: usize = 64;

/// Adds to one counter until it has about `events` events, and waits for its snapshot.
async fn fill(store: &Arc<SqlStore>, key: &StreamKey, events: usize) {
    let shared: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
    let claim =
        ShardClaim { owner: "bench".to_owned(), count: 64, duration: None, succeed_own: true };
    let ClaimOutcome::Granted(epochs) = shared.claim(&claim).await.unwrap() else {
        panic!("the shards are held");
    };
    let lease = Arc::new(ExclusiveLease::new(epochs));
    let node = NodeBuilder::new(shared, lease, Arc::new(SystemClock), RuntimeOptions::default())
        .kind::<Counter>()
        .start()
        .await
        .unwrap();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (registry, key) = (node.registry(), key.clone());
            let each = events / CALLERS;
            task::spawn(async move {
                for _ in 0..each {
                    let request = Request {
                        tenant: key.tenant().clone(),
                        id: key.id().clone(),
                        command: "add".to_owned(),
                        body: Bytes::from_static(b"{\"n\":1}"),
                        command_id: CommandId(Uuid::now_v7()),
                        keyed: false,
                        correlation: CorrelationId(Uuid::now_v7()),
                        trace: None,
                        sender: None,
                        expected: None,
                        begins: false,
                        deadline: tokio::time::Instant::now() + Duration::from_secs(30),
                    };
                    registry.ask("counter", request).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    node.shutdown(Duration::from_secs(5)).await;
}

#[tokio::main]
async fn main() {
    let size = Size::from_arguments();
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions::default();
    let store = Arc::new(SqlStore::open_sqlite(directory.path(), options).await.unwrap());
    let key = StreamKey::new(
        TenantId::new("bench").unwrap(),
        EntityKind::new("counter").unwrap(),
        EntityId::new("long").unwrap(),
    );
    let events = match size {
        Size::Tiny => 1_024,
        Size::Full => 10_048,
    };
    fill(&store, &key, events).await;
    let taken = store.snapshot(&key).await.unwrap().expect("a snapshot was taken");
    let tail = events as u64 - taken.head.sequence.0;
    assert!(tail < 600, "the tail has {tail} events");

    let mut with_snapshot = Row::new(&format!("recovery, {events} events, tail of {tail}"), "us");
    let mut without = Row::new(&format!("recovery by full replay of {events} events"), "us");
    let page = RuntimeOptions::default().read_page;
    for _ in 0..size.runs() * 4 {
        let started = Instant::now();
        let found = recovery::recover::<Counter>(store.as_ref(), &key, None, page).await.unwrap();
        with_snapshot.micros(started.elapsed());
        assert_eq!(found.head.sequence.0, events as u64);
        assert_eq!(found.snapshot_at, taken.head.sequence);
    }
    let stale = coppice_persistence::Snapshot {
        head: coppice_core::StreamHead { hash: coppice_core::Hash::ZERO, ..taken.head },
        ..taken
    };
    store.save_snapshots(&[stale]).await.unwrap();
    for _ in 0..size.runs() {
        let started = Instant::now();
        let found = recovery::recover::<Counter>(store.as_ref(), &key, None, page).await.unwrap();
        without.micros(started.elapsed());
        assert_eq!(found.snapshot_at.0, 0);
    }
    with_snapshot.print();
    without.print();
    print_ratio("full replay against snapshot and tail", &without, &with_snapshot);
}
