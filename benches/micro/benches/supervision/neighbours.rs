//! What a thousand poisoned entities leave of a neighbour's latency.

use std::time::Duration;

use coppice_bench::{Row, Size, print_ratio};
use coppice_persistence::SqliteOptions;
use coppice_runtime::{Failure, Registry, RuntimeOptions, task};
use tokio::task::JoinHandle;

use crate::residents::{fill, late_add};
use crate::{ask, node, sqlite};

const POISONERS: usize = 16;
const AMONG: usize = 100;
/// Visits to each: `entity_crashes_max` and one that hears of it.
const VISITS: usize = 11;
const PACE: Duration = Duration::from_millis(2);

/// What a thousand other entities are asked.
#[derive(Clone, Copy)]
enum Visit {
    /// What crashes them, until each is out of service.
    Poison,
    /// An add, as often: what a neighbour notices of any traffic.
    Add,
}

/// `add` alone, while entities of another kind crash until each is out of service, and while as many
/// are asked as often and are well. Their callers pace themselves: what is measured is the crashes
/// and not a machine without a free moment.
pub(crate) async fn neighbours(size: Size) {
    let (poisoned, adds) = (size.operations(1_000), size.operations(2_000));
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(directory.path(), SqliteOptions::default()).await;
    let node = node(store, RuntimeOptions::default()).await;
    let registry = node.registry();
    std::panic::set_hook(Box::new(|_| {}));
    fill(&registry, "few", AMONG).await;
    let row = |what: &str| Row::new(&format!("add {what}"), "us");
    let mut alone = [row("alone, p50"), row("alone, p99")];
    let mut beside = [row("beside poisoned entities, p50"), row("beside poisoned entities, p99")];
    let mut busy = [row("beside healthy entities, p50"), row("beside healthy entities, p99")];
    for run in 0..size.runs() {
        late_add(&registry, "few", AMONG, adds, &mut alone).await;
        for (visit, figures) in [(Visit::Poison, &mut beside), (Visit::Add, &mut busy)] {
            let visitors = visitors(&registry, visit, run, poisoned);
            late_add(&registry, "few", AMONG, adds, figures).await;
            for visitor in visitors {
                visitor.await.unwrap();
            }
        }
    }
    drop(std::panic::take_hook());
    for ((alone, beside), busy) in alone.iter().zip(&beside).zip(&busy) {
        alone.print();
        beside.print();
        print_ratio("  of alone", beside, alone);
        busy.print();
        print_ratio("  of alone", busy, alone);
        print_ratio("  poisoned of healthy", beside, busy);
    }
    node.shutdown(Duration::from_secs(5)).await;
}

/// Callers that visit so many entities of a run, each as often as it takes to poison one.
fn visitors(registry: &Registry, visit: Visit, run: usize, entities: usize) -> Vec<JoinHandle<()>> {
    let visitor = |visitor: usize| {
        let registry = registry.clone();
        task::spawn(async move {
            let mut pace = tokio::time::interval(PACE);
            for number in (visitor..entities).step_by(POISONERS) {
                let id = format!("n{run}-{number}");
                let mut told = Err(Failure::Crashed);
                for _ in 0..VISITS {
                    pace.tick().await;
                    told = match visit {
                        Visit::Poison => {
                            ask(&registry, "brittle", id.clone(), "crash", b"{}").await
                        }
                        Visit::Add => {
                            ask(&registry, "counter", id.clone(), "add", b"{\"n\":1}").await
                        }
                    };
                }
                match visit {
                    Visit::Poison => assert_eq!(told, Err(Failure::EntityQuarantined)),
                    Visit::Add => assert!(told.is_ok(), "{told:?}"),
                }
            }
        })
    };
    (0..POISONERS).map(visitor).collect()
}
