//! Nodes on a store in memory, and short ways to ask for linked commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use coppice_core::Position;
use coppice_persistence::Journal;
use coppice_runtime::{Answer, Failure, Node, Request, RuntimeOptions};
use coppice_testkit::{MemoryStore, VirtualClock, read_whole_journal};
use coppice_tests::node::{Caller, add};
use coppice_tests::running::{command, run};
use coppice_tests::vault::TestVault;

/// What a linked command came to: its sequence, or why not.
pub(crate) type Outcomes = Vec<Result<u64, Failure>>;

pub(crate) async fn node(store: &MemoryStore, options: RuntimeOptions) -> (Node, Caller) {
    let clock = Arc::new(VirtualClock::default());
    let vault = Arc::new(TestVault::default());
    run(Arc::new(store.clone()), clock, options, Some(vault)).await
}

pub(crate) async fn fresh() -> (MemoryStore, Node, Caller) {
    let store = MemoryStore::default();
    let (node, caller) = node(&store, RuntimeOptions::default()).await;
    (store, node, caller)
}

/// Adds linked with each other: counter, number, key.
pub(crate) fn adds<'a>(parts: &[(&str, i64, Option<&str>)]) -> Vec<(&'a str, Request)> {
    parts.iter().map(|(counter, n, key)| ("counter", add(counter, *n, *key))).collect()
}

/// A command to the profile, without arguments.
pub(crate) fn profile<'a>(name: &str) -> (&'a str, Request) {
    let body = if name == "name" { r#"{"subject":"sub_ada","name":"Ada"}"# } else { "{}" };
    ("profile", command("p", name, body, None))
}

pub(crate) fn outcomes(answers: Vec<Result<Answer, Failure>>) -> Outcomes {
    answers.into_iter().map(|answer| answer.map(|answer| answer.sequence.0)).collect()
}

pub(crate) async fn linked(caller: &Caller, parts: Vec<(&str, Request)>) -> Outcomes {
    outcomes(caller.0.ask_linked(parts).await)
}

/// The sum over all counters at the end of every commit.
pub(crate) async fn totals(store: &MemoryStore) -> Vec<i64> {
    let journal = read_whole_journal(store).await.unwrap();
    let mut values: BTreeMap<String, i64> = BTreeMap::new();
    let mut totals = Vec::new();
    let mut after = Position(0);
    for batch in store.batches(0, usize::MAX).await.unwrap() {
        for event in journal.iter().filter(|at| at.position > after && at.position <= batch.last) {
            let added: serde_json::Value =
                serde_json::from_str(&event.record.body.payload).unwrap();
            *values.entry(event.key.id().as_str().to_owned()).or_default() +=
                added["n"].as_i64().unwrap();
        }
        after = batch.last;
        totals.push(values.values().sum());
    }
    totals
}
