//! A node in process with keys of its own, on any store.

use std::sync::Arc;

use coppice_core::{SubjectId, TenantId};
use coppice_domain::compliance::Erasure as Erasures;
use coppice_domain::example::{Contact, Counter};
use coppice_persistence::Store;
use coppice_runtime::{
    Answer, Clock, Erasure, Failure, KeyRing, Node, NodeBuilder, PlatformKey, PlatformKeys,
    Request, RuntimeOptions, SystemClock,
};
use coppice_testkit::TestLease;
use coppice_tests::node::{Caller, PATIENCE, claim, id, tenant};
use coppice_tests::profile::Profile;
use coppice_tests::running::command;
use serde_json::Value;
use tokio::time::Instant;

/// Names and addresses that stand nowhere by chance.
pub(crate) const ADA: [&str; 2] = ["Adelaide Quillfeather", "adelaide@quillfeather.example"];
pub(crate) const EVE: [&str; 2] = ["Evangeline Thistlewood", "evangeline@thistlewood.example"];

pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) caller: Caller,
    pub(crate) lease: Arc<TestLease>,
    pub(crate) ring: Arc<KeyRing>,
}

/// The platform key whose digits all are this byte's.
pub(crate) fn platform(byte: u8) -> PlatformKey {
    PlatformKey::parse(&format!("{byte:02x}").repeat(32)).unwrap()
}

pub(crate) fn only(byte: u8) -> Option<PlatformKeys> {
    Some(PlatformKeys { current: platform(byte), previous: None })
}

pub(crate) fn subject(name: &str) -> SubjectId {
    SubjectId::new(name).unwrap()
}

impl World {
    pub(crate) async fn start(store: Arc<dyn Store>, keys: Option<PlatformKeys>) -> Self {
        Self::start_with(store, keys, RuntimeOptions::default()).await
    }

    /// Takes the shards over from whoever had them.
    pub(crate) async fn start_with(
        store: Arc<dyn Store>,
        keys: Option<PlatformKeys>,
        options: RuntimeOptions,
    ) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let lease = Arc::new(claim(store.as_ref(), "node").await);
        let ring = KeyRing::open(Arc::clone(&store), Arc::clone(&clock), keys, 1_000).await;
        let ring = Arc::new(ring.unwrap());
        let node = NodeBuilder::new(store, lease.clone(), clock, options)
            .kind::<Erasures>()
            .kind::<Counter>()
            .kind::<Contact>()
            .kind::<Profile>()
            .keys(ring.clone())
            .start()
            .await
            .unwrap();
        let caller = Caller(node.registry());
        Self { node, caller, lease, ring }
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        self.caller.0.ask("contact", request).await
    }

    pub(crate) async fn register(
        &self,
        contact: &str,
        subject: &str,
        [name, email]: [&str; 2],
        key: Option<&str>,
    ) -> Result<Answer, Failure> {
        self.ask(command(contact, "register", &registration(subject, [name, email]), key)).await
    }

    pub(crate) async fn call(&self, contact: &str) -> Result<Answer, Failure> {
        self.ask(command(contact, "call", "{}", None)).await
    }

    pub(crate) async fn view(&self, contact: &str) -> Result<Value, Failure> {
        self.view_of(tenant(), contact).await
    }

    pub(crate) async fn view_of(&self, tenant: TenantId, contact: &str) -> Result<Value, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let view = self.caller.0.view("contact", tenant, id(contact), deadline).await?;
        Ok(serde_json::from_str(&view.state).unwrap())
    }

    /// The name that a contact shows.
    pub(crate) async fn name(&self, contact: &str) -> Option<String> {
        let view = self.view(contact).await.unwrap();
        view["name"].as_str().map(str::to_owned)
    }

    pub(crate) async fn erase(&self, name: &str) -> Result<Erasure, Failure> {
        let deadline = Instant::now() + PATIENCE;
        self.node.eraser().erase(tenant(), subject(name), "a test", deadline).await
    }
}

pub(crate) fn registration(subject: &str, [name, email]: [&str; 2]) -> String {
    serde_json::json!({ "subject": subject, "name": name, "email": email }).to_string()
}
