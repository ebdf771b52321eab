//! Nodes in process, on any store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coppice_core::sensitive::Vault;
use coppice_core::{CommandId, CorrelationId, EntityId, TenantId};
use coppice_domain::example::Counter;
use coppice_persistence::{ClaimOutcome, ShardClaim, Store};
use coppice_runtime::{
    Answer, Clock, Failure, Lease, Node, NodeBuilder, Registry, Request, RuntimeOptions, View,
};
use coppice_testkit::TestLease;
use tokio::time::Instant;
use uuid::Uuid;

use crate::profile::Profile;

/// Shards in these tests: more than one, so that a mix-up shows.
pub const SHARDS: u16 = 8;

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The tenant of these tests.
#[must_use]
pub fn tenant() -> TenantId {
    TenantId::new("default").expect("the name of the tenant is valid")
}

/// An entity id.
#[must_use]
pub fn id(text: &str) -> EntityId {
    EntityId::new(text).expect("the test uses valid ids")
}

/// The route of an add, as a command's id is made of it.
#[must_use]
pub fn route(counter: &str) -> String {
    format!("POST /v1/entities/counter/{counter}/add")
}

/// Claims all shards for a node that has no predecessor alive.
pub async fn claim(store: &dyn Store, owner: &str) -> TestLease {
    let claim =
        ShardClaim { owner: owner.to_owned(), count: SHARDS, duration: None, succeed_own: true };
    match store.claim(&claim).await.expect("the store takes a claim") {
        ClaimOutcome::Granted(epochs) => TestLease::new(SHARDS, epochs),
        ClaimOutcome::Held { owner, .. } => panic!("the shards are held by {owner}"),
    }
}

/// Starts a node that serves counters and profiles.
pub async fn start(
    store: Arc<dyn Store>,
    lease: Arc<dyn Lease>,
    clock: Arc<dyn Clock>,
    options: RuntimeOptions,
    vault: Option<Arc<dyn Vault>>,
) -> Node {
    let builder =
        NodeBuilder::new(store, lease, clock, options).kind::<Counter>().kind::<Profile>();
    let builder = match vault {
        Some(vault) => builder.vault(vault),
        None => builder,
    };
    builder.start().await.expect("a node on a store that answers comes up")
}

/// An add, keyed where a key is given.
#[must_use]
pub fn add(counter: &str, n: i64, key: Option<&str>) -> Request {
    let tenant = tenant();
    let command_id = match key {
        Some(key) => CommandId::from_idempotency_key(&tenant, &route(counter), key),
        None => CommandId(Uuid::now_v7()),
    };
    Request {
        tenant,
        id: id(counter),
        command: "add".to_owned(),
        body: Bytes::from(format!("{{\"n\":{n}}}")),
        command_id,
        keyed: key.is_some(),
        correlation: CorrelationId(Uuid::now_v7()),
        trace: None,
        sender: None,
        expected: None,
        begins: false,
        deadline: Instant::now() + PATIENCE,
    }
}

/// A client of a node in process.
#[derive(Debug, Clone)]
pub struct Caller(pub Registry);

impl Caller {
    /// Adds to a counter.
    ///
    /// # Errors
    /// The node's [`Failure`].
    pub async fn add(&self, counter: &str, n: i64, key: Option<&str>) -> Result<Answer, Failure> {
        self.0.ask("counter", add(counter, n, key)).await
    }

    /// Reads a counter.
    ///
    /// # Errors
    /// The node's [`Failure`].
    pub async fn read(&self, counter: &str) -> Result<View, Failure> {
        self.0.view("counter", tenant(), id(counter), Instant::now() + PATIENCE).await
    }
}

/// The counter's value in a reply or view.
#[must_use]
pub fn value(json: &str) -> i64 {
    let json: serde_json::Value = serde_json::from_str(json).expect("the node writes JSON");
    json["value"].as_i64().expect("a counter shows its value")
}

/// Waits until a condition holds.
///
/// # Panics
/// Where it doesn't within [`PATIENCE`].
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}
