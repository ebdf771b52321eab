//! A store in memory, nodes on it that carry workflows out, and a stub of the outside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::Timestamp;
use coppice_domain::compliance::Control;
use coppice_domain::workflow::Workflow;
use coppice_domain::workflow::flow::{PLUGIN, TREASURY};
use coppice_runtime::{
    Answer, EffectCall, EffectError, EffectHandler, EffectPool, Failure, Node, NodeBuilder,
    RetryPolicy, RuntimeOptions,
};
use coppice_testkit::{MemoryStore, VirtualClock};
use coppice_tests::node::{PATIENCE, claim, id, tenant};
use coppice_tests::running::command;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// What a call is answered with, made of its request.
type Script = fn(&Value) -> Result<Value, EffectError>;

/// Whoever plugins and treasury are to the workflows. Clones are the same.
#[derive(Clone)]
pub(crate) struct Desk {
    calls: Arc<Mutex<BTreeMap<Uuid, (String, u32)>>>,
    script: Script,
    /// Whether runs of steps are computed, where they succeed.
    pub(crate) computes: bool,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// Everything succeeds; money is approved, posted and given back as asked.
pub(crate) fn obliging(request: &Value) -> Result<Value, EffectError> {
    Ok(match request["op"].as_str() {
        Some("authorize") => json!({"decision": "approved", "reason_code": "ok"}),
        Some("post") => json!({"status": "posted"}),
        Some(_) => json!({"status": "voided"}),
        None => json!({
            "status": "success",
            "output": {"of": request["step"], "given": request["input"]},
            "result": "done",
            "plugin": "stub@1.0.0",
        }),
    })
}

impl Desk {
    pub(crate) fn new(script: Script) -> Self {
        Self { calls: Arc::default(), script, computes: false }
    }

    /// The keys of all calls, each with how often it came.
    pub(crate) fn keys(&self) -> BTreeMap<Uuid, u32> {
        self.calls.lock().iter().map(|(key, (_, times))| (*key, *times)).collect()
    }
}

impl EffectHandler for Desk {
    fn computes(&self) -> bool {
        self.computes
    }

    fn compute(&self, call: &EffectCall) -> Option<String> {
        let request: Value = serde_json::from_str(&call.request).unwrap();
        let answer = request["op"].is_null().then(|| (self.script)(&request).ok()).flatten();
        answer.map(|answer| answer.to_string())
    }

    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        let request = call.request.to_string();
        {
            let mut calls = self.calls.lock();
            let (first, times) =
                calls.entry(call.idempotency_key).or_insert_with(|| (request.clone(), 0));
            assert_eq!(*first, request, "a repeat has the same body");
            *times += 1;
        }
        let answer = (self.script)(&serde_json::from_str(&request).unwrap());
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            answer.map(|answer| answer.to_string())
        })
    }
}

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    clock: VirtualClock,
    pub(crate) desk: Desk,
}

impl World {
    pub(crate) fn new(script: Script) -> Self {
        let clock = VirtualClock::following_tokio(START);
        let store = MemoryStore::new(Arc::new(clock.clone()));
        Self { store, clock, desk: Desk::new(script) }
    }

    /// The same with steps that are computed.
    pub(crate) fn computing(script: Script) -> Self {
        let world = Self::new(script);
        Self { desk: Desk { computes: true, ..world.desk }, ..world }
    }

    pub(crate) async fn start(&self) -> Running {
        let store = Arc::new(self.store.clone());
        let lease = Arc::new(claim(store.as_ref(), "node").await);
        let retry = RetryPolicy { first: Duration::from_millis(10), ..RetryPolicy::TRANSIENT };
        let pool =
            |name| EffectPool { retry, ..EffectPool::new(name, Arc::new(self.desk.clone())) };
        let clock = Arc::new(self.clock.clone());
        let node = NodeBuilder::new(store, lease, clock, RuntimeOptions::default())
            .kind::<Control>()
            .obeys_control()
            .kind::<Workflow>()
            .effects(pool(PLUGIN))
            .effects(pool(TREASURY))
            .start()
            .await
            .unwrap();
        Running { node }
    }

    /// Ends a node as a crash would and starts the next.
    pub(crate) async fn restart(&self, running: Running) -> Running {
        running.node.abort();
        tokio::task::yield_now().await;
        self.start().await
    }
}

pub(crate) struct Running {
    pub(crate) node: Node,
}

impl Running {
    pub(crate) async fn tell(
        &self,
        workflow: &str,
        name: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Result<Answer, Failure> {
        let request = command(workflow, name, &body.to_string(), key);
        self.node.registry().ask_trusted("workflow", request).await
    }

    pub(crate) async fn submit(&self, workflow: &str, plan: &Value) -> Answer {
        let body = json!({"objective": "see it through", "input": {"n": 7}, "plan": plan});
        self.tell(workflow, "submit", &body, Some("submit")).await.unwrap()
    }

    /// One that is only planned.
    pub(crate) async fn plan(&self, workflow: &str, plan: &Value) {
        let body = json!({
            "objective": "see it through", "input": {"n": 7}, "plan": plan, "waits": true,
        });
        self.tell(workflow, "submit", &body, Some("submit")).await.unwrap();
    }

    /// One that is planned first and begun then.
    pub(crate) async fn plan_and_begin(&self, workflow: &str, plan: &Value) {
        self.plan(workflow, plan).await;
        self.tell(workflow, "begin", &json!({"by": "me"}), Some("begin")).await.unwrap();
    }

    /// The workflow, with the number of its events.
    pub(crate) async fn view(&self, workflow: &str) -> (u64, Value) {
        let deadline = Instant::now() + PATIENCE;
        let registry = self.node.registry();
        let view = registry.view("workflow", tenant(), id(workflow), deadline).await.unwrap();
        (view.sequence.0, serde_json::from_str(&view.state).unwrap())
    }

    /// Waits until it has ended, and agrees to whatever it asks meanwhile.
    pub(crate) async fn ended(&self, workflow: &str) -> Value {
        let deadline = Instant::now() + PATIENCE * 10;
        loop {
            let view = self.view(workflow).await.1;
            if !view["ended_at"].is_null() {
                return view;
            }
            self.agree(workflow, &view).await;
            assert!(Instant::now() < deadline, "it never ended: {view}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn agree(&self, workflow: &str, view: &Value) {
        for step in view["approvals"].as_array().unwrap() {
            let body = json!({"step": step, "approved": true, "by": "me"});
            // It may have been decided before a crash, and the answer lost.
            let _decided = self.tell(workflow, "decide", &body, None).await;
        }
    }
}

/// A step in a row, beside others, paid for and agreed to.
pub(crate) fn plan() -> Value {
    let step = |id: &str, needs: Value| {
        json!({"id": id, "needs": needs, "plugin": "stub", "capability": "act",
            "input": {"n": "$input.n"}})
    };
    let mut report = step("report", json!(["x", "y"]));
    report["input"] = json!({"x": "$steps.x.output", "y": "$steps.y.output.of"});
    let mut publish = step("publish", json!(["report"]));
    publish["approval"] = json!(true);
    publish["payment"] =
        json!({"amount": 250, "asset": "USD", "merchant": "desk", "category": "review"});
    json!({"name": "story", "steps": [
        step("split", json!([])),
        step("x", json!(["split"])),
        step("y", json!(["split"])),
        report,
        publish,
    ]})
}
