//! What it costs that everything grows back: a crash until the next answer, a spawn beside plain
//! ractor, kameo and a tokio task, what a thousand poisoned entities leave of a neighbour's latency,
//! and the memory of entities that run and hibernate, with the latency of `add` beside it.
//!
//! `RESIDENTS=1000000` sets how many entities the last part keeps (100,000 if unset).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step ends the run")]

#[path = "supervision/brittle.rs"]
mod brittle;
#[path = "supervision/neighbours.rs"]
mod neighbours;
#[path = "supervision/residents.rs"]
mod residents;
#[path = "supervision/spawns.rs"]
mod spawns;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use coppice_bench::{Row, Size};
use coppice_core::{CommandId, CorrelationId, EntityId, Epoch, ShardId, TenantId};
use coppice_domain::example::Counter;
use coppice_persistence::{ClaimOutcome, ShardClaim, SqlStore, SqliteOptions, Store};
use coppice_runtime::{
    Answer, ExclusiveLease, Failure, Node, NodeBuilder, Registry, Request, RuntimeOptions,
    SystemClock,
};
use uuid::Uuid;

use brittle::Brittle;

const SHARDS: u16 = 64;
/// Names the part that a process is started for.
const PART: &str = "COPPICE_BENCH_PART";

async fn claim(store: &dyn Store) -> BTreeMap<ShardId, Epoch> {
    let owner = "bench".to_owned();
    let claim = ShardClaim { owner, count: SHARDS, duration: None, succeed_own: true };
    match store.claim(&claim).await.unwrap() {
        ClaimOutcome::Granted(epochs) => epochs,
        ClaimOutcome::Held { owner, .. } => panic!("the shards are held by {owner}"),
    }
}

async fn sqlite(directory: &Path, options: SqliteOptions) -> Arc<dyn Store> {
    Arc::new(SqlStore::open_sqlite(directory, options).await.unwrap())
}

async fn node(store: Arc<dyn Store>, options: RuntimeOptions) -> Node {
    let lease = Arc::new(ExclusiveLease::new(claim(store.as_ref()).await));
    let builder = NodeBuilder::new(store, lease, Arc::new(SystemClock), options);
    builder.kind::<Counter>().kind::<Brittle>().start().await.unwrap()
}

async fn ask(
    registry: &Registry,
    kind: &str,
    id: String,
    command: &str,
    body: &'static [u8],
) -> Result<Answer, Failure> {
    let request = Request {
        tenant: TenantId::new("bench").unwrap(),
        id: EntityId::new(&id).unwrap(),
        command: command.to_owned(),
        body: Bytes::from_static(body),
        command_id: CommandId(Uuid::now_v7()),
        keyed: false,
        correlation: CorrelationId(Uuid::now_v7()),
        trace: None,
        sender: None,
        expected: None,
        begins: false,
        deadline: tokio::time::Instant::now() + Duration::from_secs(30),
    };
    registry.ask(kind, request).await
}

fn percentile(sorted: &[Duration], per_mille: usize) -> Duration {
    sorted[(sorted.len() * per_mille / 1_000).min(sorted.len() - 1)]
}

/// From the moment that the crash was answered to the next answer: a new life, no event to replay.
async fn crashes(size: Size) {
    let directory = tempfile::tempdir().unwrap();
    let node =
        node(sqlite(directory.path(), SqliteOptions::default()).await, RuntimeOptions::default())
            .await;
    let registry = node.registry();
    // What the panics print is not what is measured.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut middle, mut late) =
        (Row::new("crash to next answer, p50", "us"), Row::new("crash to next answer, p99", "us"));
    for run in 0..size.runs() {
        let mut took = Vec::new();
        for number in 0..size.operations(2_000) {
            let id = format!("b{run}-{number}");
            ask(&registry, "brittle", id.clone(), "touch", b"{}").await.unwrap();
            let crashed = ask(&registry, "brittle", id.clone(), "crash", b"{}").await;
            assert_eq!(crashed, Err(Failure::Crashed));
            let started = Instant::now();
            ask(&registry, "brittle", id, "touch", b"{}").await.unwrap();
            took.push(started.elapsed());
        }
        took.sort();
        middle.micros(percentile(&took, 500));
        late.micros(percentile(&took, 990));
    }
    drop(std::panic::take_hook());
    middle.print();
    late.print();
    node.shutdown(Duration::from_secs(5)).await;
}

/// What an earlier part left with the allocator would count for the next.
const PARTS: [&str; 3] = ["running", "sqlite", "memory"];

fn in_a_process_of_its_own(part: &str) {
    let mut program = Command::new(std::env::current_exe().unwrap());
    let status = program.args(std::env::args().skip(1)).env(PART, part).status().unwrap();
    assert!(status.success(), "{part}: {status}");
}

#[tokio::main]
async fn main() {
    let size = Size::from_arguments();
    if let Ok(part) = std::env::var(PART) {
        return residents::residents(&part, size).await;
    }
    crashes(size).await;
    spawns::spawns(size).await;
    neighbours::neighbours(size).await;
    PARTS.iter().for_each(|part| in_a_process_of_its_own(part));
}
