//! A node in process that has plugins, on whichever store `backend` is.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::{
    CommandId, CorrelationId, EffectId, EntityId, EntityKind, StoredEvent, StreamKey, TenantId,
};
use coppice_domain::plugin::{Breaker, PluginVersion};
use coppice_persistence::{ClaimOutcome, ShardClaim, Store};
use coppice_plugin_sdk::{Manifest, Plugin};
use coppice_plugins::{
    CallFailure, CallResponse, FailureDetail, Parts, Permission, PluginHost, PluginOptions,
    Plugins, RegisterError, Registration, RegistryBreakers, Unasked, Word,
};
use coppice_runtime::{
    Door, EffectCall, EffectError, EffectHandler, Node, NodeBuilder, RuntimeOptions, Trace,
};
use coppice_testkit::{TestLease, VirtualClock, read_whole_journal};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: VirtualClock,
    pub(crate) node: Node,
    pub(crate) plugins: Plugins,
}

/// How a world is made.
pub(crate) struct Setting {
    pub(crate) inside: Vec<Arc<dyn Plugin>>,
    pub(crate) permission: Arc<dyn Permission>,
    pub(crate) options: PluginOptions,
}

impl Default for Setting {
    fn default() -> Self {
        let options = PluginOptions {
            health_every: Duration::from_millis(20),
            answer_bytes_max: 64 * 1024,
            ..PluginOptions::default()
        };
        Self { inside: Vec::new(), permission: Arc::new(Unasked), options }
    }
}

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Shards in these tests: more than one, so that a mix-up shows.
const SHARDS: u16 = 8;

