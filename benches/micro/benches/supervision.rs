//! What it costs that everything grows back: a crash until the next answer, a spawn beside plain
//! ractor, and the memory of entities that run and hibernate, with the latency of `add` beside it.
//!
//! `RESIDENTS=1000000` sets how many entities the last part keeps (100,000 if unset).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step ends the run")]

#[path = "supervision/brittle.rs"]
mod brittle;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use coppice_bench::{Row, Size, print_ratio};
use coppice_core::{CommandId, CorrelationId, EntityId, Epoch, ShardId, TenantId};
use coppice_domain::example::Counter;
use coppice_persistence::{ClaimOutcome, ShardClaim, SqlStore, SqliteOptions, Store};
use coppice_runtime::cell::{self, Turn, Worker};
use coppice_runtime::{
    Answer, ExclusiveLease, Failure, Node, NodeBuilder, Registry, Request, RuntimeOptions,
    SystemClock, task,
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use uuid::Uuid;

use brittle::Brittle;

const SHARDS: u16 = 64;
const CALLERS: usize = 256;

async fn claim(store: &dyn Store) -> BTreeMap<ShardId, Epoch> {
    let owner = "bench".to_owned();
    let claim = ShardClaim { owner, count: SHARDS, duration: None, succeed_own: true };
    match store.claim(&claim).await.unwrap() {
        ClaimOutcome::Granted(epochs) => epochs,
        ClaimOutcome::Held { owner, .. } => panic!("the shards are held by {owner}"),
    }
}

async fn node(directory: &std::path::Path, options: RuntimeOptions) -> Node {
    let store = SqlStore::open_sqlite(directory, SqliteOptions::default()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
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
        sender: None,
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
    let node = node(directory.path(), RuntimeOptions::default()).await;
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

struct Still;

impl Worker for Still {
    async fn turn(&mut self) -> Turn {
        Turn::Idle
    }
}

struct Plain;

impl Actor for Plain {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

async fn spawns(size: Size) {
    let count = size.operations(20_000);
    let mut ours = Row::new("spawn of a cell", "ns");
    let mut peer = Row::new("spawn of a plain ractor actor", "ns");
    for _ in 0..size.runs() {
        let started = Instant::now();
        let cells: Vec<_> = (0..count).map(|_| cell::start(Still).unwrap()).collect();
        ours.nanos(count, started.elapsed());
        cells.iter().for_each(|cell| cell.stop(None));

        let started = Instant::now();
        let mut actors = Vec::with_capacity(count);
        for _ in 0..count {
            actors.push(Actor::spawn(None, Plain, ()).await.unwrap().0);
        }
        peer.nanos(count, started.elapsed());
        actors.iter().for_each(|actor| actor.stop(None));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ours.print();
    peer.print();
    print_ratio("  of plain ractor", &ours, &peer);
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    resident * 4_096
}

/// Adds once to each of so many counters.
async fn fill(registry: &Registry, prefix: &'static str, count: usize) {
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let registry = registry.clone();
            task::spawn(async move {
                for number in (caller..count).step_by(CALLERS) {
                    let id = format!("{prefix}{number}");
                    ask(&registry, "counter", id, "add", b"{\"n\":1}").await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

/// p99 of `add` by one caller, on counters spread over all.
async fn late_add(registry: &Registry, prefix: &str, among: usize, adds: usize) -> Duration {
    let mut took = Vec::with_capacity(adds);
    for number in 0..adds {
        // A stride that meets each of them in turn, far from the one before.
        let id = format!("{prefix}{}", number.wrapping_mul(7_919) % among);
        let started = Instant::now();
        ask(registry, "counter", id, "add", b"{\"n\":1}").await.unwrap();
        took.push(started.elapsed());
    }
    took.sort();
    percentile(&took, 990)
}

#[expect(clippy::cast_precision_loss, reason = "a figure to read, not to reckon with")]
fn per_entity(before: usize, after: usize, count: usize) -> f64 {
    after.saturating_sub(before) as f64 / count as f64
}

#[expect(clippy::print_stdout, reason = "a benchmark's purpose")]
async fn residents(size: Size) {
    let wanted = std::env::var("RESIDENTS").map_or(100_000, |text| text.parse().unwrap());
    let (count, adds) = (size.operations(wanted), size.operations(2_000));
    let idle = match size {
        Size::Tiny => Duration::from_secs(1),
        Size::Full => Duration::from_secs(20),
    };
    let directory = tempfile::tempdir().unwrap();
    let options = RuntimeOptions {
        hibernate_after: idle,
        residents_max: 10_000_000,
        resident_bytes_max: usize::MAX,
        ..RuntimeOptions::default()
    };
    let node = node(directory.path(), options).await;
    let registry = node.registry();
    // The store's caches fill first, so that they don't count as the entities'.
    fill(&registry, "few", count.min(1_000)).await;
    let few = late_add(&registry, "few", count.min(1_000), adds).await;

    let before = resident_bytes();
    fill(&registry, "many", count).await;
    println!(
        "{count} entities, while they run and fall asleep: {:.0} bytes each",
        per_entity(before, resident_bytes(), count)
    );
    let residents = || registry.census()[1];
    while residents().hibernated_total < count as u64 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!(
        "hibernated: {:.0} bytes each ({} resident)",
        per_entity(before, resident_bytes(), count),
        residents().residents
    );
    let many = late_add(&registry, "many", count, adds).await;
    println!("add among {}: p99 {few:?}; among {count}: p99 {many:?}", count.min(1_000));
    node.shutdown(Duration::from_secs(30)).await;
}

#[tokio::main]
async fn main() {
    let size = Size::from_arguments();
    crashes(size).await;
    spawns(size).await;
    residents(size).await;
}
