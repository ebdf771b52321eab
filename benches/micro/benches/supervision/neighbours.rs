//! What a thousand poisoned entities leave of a neighbour's latency.

use std::time::Duration;

use coppice_bench::{Row, Size, print_ratio};
use coppice_persistence::SqliteOptions;
use coppice_runtime::{Failure, RuntimeOptions, task};

use crate::residents::{fill, late_add};
use crate::{ask, node, sqlite};

const POISONERS: usize = 16;
const AMONG: usize = 100;
const PACE: Duration = Duration::from_millis(2);

/// `add` alone, and while entities of another kind crash until each is out of service. Their
/// callers pace themselves: what is measured is the crashes and not a machine without a free moment.
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
    for run in 0..size.runs() {
        late_add(&registry, "few", AMONG, adds, &mut alone).await;
        let poisoners: Vec<_> = (0..POISONERS)
            .map(|poisoner| {
                let registry = registry.clone();
                task::spawn(async move {
                    let mut pace = tokio::time::interval(PACE);
                    for number in (poisoner..poisoned).step_by(POISONERS) {
                        let id = format!("n{run}-{number}");
                        let mut told = Err(Failure::Crashed);
                        while told == Err(Failure::Crashed) {
                            pace.tick().await;
                            told = ask(&registry, "brittle", id.clone(), "crash", b"{}").await;
                        }
                        assert_eq!(told, Err(Failure::EntityQuarantined));
                    }
                })
            })
            .collect();
        late_add(&registry, "few", AMONG, adds, &mut beside).await;
        for poisoner in poisoners {
            poisoner.await.unwrap();
        }
    }
    drop(std::panic::take_hook());
    for (alone, beside) in alone.iter().zip(&beside) {
        alone.print();
        beside.print();
        print_ratio("  of alone", beside, alone);
    }
    node.shutdown(Duration::from_secs(5)).await;
}
