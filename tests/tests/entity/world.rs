//! What every test of an entity begins with: a store in memory and nodes on it.

use std::sync::Arc;

use coppice_core::{EntityId, StoredEvent};
use coppice_runtime::{Answer, Failure, Node, RuntimeOptions, View};
use coppice_testkit::{MemoryStore, VirtualClock, read_whole_journal};
use coppice_tests::node::{Caller, PATIENCE, id, tenant};
use coppice_tests::running::{command, run};
use coppice_tests::vault::TestVault;
use tokio::time::Instant;

/// A store that outlives its nodes, and what they share.
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) clock: VirtualClock,
    pub(crate) vault: Arc<TestVault>,
    pub(crate) options: RuntimeOptions,
}

impl World {
    pub(crate) fn new(options: RuntimeOptions) -> Self {
        let clock = VirtualClock::default();
        let store = MemoryStore::new(Arc::new(clock.clone()));
        Self { store, clock, vault: Arc::default(), options }
    }

    /// Starts a node; the one before it must have ended.
    pub(crate) async fn start(&self) -> (Node, Caller) {
        let store = Arc::new(self.store.clone());
        let clock = Arc::new(self.clock.clone());
        run(store, clock, self.options.clone(), Some(self.vault.clone())).await
    }

    /// Ends a node as a crash would and starts the next.
    pub(crate) async fn restart(&self, node: Node) -> (Node, Caller) {
        node.abort();
        self.start().await
    }

    pub(crate) async fn journal(&self) -> Vec<StoredEvent> {
        read_whole_journal(&self.store).await.unwrap()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new(RuntimeOptions::default())
    }
}

/// Sends a command to a profile.
pub(crate) async fn profile(
    caller: &Caller,
    name: &str,
    body: &str,
    key: Option<&str>,
) -> Result<Answer, Failure> {
    caller.0.ask("profile", command("p", name, body, key)).await
}

/// Reads the profile.
pub(crate) async fn read_profile(caller: &Caller) -> Result<View, Failure> {
    let profile: EntityId = id("p");
    caller.0.view("profile", tenant(), profile, Instant::now() + PATIENCE).await
}

pub(crate) const ADA: &str = r#"{"subject":"sub_ada","name":"Ada Lovelace"}"#;
