//! The one door into the tree of entities: a kind's name to its region.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use coppice_core::{Access, EffectId, EntityId, StreamKey, SubjectId, TenantId};
use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;

use crate::answer::{Answer, Failure, Request, View};
use crate::inspect::{ActorReport, Census};
use crate::link::LinkGroup;
use crate::work::message::SystemMessage;

/// One entity kind, with its types erased.
pub trait KindPort: fmt::Debug + Send + Sync + 'static {
    /// The kind's name.
    fn kind(&self) -> &'static str;

    /// Who may command it.
    fn access(&self) -> Access {
        Access::Open
    }

    /// Delivers a command and waits for its answer, until its deadline and a little longer.
    fn ask(&self, request: Request) -> BoxFuture<'_, Result<Answer, Failure>>;

    /// Ends an entity's stream with a tombstone; the request's command names nothing.
    fn delete(&self, request: Request) -> BoxFuture<'_, Result<Answer, Failure>> {
        drop(request);
        Box::pin(std::future::ready(Err(Failure::NotThere)))
    }

    /// As [`KindPort::ask`], for a part of a link group.
    fn ask_linked(
        &self,
        request: Request,
        group: Arc<LinkGroup>,
    ) -> BoxFuture<'_, Result<Answer, Failure>> {
        // A kind that can't link refuses its part, and with it the group.
        drop(request);
        group.break_up();
        Box::pin(std::future::ready(Err(Failure::Unlinked)))
    }

    /// Delivers a message of the system's own and waits for its answer. `alone` is one that may have
    /// met the entity before: nothing is computed behind it, so that it is recorded by itself.
    fn deliver<'a>(
        &'a self,
        _key: &'a StreamKey,
        _message: SystemMessage,
        _alone: bool,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(std::future::ready(Err(Failure::Undigested)))
    }

    /// The same for a message that is out of delivery.
    fn settle<'a>(
        &'a self,
        _key: &'a StreamKey,
        _message: SystemMessage,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(std::future::ready(Err(Failure::Undigested)))
    }

    /// Sees to it that an entity is in memory and looks after what it owes.
    fn wake<'a>(
        &'a self,
        _key: &'a StreamKey,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(std::future::ready(Err(Failure::Undigested)))
    }

    /// Says under which ordinal an effect is outstanding: the reply is a number or `null`.
    fn effect_ordinal<'a>(
        &'a self,
        _key: &'a StreamKey,
        _id: &'a EffectId,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(std::future::ready(Err(Failure::Undigested)))
    }

    /// Has the tenant's entities let go of what they have in memory of a subject; how many were
    /// asked.
    fn forget<'a>(
        &'a self,
        _tenant: &'a TenantId,
        _subject: &'a SubjectId,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<usize, Failure>> {
        Box::pin(std::future::ready(Ok(0)))
    }

    /// Has an entity end its actor and read its journal anew; false where it isn't in memory.
    fn restart<'a>(
        &'a self,
        _key: &'a StreamKey,
        _deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Whether an entity is in memory.
    fn is_resident(&self, _key: &StreamKey) -> bool {
        false
    }

    /// Commands to the kind's entities whose answers somebody waits for; those of the system itself
    /// not counted.
    fn commands_open(&self) -> usize {
        0
    }

    /// The kind's entities on this node, in numbers.
    fn census(&self) -> Census {
        Census {
            kind: self.kind(),
            residents: 0,
            running: 0,
            refused_total: 0,
            resident_bytes: 0,
            commands_open: 0,
            hibernated_total: 0,
            passivated_total: 0,
            crashes_total: 0,
            stuck: 0,
        }
    }

    /// One entity in memory.
    fn actor(&self, _tenant: &TenantId, _id: &EntityId) -> Option<ActorReport> {
        None
    }

    /// Up to `limit` entities of a tenant in memory, those first that hold most up.
    fn actors(&self, _tenant: &TenantId, _limit: usize) -> Vec<ActorReport> {
        Vec::new()
    }

    /// Looks after the entities, now and then.
    fn keep(&self) {}

    /// Whether no entity has anything to decide, or is at it.
    fn is_idle(&self) -> bool {
        true
    }

    /// Takes commands in again after a stop; what waits is gone on with.
    fn reopen(&self) {}

    /// Ends every actor of the kind; the node is going down and takes nothing in any more.
    fn stop(&self) {}

    /// Reads an entity, behind every command that was accepted before.
    fn view(
        &self,
        tenant: TenantId,
        id: EntityId,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<View, Failure>>;
}

