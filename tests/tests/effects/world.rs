//! A store in memory, nodes on it that serve alarms, and a bell.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::Timestamp;
use coppice_domain::compliance::Control;
use coppice_domain::example::alarm::BELL;
use coppice_domain::example::{Alarm, Counter};
use coppice_persistence::DeadLetter;
use coppice_runtime::{
    Answer, EffectPool, Failure, Node, NodeBuilder, NodeError, RetryPolicy, RuntimeOptions,
};
use coppice_testkit::{MemoryStore, TestLease, VirtualClock};
use coppice_tests::bell::Bell;
use coppice_tests::node::{Caller, PATIENCE, claim, id, tenant};
use coppice_tests::profile::Profile;
use coppice_tests::running::command;
use coppice_tests::spans::Recorder;
use coppice_tests::vault::TestVault;
use serde_json::Value;
use tokio::time::Instant;

use crate::relay::{HOPS, Relay, Runner};

pub(crate) const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) clock: VirtualClock,
    pub(crate) bell: Bell,
    pub(crate) runner: Runner,
    pub(crate) spans: Recorder,
    pub(crate) options: RuntimeOptions,
    pub(crate) concurrency: usize,
    /// Whether its nodes have switches.
    pub(crate) obeys: bool,
}

pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) caller: Caller,
    pub(crate) lease: Arc<TestLease>,
}

impl World {
    pub(crate) fn new(options: RuntimeOptions) -> Self {
        let clock = VirtualClock::following_tokio(START);
        let store = MemoryStore::new(Arc::new(clock.clone()));
        Self {
            store,
            clock,
            bell: Bell::default(),
            runner: Runner::new(|_| None),
            spans: Recorder::default(),
            options,
            concurrency: 4,
            obeys: false,
        }
    }

    pub(crate) async fn start(&self) -> Running {
        self.try_start().await.unwrap()
    }

    pub(crate) async fn try_start(&self) -> Result<Running, NodeError> {
        let store = Arc::new(self.store.clone());
        let lease = Arc::new(claim(store.as_ref(), "node").await);
        let retry = RetryPolicy { first: Duration::from_millis(100), ..RetryPolicy::TRANSIENT };
        let pool = EffectPool {
            retry,
            concurrency: self.concurrency,
            ..EffectPool::new(BELL, Arc::new(self.bell.clone()))
        };
        let (clock, options) = (Arc::new(self.clock.clone()), self.options.clone());
        let builder = NodeBuilder::new(store, lease.clone(), clock, options)
            .kind::<Counter>()
            .kind::<Alarm>()
            .kind::<Profile>()
            .kind::<Relay>()
            .effects(pool)
            .effects(EffectPool::new(HOPS, Arc::new(self.runner.clone())))
            .spans(Arc::new(self.spans.clone()))
            .vault(Arc::new(TestVault::default()));
        let builder = if self.obeys { builder.kind::<Control>().obeys_control() } else { builder };
        let node = builder.start().await?;
        let caller = Caller(node.registry());
        Ok(Running { node, caller, lease })
    }

    /// Ends a node as a crash would and starts the next.
    pub(crate) async fn restart(&self, running: Running) -> Running {
        running.node.abort();
        // What was dropped in the middle is gone before the next one starts.
        tokio::task::yield_now().await;
        self.start().await
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(RuntimeOptions::default())
    }
}

impl Running {
    pub(crate) async fn tell(
        &self,
        alarm: &str,
        name: &str,
        body: &str,
    ) -> Result<Answer, Failure> {
        self.caller.0.ask("alarm", command(alarm, name, body, None)).await
    }

    /// Sets a timer of that alarm that is due in so many milliseconds.
    pub(crate) async fn set(&self, alarm: &str, in_ms: u32) {
        let body = format!(r#"{{"timer":"t","in_ms":{in_ms}}}"#);
        self.tell(alarm, "set", &body).await.unwrap();
    }

    pub(crate) async fn view(&self, alarm: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let view = self.caller.0.view("alarm", tenant(), id(alarm), deadline).await.unwrap();
        serde_json::from_str(&view.state).unwrap()
    }

    /// Waits until the alarm shows a number.
    pub(crate) async fn shows(&self, alarm: &str, field: &str, number: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.view(alarm).await;
            if view[field] == number {
                return;
            }
            assert!(Instant::now() < deadline, "{field} never was {number}: {view}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        self.node.dead_letters().list(&tenant(), 0, 100).await.unwrap()
    }

    /// Waits for the first dead letters.
    pub(crate) async fn letter(&self) -> DeadLetter {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(letter) = self.letters().await.pop() {
                return letter;
            }
            assert!(Instant::now() < deadline, "there never was a dead letter");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