/// Claims all shards for a node that has no predecessor alive.
async fn claim(store: &dyn Store) -> TestLease {
    let owner = "node".to_owned();
    let claim = ShardClaim { owner, count: SHARDS, duration: None, succeed_own: true };
    match store.claim(&claim).await.unwrap() {
        ClaimOutcome::Granted(epochs) => TestLease::new(SHARDS, epochs),
        ClaimOutcome::Held { owner, .. } => panic!("the shards are held by {owner}"),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}

pub(crate) fn operators() -> TenantId {
    TenantId::new(TenantId::OPERATORS).unwrap()
}

/// What a plugin says that is waited for in vain, in seconds. So long a machine rarely stands still.
pub(crate) const HASTY: u32 = 4;

/// What the plugins of these tests say of themselves.
pub(crate) fn manifest(name: &str, version: &str) -> Manifest {
    let number = json!({
        "type": "object",
        "required": ["n"],
        "properties": { "n": { "type": "integer" } }
    });
    Manifest::new(name, version)
        .description("Doubles.")
        .capability("double")
        .input_schema(number.clone())
        .output_schema(number)
        .timeout_seconds(20)
}

/// A call of a plugin to double 21.
pub(crate) fn asking(plugin: &str) -> Value {
    json!({
        "workflow": "workflow-1",
        "step": "step-1",
        "plugin": plugin,
        "version": null,
        "capability": "double",
        "description": "Double it.",
        "input": { "n": 21 },
        "priority": "P1",
        "approved": false,
        "attachments": []
    })
}

/// The effect that asks for it.
pub(crate) fn effect(request: &Value, key: Uuid) -> EffectCall {
    let kind = EntityKind::new("workflow").unwrap();
    EffectCall {
        entity: StreamKey::new(
            TenantId::new("default").unwrap(),
            kind,
            EntityId::new("workflow-1").unwrap(),
        ),
        effect: EffectId("step-1".into()),
        idempotency_key: key,
        request: request.to_string().into(),
        trace: Trace::root(key, false),
    }
}

/// A code and what stands with it.
pub(crate) type Ended = (String, FailureDetail);

impl World {
    pub(crate) async fn start(setting: Setting) -> Self {
        let clock = VirtualClock::default();
        let store = crate::backend::fresh(&clock).await;
        Self::on(store, clock, setting).await
    }

    /// Only with versions outside.
    pub(crate) async fn empty() -> Self {
        Self::start(Setting::default()).await
    }

    pub(crate) async fn on(store: Arc<dyn Store>, clock: VirtualClock, setting: Setting) -> Self {
        let lease = Arc::new(claim(store.as_ref()).await);
        let builder = NodeBuilder::new(
            Arc::clone(&store),
            lease,
            Arc::new(clock.clone()),
            RuntimeOptions::default(),
        );
        let door = Door::new();
        let builder = builder.door(&door).kind::<PluginVersion>().kind::<Breaker>();
        let node = builder.start().await.unwrap();
        let Setting { inside, permission, options } = setting;
        let shared: Arc<dyn coppice_runtime::Clock> = Arc::new(clock.clone());
        let breakers = RegistryBreakers::new(door.clone(), Arc::clone(&shared), options.clone());
        let parts = Parts {
            door,
            breakers: Arc::new(breakers),
            permission,
            clock: shared,
            options,
            in_process: inside,
        };
        let plugins = Plugins::new(parts).unwrap();
        plugins.load(store.as_ref()).await.unwrap();
        Self { store, clock, node, plugins }
    }

    /// Ends the node as a crash would, and starts the next on what it left.
    pub(crate) async fn restart(self, setting: Setting) -> Self {
        let Self { store, clock, node, plugins } = self;
        drop(plugins);
        node.abort();
        Self::on(store, clock, setting).await
    }

    pub(crate) fn word() -> Word {
        let id = Uuid::now_v7();
        Word {
            by: "the test".to_owned(),
            command_id: CommandId(id),
            keyed: false,
            correlation: CorrelationId(id),
            deadline: Instant::now() + PATIENCE,
        }
    }

    pub(crate) async fn register(&self, manifest: Value, url: &str) -> Result<(), RegisterError> {
        let registration = Registration { manifest, url: url.to_owned() };
        self.plugins.register(registration, Self::word()).await.map(drop)
    }

    /// Registers a version and has it say that it is well.
    pub(crate) async fn serve(&self, manifest: &Manifest, url: &str) {
        self.register(json!(manifest), url).await.unwrap();
        let report = coppice_plugin_sdk::HealthReport::healthy();
        self.plugins.report_health(&manifest.name, &manifest.version, report).await.unwrap();
    }

    /// Has the node ask every version how it is.
    pub(crate) async fn keep(&self) {
        self.node.supervisor().start_child(self.plugins.keeper()).await.unwrap();
    }

    pub(crate) fn host(&self) -> PluginHost {
        self.plugins.host()
    }

    pub(crate) async fn call(&self, request: &Value) -> Result<CallResponse, Ended> {
        self.call_as(request, Uuid::now_v7()).await
    }

    pub(crate) async fn call_as(&self, request: &Value, key: Uuid) -> Result<CallResponse, Ended> {
        let called = self.host().carry_out(&effect(request, key)).await;
        called.map_err(|failure| {
            let ended = matches!(failure, CallFailure::Ended { .. });
            assert!(ended, "the node was in the way: {failure:?}");
            match EffectError::from(failure) {
                EffectError::Refused { code, detail } => {
                    (code, serde_json::from_str(&detail).unwrap())
                }
                other => panic!("{other:?}"),
            }
        })
    }

    /// What an effect's pool would be told.
    pub(crate) async fn effect(&self, request: &Value) -> Result<Value, EffectError> {
        let answered = self.host().call(effect(request, Uuid::now_v7())).await;
        answered.map(|text| serde_json::from_str(&text).unwrap())
    }

    pub(crate) async fn view(&self, kind: &str, id: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let id = EntityId::new(id).unwrap();
        let view = self.node.registry().view(kind, operators(), id, deadline).await.unwrap();
        serde_json::from_str(&view.state).unwrap()
    }

    /// The phase and the failures of a breaker, as its entity has them.
    pub(crate) async fn breaker(&self, id: &str) -> (String, u64) {
        let view = self.view("breaker", id).await;
        (view["phase"].as_str().unwrap().to_owned(), view["failures"].as_u64().unwrap())
    }

    async fn journal(&self) -> Vec<StoredEvent> {
        read_whole_journal(self.store.as_ref()).await.unwrap()
    }

    pub(crate) async fn events(&self) -> usize {
        self.journal().await.len()
    }

    /// The types of all events of a kind, in order.
    pub(crate) async fn story(&self, kind: &str) -> Vec<String> {
        let events = self.journal().await;
        let of_kind = events.iter().filter(|event| event.key.kind().as_str() == kind);
        of_kind.map(|event| event.record.body.event_type.to_string()).collect()
    }
}