/// Kinds by their names.
type Kinds = BTreeMap<&'static str, Arc<dyn KindPort>>;

/// Every kind that this node serves.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    kinds: Arc<Kinds>,
}

/// A way to the registry for what the registry itself holds: it keeps no node in memory.
#[derive(Debug, Clone)]
pub(crate) struct WeakRegistry(Weak<Kinds>);

impl WeakRegistry {
    /// The registry while its node lives.
    pub(crate) fn upgrade(&self) -> Option<Registry> {
        self.0.upgrade().map(|kinds| Registry { kinds })
    }
}

impl Registry {
    /// Of these kinds; of two with one name the later stands.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = Arc<dyn KindPort>>) -> Self {
        Self { kinds: Arc::new(kinds.into_iter().map(|port| (port.kind(), port)).collect()) }
    }

    pub(crate) fn downgrade(&self) -> WeakRegistry {
        WeakRegistry(Arc::downgrade(&self.kinds))
    }

    /// Ends every actor of every kind.
    pub(crate) fn stop(&self) {
        self.kinds.values().for_each(|port| port.stop());
    }

    /// Every kind, in order of the names.
    pub(crate) fn ports(&self) -> impl Iterator<Item = &Arc<dyn KindPort>> {
        self.kinds.values()
    }

    /// The names of all kinds, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.keys().copied()
    }

    /// Delivers a caller's command to an entity of a kind. To a caller the commands of kinds that
    /// aren't [`Access::Open`] are not there.
    ///
    /// # Errors
    /// [`Failure`], with its outcome.
    pub async fn ask(&self, kind: &str, request: Request) -> Result<Answer, Failure> {
        self.open_port(kind, &request)?.ask(request).await
    }

    /// Delivers a command of the platform itself, to a kind of any [`Access`]. Only for code that
    /// has checked what its caller may ask for.
    ///
    /// # Errors
    /// [`Failure`], with its outcome.
    pub async fn ask_trusted(&self, kind: &str, request: Request) -> Result<Answer, Failure> {
        self.port(kind)?.ask(request).await
    }

    /// Who may command a kind; `None` where there is no such kind.
    #[must_use]
    pub fn access(&self, kind: &str) -> Option<Access> {
        self.kinds.get(kind).map(|port| port.access())
    }

    /// Deletes an entity of a kind: its stream ends with a tombstone, and nothing is decided on it
    /// any more. Its events stay.
    ///
    /// # Errors
    /// [`Failure`], with its outcome; [`Failure::NotThere`] where it never had an event.
    pub async fn delete(&self, kind: &str, request: Request) -> Result<Answer, Failure> {
        self.open_port(kind, &request)?.delete(request).await
    }

    /// Delivers commands to several entities that are accepted together or not at all. Each must
    /// go to another entity.
    pub async fn ask_linked(&self, requests: Vec<(&str, Request)>) -> Vec<Result<Answer, Failure>> {
        self.linked(requests, |kind, request| self.open_port(kind, request)).await
    }

    /// As [`Registry::ask_linked`], for commands of the platform itself; see
    /// [`Registry::ask_trusted`].
    pub async fn ask_linked_trusted(
        &self,
        requests: Vec<(&str, Request)>,
    ) -> Vec<Result<Answer, Failure>> {
        self.linked(requests, |kind, _| self.port(kind)).await
    }

    async fn linked<'a>(
        &'a self,
        requests: Vec<(&str, Request)>,
        port: impl Fn(&str, &Request) -> Result<&'a Arc<dyn KindPort>, Failure>,
    ) -> Vec<Result<Answer, Failure>> {
        let group = Arc::new(LinkGroup::new(requests.len()));
        let parts: Vec<_> =
            requests.into_iter().map(|(kind, request)| (port(kind, &request), request)).collect();
        if parts.iter().any(|(port, _)| port.is_err()) {
            group.break_up();
        }
        let asked = parts.into_iter().map(|(port, request)| {
            let group = Arc::clone(&group);
            async move {
                match port {
                    Ok(port) => port.ask_linked(request, group).await,
                    Err(failure) => {
                        group.break_up();
                        Err(failure)
                    }
                }
            }
        });
        join_all(asked).await
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

    /// Commands to entities of every kind whose answers somebody waits for; those of the system
    /// itself not counted.
    #[must_use]
    pub fn commands_open(&self) -> usize {
        self.kinds.values().map(|port| port.commands_open()).sum()
    }

    /// Every kind's entities on this node, in numbers.
    #[must_use]
    pub fn census(&self) -> Vec<Census> {
        self.kinds.values().map(|port| port.census()).collect()
    }

    /// One entity in memory.
    ///
    /// # Errors
    /// [`Failure::UnknownKind`].
    pub fn actor(
        &self,
        kind: &str,
        tenant: &TenantId,
        id: &EntityId,
    ) -> Result<Option<ActorReport>, Failure> {
        Ok(self.port(kind)?.actor(tenant, id))
    }

    /// Up to `limit` entities of a kind and tenant in memory, those first that hold most up.
    ///
    /// # Errors
    /// [`Failure::UnknownKind`].
    pub fn actors(
        &self,
        kind: &str,
        tenant: &TenantId,
        limit: usize,
    ) -> Result<Vec<ActorReport>, Failure> {
        Ok(self.port(kind)?.actors(tenant, limit))
    }

    /// Delivers a message of the system's own to an entity; see [`KindPort::deliver`].
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn deliver(
        &self,
        key: &StreamKey,
        message: SystemMessage,
        alone: bool,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        self.port(key.kind().as_str())?.deliver(key, message, alone, deadline).await
    }

    /// Delivers a message of the system's own that is out of delivery.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn settle(
        &self,
        key: &StreamKey,
        message: SystemMessage,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        self.port(key.kind().as_str())?.settle(key, message, deadline).await
    }

    /// Sees to it that an entity is in memory and looks after what it owes.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn wake(&self, key: &StreamKey, deadline: Instant) -> Result<(), Failure> {
        self.port(key.kind().as_str())?.wake(key, deadline).await.map(drop)
    }

    /// Under which ordinal an effect of an entity is outstanding, if it is.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn effect_ordinal(
        &self,
        key: &StreamKey,
        id: &EffectId,
        deadline: Instant,
    ) -> Result<Option<u64>, Failure> {
        let port = self.port(key.kind().as_str())?;
        Ok(port.effect_ordinal(key, id, deadline).await?.reply.parse().ok())
    }

    /// Has an entity end its actor and read its journal anew, behind whatever waits for it; false
    /// where it isn't in memory. It is no crash of its own code, and none is counted.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn restart(&self, key: &StreamKey, deadline: Instant) -> Result<bool, Failure> {
        self.port(key.kind().as_str())?.restart(key, deadline).await
    }

    /// Whether an entity is in memory on this node.
    #[must_use]
    pub fn is_resident(&self, key: &StreamKey) -> bool {
        self.port(key.kind().as_str()).is_ok_and(|port| port.is_resident(key))
    }

    /// The port of a kind that callers may command.
    fn open_port(&self, kind: &str, request: &Request) -> Result<&Arc<dyn KindPort>, Failure> {
        let port = self.port(kind)?;
        if port.access() != Access::Open {
            return Err(Failure::UnknownCommand(request.command.clone()));
        }
        Ok(port)
    }

    fn port(&self, kind: &str) -> Result<&Arc<dyn KindPort>, Failure> {
        self.kinds.get(kind).ok_or_else(|| Failure::UnknownKind(kind.to_owned()))
    }
}
