//! The memory of entities in memory, and what an `add` takes among few and among many.
//!
//! The latency is measured on SQLite and on the store in memory. What the second shows is the
//! runtime's; the rest of the first is the database's, whose pages are cold where entities are many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use coppice_bench::{Row, Size, print_ratio};
use coppice_persistence::{SqliteOptions, Store};
use coppice_runtime::{Node, Registry, RuntimeOptions, SystemClock, task};
use coppice_testkit::MemoryStore;

use crate::{ask, node, percentile, sqlite};

const CALLERS: usize = 256;
/// Runs of a row, in turns with the other's.
const RUNS: usize = 5;
const NEVER: Duration = Duration::from_secs(86_400);

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let resident: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    resident * 4_096
}

/// Adds once to each of so many counters.
pub(crate) async fn fill(registry: &Registry, prefix: &'static str, count: usize) {
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

/// What `add` takes by one caller, on counters spread over all: p50 and p99.
pub(crate) async fn late_add(
    registry: &Registry,
    prefix: &str,
    among: usize,
    adds: usize,
    [middle, late]: &mut [Row; 2],
) {
    let mut took = Vec::with_capacity(adds);
    for number in 0..adds {
        // A stride that meets each of them in turn, far from the one before.
        let id = format!("{prefix}{}", number.wrapping_mul(7_919) % among);
        let started = Instant::now();
        ask(registry, "counter", id, "add", b"{\"n\":1}").await.unwrap();
        took.push(started.elapsed());
    }
    took.sort();
    middle.micros(percentile(&took, 500));
    late.micros(percentile(&took, 990));
}

#[expect(clippy::cast_precision_loss, reason = "a figure to read, not to reckon with")]
fn per_entity(before: usize, count: usize) -> f64 {
    resident_bytes().saturating_sub(before) as f64 / count as f64
}

async fn roomy(store: Arc<dyn Store>, hibernate_after: Duration) -> Node {
    let options = RuntimeOptions {
        hibernate_after,
        passivate_after: NEVER,
        residents_max: 10_000_000,
        resident_bytes_max: usize::MAX,
        ..RuntimeOptions::default()
    };
    node(store, options).await
}

/// Entities whose cells stay. The database's cache is small here: it fills as entities are made, and
/// would count as theirs.
#[expect(clippy::print_stdout, reason = "a benchmark's purpose")]
async fn running(size: Size) {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { cache_kib: 1_024, ..SqliteOptions::default() };
    let node = roomy(sqlite(directory.path(), options).await, NEVER).await;
    let registry = node.registry();
    fill(&registry, "few", size.operations(1_000)).await;
    let (count, before) = (size.operations(50_000), resident_bytes());
    fill(&registry, "many", count).await;
    println!("running: {:.0} bytes each of {count}", per_entity(before, count));
    node.shutdown(Duration::from_secs(30)).await;
}

/// Entities that hibernate as soon as they may, so that few cells live at once: an allocator keeps
/// what it once gave out, and here that must not count.
#[expect(clippy::print_stdout, reason = "a benchmark's purpose")]
async fn hibernated(name: &str, store: Arc<dyn Store>, count: usize, adds: usize) {
    let node = roomy(store, Duration::from_secs(1)).await;
    let registry = node.registry();
    let among = count.min(1_000);
    fill(&registry, "few", among).await;
    let before = resident_bytes();
    fill(&registry, "many", count).await;
    let residents = || registry.census()[1];
    while residents().hibernated_total < count as u64 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!(
        "{name}: hibernated: {:.0} bytes each ({} resident)",
        per_entity(before, count),
        residents().residents
    );
    let row =
        |what: &str, among: usize| Row::new(&format!("{name}: add among {among}, {what}"), "us");
    let mut few = [row("p50", among), row("p99", among)];
    let mut many = [row("p50", count), row("p99", count)];
    // In turns, for the database and its disk have better and worse minutes.
    for _ in 0..RUNS {
        late_add(&registry, "few", among, adds, &mut few).await;
        late_add(&registry, "many", count, adds, &mut many).await;
    }
    for (few, many) in few.iter().zip(&many) {
        few.print();
        many.print();
        print_ratio("  many against few", many, few);
    }
    node.shutdown(Duration::from_secs(30)).await;
}

/// One of the parts, each of which has a process of its own.
pub(crate) async fn residents(part: &str, size: Size) {
    let wanted = std::env::var("RESIDENTS").map_or(100_000, |text| text.parse().unwrap());
    let (count, adds) = (size.operations(wanted), size.operations(5_000));
    match part {
        "running" => running(size).await,
        "sqlite" => {
            let directory = tempfile::tempdir().unwrap();
            let store = sqlite(directory.path(), SqliteOptions::default()).await;
            hibernated(part, store, count, adds).await;
        }
        _ => hibernated(part, Arc::new(MemoryStore::new(Arc::new(SystemClock))), count, adds).await,
    }
}
