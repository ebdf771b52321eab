//! Durable `add` in process, on SQLite and PostgreSQL, beside the same rows and indexes written in
//! the same batch sizes without actors.
//!
//! PostgreSQL is the one that `COPPICE_TEST_POSTGRES_URL` names; run under `scripts/postgres run`.
//! `pgbench` comes last and on the same server: TPC-B of 8 clients at scale 10 stands for what a
//! program makes of it that commits each transaction by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step ends the run")]

#[path = "durable/pgbench.rs"]
mod pgbench;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use coppice_bench::{Row, Size, print_ratio};
use coppice_core::envelope::EventBody;
use coppice_core::{
    CommandId, CorrelationId, EntityId, EntityKind, EventRecord, ShardId, StreamHead, StreamKey,
    TenantId, Timestamp,
};
use coppice_domain::example::Counter;
use coppice_persistence::{
    ClaimOutcome, PostgresOptions, ShardClaim, SqlStore, SqliteOptions, Store, StreamAppend, Unit,
};
use coppice_runtime::{
    ExclusiveLease, NodeBuilder, Registry, Request, RuntimeOptions, SystemClock, task,
};
use uuid::Uuid;

const KEYS: usize = 1_000;
const SHARDS: u16 = 64;

async fn claim(store: &dyn Store) -> std::collections::BTreeMap<ShardId, coppice_core::Epoch> {
    let claim =
        ShardClaim { owner: "bench".to_owned(), count: SHARDS, duration: None, succeed_own: true };
    match store.claim(&claim).await.unwrap() {
        ClaimOutcome::Granted(epochs) => epochs,
        ClaimOutcome::Held { owner, .. } => panic!("the shards are held by {owner}"),
    }
}

fn request(tenant: &TenantId, key: usize) -> Request {
    Request {
        tenant: tenant.clone(),
        id: EntityId::new(&format!("c{key}")).unwrap(),
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
    }
}

async fn drive(registry: &Registry, callers: usize, count: usize, keys: usize) -> Duration {
    let tenant = TenantId::new("bench").unwrap();
    let started = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let (registry, tenant) = (registry.clone(), tenant.clone());
            let each = count / callers;
            task::spawn(async move {
                for turn in 0..each {
                    let key = (caller * 7_919 + turn * 104_729) % keys;
                    registry.ask("counter", request(&tenant, key)).await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    started.elapsed()
}

/// With actors: the rate, and how many tickets a commit held on average.
async fn with_actors(
    store: Arc<dyn Store>,
    row: &mut Row,
    callers: usize,
    count: usize,
    keys: usize,
) -> usize {
    let lease = Arc::new(ExclusiveLease::new(claim(store.as_ref()).await));
    let options = RuntimeOptions::default();
    let builder = NodeBuilder::new(store, lease, Arc::new(SystemClock), options);
    let node = builder.kind::<Counter>().start().await.unwrap();
    drive(&node.registry(), callers, keys.max(callers), keys).await;
    let writer = node.writer();
    let counters = || {
        let counters = writer.counters();
        (counters.committed.load(Ordering::Relaxed), counters.batches.load(Ordering::Relaxed))
    };
    let before = counters();
    row.rate(count, drive(&node.registry(), callers, count, keys).await);
    let after = counters();
    node.shutdown(Duration::from_secs(5)).await;
    usize::try_from((after.0 - before.0) / (after.1 - before.1).max(1)).unwrap_or(1).max(1)
}

/// Without actors: the same rows from one loop, in batches of a size.
async fn bare(store: Arc<dyn Store>, row: &mut Row, batch: usize, count: usize) {
    let epochs = claim(store.as_ref()).await;
    let tenant = TenantId::new("bare").unwrap();
    let kind = EntityKind::new("counter").unwrap();
    let mut heads: Vec<(StreamKey, StreamHead)> = (0..KEYS)
        .map(|key| {
            let id = EntityId::new(&format!("b{key}-{}", Uuid::now_v7())).unwrap();
            let key = StreamKey::new(tenant.clone(), kind.clone(), id);
            (key.clone(), StreamHead::genesis(&key))
        })
        .collect();
    let batches = count / batch;
    let mut started = Instant::now();
    for number in 0..batches + KEYS / batch {
        if number == KEYS / batch {
            // Every stream exists now, as in the run with actors.
            started = Instant::now();
        }
        let units: Vec<Unit> = (0..batch)
            .map(|index| {
                let place = (number * batch + index) % KEYS;
                let (key, head) = &mut heads[place];
                let shard = key.shard(SHARDS);
                let event = EventRecord::chain(*head, body());
                let append = StreamAppend {
                    key: key.clone(),
                    shard,
                    epoch: epochs[&shard],
                    expected: *head,
                    events: vec![event.clone()],
                    commands: Vec::new(),
                    wake_at: None,
                    owes: false,
                    waits_as_before: false,
                };
                *head = event.head();
                Unit { appends: vec![append] }
            })
            .collect();
        store.append(&units).await.unwrap();
    }
    row.rate(batches * batch, started.elapsed());
}

fn body() -> EventBody {
    EventBody {
        event_type: "counter.added.v1".into(),
        payload: "{\"n\":1}".into(),
        recorded_at: Timestamp::from_micros(1),
        causation: CommandId(Uuid::now_v7()),
        correlation: CorrelationId(Uuid::now_v7()),
        workflow: None,
        policy_bundle: None,
        subject: None,
        key_id: None,
    }
}

async fn sqlite(directory: &Path) -> Arc<dyn Store> {
    Arc::new(SqlStore::open_sqlite(directory, SqliteOptions::default()).await.unwrap())
}

/// Gives the row of 1,000 keys at 64 callers.
async fn suite(name: &str, size: Size, store: &Arc<dyn Store>) -> Row {
    let mut rows: Vec<Row> =
        [(64, "1,000 keys at 64"), (256, "1,000 keys at 256"), (64, "one hot key at 64")]
            .iter()
            .map(|(_, what)| Row::new(&format!("{name}: add in process, {what}"), "/s"))
            .collect();
    let mut bare_rows: Vec<Row> =
        (0..3).map(|_| Row::new(&format!("{name}: same batches without actors"), "/s")).collect();
    for _ in 0..size.runs() {
        for (index, (callers, keys)) in [(64, KEYS), (256, KEYS), (64, 1)].into_iter().enumerate() {
            let count = size.operations(60_000).max(callers);
            let batch =
                with_actors(Arc::clone(store), &mut rows[index], callers, count, keys).await;
            bare(Arc::clone(store), &mut bare_rows[index], batch.min(KEYS), count.max(batch)).await;
        }
    }
    for (row, bare) in rows.iter().zip(&bare_rows) {
        row.print();
        bare.print();
        print_ratio("  of the bare append", row, bare);
    }
    rows.swap_remove(0)
}

#[tokio::main]
async fn main() {
    let size = Size::from_arguments();
    let directory = tempfile::tempdir().unwrap();
    drop(suite("sqlite", size, &sqlite(directory.path()).await).await);
    let url = std::env::var("COPPICE_TEST_POSTGRES_URL")
        .expect("COPPICE_TEST_POSTGRES_URL is set by `scripts/postgres run`");
    let store = SqlStore::open_postgres(&url, PostgresOptions::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let ours = suite("postgresql", size, &store).await;
    let pgbench = pgbench::transactions(&url, size);
    pgbench.print();
    print_ratio("  our 1,000 keys at 64, of it", &ours, &pgbench);
}
