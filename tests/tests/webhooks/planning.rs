//! What a routed delivery owes: one call to the planner, through a crash, and what comes of it.

use std::sync::Arc;

use bytes::Bytes;
use coppice_core::Timestamp;
use coppice_domain::ingress::delivery::{Delivery, PLANNER, Receive, entity_id};
use coppice_domain::ingress::{Route, github};
use coppice_domain::workflow::flow::Priority;
use coppice_runtime::{
    EffectCall, EffectError, EffectHandler, EffectPool, Failure, Node, NodeBuilder, Request,
    RuntimeOptions,
};
use coppice_testkit::{MemoryStore, VirtualClock};
use coppice_tests::node::{PATIENCE, claim, id, tenant, until};
use coppice_tests::running::command;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

const ID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

/// Notes every call, and answers as many as it is let.
#[derive(Debug, Clone)]
struct Planner {
    calls: Arc<Mutex<Vec<EffectCall>>>,
    gate: Arc<Semaphore>,
    refuses: bool,
}

impl Planner {
    fn new(refuses: bool) -> Self {
        Self { calls: Arc::default(), gate: Arc::new(Semaphore::new(0)), refuses }
    }
}

impl EffectHandler for Planner {
    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        Box::pin(async move {
            let workflow = call.idempotency_key;
            self.calls.lock().push(call);
            self.gate.acquire().await.unwrap().forget();
            if self.refuses {
                let (code, detail) = ("plan_unknown".to_owned(), "there is none".to_owned());
                return Err(EffectError::Refused { code, detail });
            }
            Ok(json!({ "workflow": workflow }).to_string())
        })
    }
}

async fn start(store: &MemoryStore, clock: &VirtualClock, planner: &Planner) -> Node {
    let store = Arc::new(store.clone());
    let lease = Arc::new(claim(store.as_ref(), "node").await);
    let (clock, options) = (Arc::new(clock.clone()), RuntimeOptions::default());
    NodeBuilder::new(store, lease, clock, options)
        .kind::<Delivery>()
        .effects(EffectPool::new(PLANNER, Arc::new(planner.clone())))
        .start()
        .await
        .unwrap()
}

fn receive() -> Request {
    let body = json!({
        "action": "opened",
        "pull_request": { "number": 2, "head": { "sha": "aa" } },
        "repository": { "full_name": "a/b" },
    });
    let receive = Receive {
        delivery: ID.to_owned(),
        body_sha256: "0".repeat(64),
        event: github::normalise("pull_request", &body),
        route: Some(Route { rule: 1, plan: "code-review".to_owned(), priority: Priority::P1 }),
    };
    let body = Bytes::from(serde_json::to_vec(&receive).unwrap());
    Request { body, ..command(&entity_id(github::SOURCE, ID), "receive", "", None) }
}

async fn seen(node: &Node) -> Value {
    let entity = id(&entity_id(github::SOURCE, ID));
    let deadline = Instant::now() + PATIENCE;
    let view = node.registry().view("delivery", tenant(), entity, deadline).await.unwrap();
    serde_json::from_str(&view.state).unwrap()
}

/// Waits until the planner's answer is recorded.
async fn settled(node: &Node) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = seen(node).await;
        if state["status"] != "planning" {
            return state;
        }
        assert!(Instant::now() < deadline, "nothing came of it: {state}");
        tokio::task::yield_now().await;
    }
}

fn world() -> (MemoryStore, VirtualClock) {
    let clock = VirtualClock::following_tokio(Timestamp::from_micros(1_767_225_600_000_000));
    (MemoryStore::new(Arc::new(clock.clone())), clock)
}

#[tokio::test]
async fn a_routed_delivery_is_planned_under_one_key_through_a_crash() {
    let (store, clock) = world();
    let planner = Planner::new(false);
    let node = start(&store, &clock, &planner).await;
    node.registry().ask_trusted("delivery", receive()).await.unwrap();
    until("the planner is asked", || planner.calls.lock().len() == 1).await;
    assert_eq!(seen(&node).await["status"], "planning");
    node.abort();
    tokio::task::yield_now().await;

    let node = start(&store, &clock, &planner).await;
    until("it is asked again", || planner.calls.lock().len() == 2).await;
    planner.gate.add_permits(2);
    let state = settled(&node).await;
    let calls = planner.calls.lock().clone();
    assert_eq!(calls[0].idempotency_key, calls[1].idempotency_key);
    assert_eq!(calls[0].request, calls[1].request);
    assert_eq!(state["status"], "planned");
    assert_eq!(state["workflow"], calls[0].idempotency_key.to_string());
    let request: Value = serde_json::from_str(&calls[0].request).unwrap();
    assert_eq!((&request["plan"], &request["priority"]), (&json!("code-review"), &json!("P1")));
    assert_eq!(request["event"]["data"]["head_sha"], "aa", "it needs nothing else");
    // A repeat tells the workflow and asks for no second one.
    let again = node.registry().ask_trusted("delivery", receive()).await.unwrap();
    let again: Value = serde_json::from_str(&again.reply).unwrap();
    assert_eq!((&again["repeated"], &again["workflow"]), (&json!(true), &state["workflow"]));
    assert_eq!(planner.calls.lock().len(), 2);
}

#[tokio::test]
async fn what_can_not_be_planned_is_recorded_with_its_code() {
    let (store, clock) = world();
    let planner = Planner::new(true);
    planner.gate.add_permits(1);
    let node = start(&store, &clock, &planner).await;
    node.registry().ask_trusted("delivery", receive()).await.unwrap();
    let state = settled(&node).await;
    assert_eq!(state["status"], "failed");
    assert_eq!(state["failure"], json!({ "code": "plan_unknown", "detail": "there is none" }));
}

#[tokio::test]
async fn no_caller_can_make_a_delivery_up() {
    let (store, clock) = world();
    let node = start(&store, &clock, &Planner::new(false)).await;
    let refused = node.registry().ask("delivery", receive()).await.unwrap_err();
    assert!(matches!(refused, Failure::UnknownCommand(_)), "{refused:?}");
    assert_eq!(seen(&node).await["status"], "expected");
}
