//! Nodes one after the other on one store, as a process that is started again.

use std::sync::Arc;

use bytes::Bytes;
use coppice_core::sensitive::Vault;
use coppice_core::{CommandId, CorrelationId, EntityKind, StreamKey};
use coppice_persistence::Store;
use coppice_runtime::{Clock, Node, Request, RuntimeOptions};
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::node::{Caller, PATIENCE, claim, id, start, tenant};

/// Starts a node that succeeds the one before it on this store, under a new epoch.
pub async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    options: RuntimeOptions,
    vault: Option<Arc<dyn Vault>>,
) -> (Node, Caller) {
    let lease = Arc::new(claim(store.as_ref(), "node").await);
    let node = start(store, lease, clock, options, vault).await;
    let caller = Caller(node.registry());
    (node, caller)
}

/// A command to an entity, keyed where a key is given.
#[must_use]
pub fn command(entity: &str, name: &str, body: &str, key: Option<&str>) -> Request {
    let tenant = tenant();
    let route = format!("POST {entity}/{name}");
    let command_id = match key {
        Some(key) => CommandId::from_idempotency_key(&tenant, &route, key),
        None => CommandId(Uuid::now_v7()),
    };
    Request {
        tenant,
        id: id(entity),
        command: name.to_owned(),
        body: Bytes::from(body.to_owned()),
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

/// The stream of an entity.
#[must_use]
pub fn stream_key(kind: &str, entity: &str) -> StreamKey {
    let kind = EntityKind::new(kind).expect("the test uses valid kinds");
    StreamKey::new(tenant(), kind, id(entity))
}

/// Waits in tokio's time, which the test has paused, until a condition holds.
///
/// # Panics
/// Where it doesn't within [`PATIENCE`].
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
