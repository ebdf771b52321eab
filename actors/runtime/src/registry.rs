//! The one door into the tree of entities: a kind's name to its region.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use coppice_core::{EntityId, TenantId};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::answer::{Answer, Failure, Request, View};

/// One entity kind, with its types erased.
pub trait KindPort: fmt::Debug + Send + Sync + 'static {
    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// Delivers a command and waits for its answer, until its deadline and a little longer.
    fn ask(&self, request: Request) -> BoxFuture<'_, Result<Answer, Failure>>;

    /// Reads an entity, behind every command that was accepted before.
    fn view(
        &self,
        tenant: TenantId,
        id: EntityId,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<View, Failure>>;
}

/// Every kind that this node serves.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    kinds: Arc<BTreeMap<&'static str, Arc<dyn KindPort>>>,
}

impl Registry {
    /// Of these kinds; of two with one name the later stands.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = Arc<dyn KindPort>>) -> Self {
        Self { kinds: Arc::new(kinds.into_iter().map(|port| (port.kind(), port)).collect()) }
    }

    /// The names of all kinds, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.keys().copied()
    }

    /// Delivers a command to an entity of a kind.
    ///
    /// # Errors
    /// [`Failure`], with its outcome.
    pub async fn ask(&self, kind: &str, request: Request) -> Result<Answer, Failure> {
        self.port(kind)?.ask(request).await
    }

    /// Reads an entity of a kind.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn view(
        &self,
        kind: &str,
        tenant: TenantId,
        id: EntityId,
        deadline: Instant,
    ) -> Result<View, Failure> {
        self.port(kind)?.view(tenant, id, deadline).await
    }

    fn port(&self, kind: &str) -> Result<&Arc<dyn KindPort>, Failure> {
        self.kinds.get(kind).ok_or_else(|| Failure::UnknownKind(kind.to_owned()))
    }
}
