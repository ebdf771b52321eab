//! The ledger as a read model, and what effects ask of the treasury.

use std::sync::Arc;

use coppice_core::{EffectId, TenantId};
use coppice_domain::treasury::Amount;
use coppice_persistence::{Store, StoreError};
use coppice_runtime::{EffectCall, EffectError, EffectHandler, Trace};
use coppice_tests::node::{PATIENCE, tenant};
use coppice_tests::running::stream_key;
use coppice_treasury::ledger::{self, LEDGER, Ledger, Rows};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::world::{Backend, Setting, World, memory, name, postgres, sqlite, wants};

struct Stored(Arc<dyn Store>);

impl Rows for Stored {
    type Error = StoreError;

    fn rows<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, StoreError>> {
        Box::pin(self.0.documents(LEDGER, tenant, after, limit))
    }
}

async fn read(world: &World, workflow: &str, cursor: &str, limit: usize) -> Ledger {
    let end = world.store.last_position().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    world.node.horizons().reached(LEDGER, end, deadline).await.unwrap();
    let rows = Stored(Arc::clone(&world.store));
    ledger::read(&rows, &tenant(), &name(workflow), cursor, limit).await.unwrap()
}

async fn a_ledger_has_both_entries_of_every_transfer_of_its_workflow(backend: Backend) {
    let world = World::fresh(&backend, &Setting::default()).await;
    world.money.fund(10_000).await;
    for workflow in ["w", "w-1", "v"] {
        world.money.budget(workflow, 5_000).await;
        let mut wanted = wants(100);
        wanted.workflow = Some(name(workflow));
        for step in 0..5 {
            let id = format!("{workflow}:{step}");
            world.money.wants(&id, &wanted).await;
            match step {
                0 | 1 => drop(world.money.post(&id, None).await),
                2 => drop(world.money.post(&id, Some(30)).await),
                3 => drop(world.money.void(&id).await),
                _ => {}
            }
        }
    }
    let whole = read(&world, "w", "", 100).await;
    let states: Vec<_> =
        whole.lines.iter().map(|(id, line)| (&id[..], line.posted.units())).collect();
    assert_eq!(states, [("w:0", 100), ("w:1", 100), ("w:2", 30), ("w:3", 0), ("w:4", 0)]);
    for (id, line) in &whole.lines {
        let entries: Vec<_> = line.entries.iter().map(|entry| entry.amount.units()).collect();
        let sum: i128 = entries.iter().sum();
        let moved = line.posted.units();
        assert_eq!((sum, entries.iter().max()), (0, (moved > 0).then_some(&moved)), "{id}");
        assert_eq!(entries.len(), if moved > 0 { 2 } else { 0 }, "{id}");
    }
    let [sums] = whole.sums.values().copied().collect::<Vec<_>>()[..] else { panic!("one asset") };
    let expected = (Amount::ZERO, Amount::of(230), Amount::of(100), 5);
    assert_eq!((sums.entries, sums.posted, sums.pending, sums.transfers), expected);
    // Page by page it is the same, with the sums of the whole on each.
    let (mut cursor, mut paged) = (String::new(), Vec::new());
    loop {
        let page = read(&world, "w", &cursor, 2).await;
        assert_eq!(page.sums, whole.sums);
        paged.extend(page.lines);
        match page.next_cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(paged, whole.lines);
    assert_eq!(read(&world, "none", "", 10).await, Ledger::default());
    world.balanced().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_has_both_entries_of_every_transfer_of_its_workflow_in_memory() {
    a_ledger_has_both_entries_of_every_transfer_of_its_workflow(memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_has_both_entries_of_every_transfer_of_its_workflow_on_sqlite() {
    a_ledger_has_both_entries_of_every_transfer_of_its_workflow(sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_has_both_entries_of_every_transfer_of_its_workflow_on_postgresql() {
    a_ledger_has_both_entries_of_every_transfer_of_its_workflow(postgres().await).await;
}

async fn effect(world: &World, request: &Value) -> Result<Value, EffectError> {
    let call = EffectCall {
        entity: stream_key("workflow", "w"),
        effect: EffectId("pay:0".into()),
        idempotency_key: Uuid::from_u128(7),
        request: request.to_string().into(),
        trace: Trace::root(Uuid::from_u128(8), false),
    };
    let response = world.money.handler.call(call).await?;
    Ok(serde_json::from_str(&response).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflows_effects_authorize_post_and_void_and_every_repeat_is_answered_the_same() {
    let world = World::fresh(&memory(), &Setting::default()).await;
    world.money.fund(1_000).await;
    world.money.budget("w", 500).await;
    let authorize = |id: &str, amount: u64| {
        json!({
            "op": "authorize", "intent_id": id, "amount": amount, "asset": "USD",
            "merchant": "acme", "category": "compute", "ttl_seconds": 60, "workflow_id": "w",
            "approved": false,
        })
    };
    for _ in 0..2 {
        let answer = effect(&world, &authorize("w:0:0", 100)).await.unwrap();
        let approved =
            json!({"decision": "approved", "reason_code": "approved", "intent_id": "w:0:0"});
        assert_eq!(answer, approved);
        let answer = effect(&world, &authorize("w:1:0", 501)).await.unwrap();
        let denied =
            json!({"decision": "denied", "reason_code": "budget_exceeded", "intent_id": "w:1:0"});
        assert_eq!(answer, denied);
        effect(&world, &authorize("w:2:0", 100)).await.unwrap();
    }
    for _ in 0..2 {
        let posted = effect(&world, &json!({"op": "post", "intent_id": "w:0:0"})).await.unwrap();
        assert_eq!((&posted["status"], &posted["posted"]), (&json!("posted"), &json!("100")));
        let voided = effect(&world, &json!({"op": "void", "intent_id": "w:2:0"})).await.unwrap();
        assert_eq!(voided["status"], "voided");
        let late = effect(&world, &json!({"op": "post", "intent_id": "w:1:0"})).await.unwrap();
        assert_eq!(late["status"], "denied");
    }
    for (request, code) in [
        (json!({"op": "post", "intent_id": "none"}), "intent_not_found"),
        (json!({"op": "authorize", "intent_id": "x"}), "invalid"),
        (json!({"op": "dance"}), "invalid"),
        (authorize("w:0:0", 99), "intent_other"),
        (authorize("w:9:0", 0), "intent_amount"),
        (json!({"op": "expire", "transfer": "none"}), "intent_not_found"),
    ] {
        let refused = effect(&world, &request).await.unwrap_err();
        let found = matches!(&refused, EffectError::Refused { code: found, .. } if found == code);
        assert!(found, "{request}: {refused:?}");
    }
    assert_eq!(world.money.has().await, (900, 0));
    world.at_rest().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_whose_node_has_ended_says_that_nothing_was_sent() {
    let world = World::fresh(&memory(), &Setting::default()).await;
    let handler = world.money.handler.clone();
    let World { node, money, .. } = world;
    node.abort();
    drop(money);
    let call = || EffectCall {
        entity: stream_key("workflow", "w"),
        effect: EffectId("pay:0".into()),
        idempotency_key: Uuid::from_u128(7),
        request: json!({"op": "post", "intent_id": "a"}).to_string().into(),
        trace: Trace::root(Uuid::from_u128(8), false),
    };
    let answer = handler.call(call()).await;
    assert!(
        matches!(answer, Err(EffectError::NotSent { .. } | EffectError::Unknown { .. })),
        "{answer:?}"
    );
}
