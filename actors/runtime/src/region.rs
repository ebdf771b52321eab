//! All entities of one kind on this node: from an id to its slot.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coppice_core::hash::sha256;
use coppice_core::{CommandError, EffectId, Entity, EntityId, StreamKey, TenantId};
use dashmap::DashMap;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Answer, Failure, Request, View};
use crate::link::LinkGroup;
use crate::registry::KindPort;
use crate::slot::{Delivery, Order, Origin, Services, Slot, Wanted, kind_of};
use crate::work::message::SystemMessage;

/// The entities of kind `K`.
pub struct Region<K: Entity> {
    slots: DashMap<(TenantId, EntityId), Arc<Slot<K>>>,
    residents: AtomicUsize,
    services: Arc<Services>,
}

impl<K: Entity> fmt::Debug for Region<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("kind", &K::KIND)
            .field("residents", &self.residents.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl<K: Entity> Region<K> {
    /// An empty region.
    #[must_use]
    pub fn new(services: Arc<Services>) -> Self {
        Self { slots: DashMap::new(), residents: AtomicUsize::new(0), services }
    }

    fn slot(&self, tenant: TenantId, id: EntityId) -> Result<Arc<Slot<K>>, Failure> {
        let place = (tenant, id);
        if let Some(slot) = self.slots.get(&place) {
            return Ok(Arc::clone(&slot));
        }
        if self.residents.load(Ordering::Relaxed) >= self.services.options.residents_max {
            return Err(Failure::ResidentsFull);
        }
        let key = StreamKey::new(place.0.clone(), kind_of::<K>(), place.1.clone());
        let slot = self.slots.entry(place).or_insert_with(|| {
            self.residents.fetch_add(1, Ordering::Relaxed);
            Arc::new(Slot::new(key, Arc::clone(&self.services)))
        });
        Ok(Arc::clone(&slot))
    }

    async fn ask_in(
        &self,
        request: Request,
        link: Option<Arc<LinkGroup>>,
    ) -> Result<Answer, Failure> {
        if let Some(group) = &link {
            group.limit(request.deadline);
        }
        let asked = self.deliver(request, link.clone());
        let (deadline, answer) = match asked {
            Ok(asked) => asked,
            Err(failure) => {
                if let Some(group) = link {
                    group.break_up();
                }
                return Err(failure);
            }
        };
        self.wait(deadline, answer).await
    }

    fn deliver(
        &self,
        request: Request,
        link: Option<Arc<LinkGroup>>,
    ) -> Result<(Instant, oneshot::Receiver<Result<Answer, Failure>>), Failure> {
        let command = K::parse(&request.command, &request.body).map_err(|error| match error {
            CommandError::UnknownCommand(name) => Failure::UnknownCommand(name),
            CommandError::Body(problem) => Failure::InvalidBody(problem),
        })?;
        let slot = self.slot(request.tenant, request.id)?;
        let (reply, answer) = oneshot::channel();
        let order = Order {
            command,
            id: request.command_id,
            keyed: request.keyed.then(|| sha256(&request.body)),
            correlation: request.correlation,
            origin: Origin::Caller {
                name: request.command,
                body: request.body,
                sender: request.sender,
            },
            deadline: request.deadline,
            link,
            falls: 0,
            reply,
        };
        slot.deliver(Delivery::Command(Box::new(order)))?;
        Ok((request.deadline, answer))
    }

    async fn want(
        &self,
        key: &StreamKey,
        wanted: Wanted,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        let slot = self.slot(key.tenant().clone(), key.id().clone())?;
        slot.deliver(Delivery::System { wanted, deadline, reply })?;
        self.wait(deadline, answer).await
    }

    /// Waits for the entity's own word. Without one it isn't known what happened: the command may
    /// be in a commit whose end is still open.
    async fn wait<T>(
        &self,
        deadline: Instant,
        answer: oneshot::Receiver<Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match timeout_at(deadline + self.services.options.answer_grace, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(Failure::TimedOut),
        }
    }
}

impl<K: Entity> KindPort for Region<K> {
    fn kind(&self) -> &'static str {
        K::KIND
    }

    fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| !slot.has_work())
    }

    fn reopen(&self) {
        self.slots.iter().filter(|slot| slot.has_work()).for_each(|slot| slot.ring());
    }

    fn stop(&self) {
        self.slots.iter().for_each(|slot| slot.stop());
    }

    fn ask(&self, request: Request) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(self.ask_in(request, None))
    }

    fn ask_linked(
        &self,
        request: Request,
        group: Arc<LinkGroup>,
    ) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(self.ask_in(request, Some(group)))
    }

    fn deliver<'a>(
        &'a self,
        key: &'a StreamKey,
        message: SystemMessage,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(self.want(key, Wanted::Digest(message), deadline))
    }

    fn wake<'a>(
        &'a self,
        key: &'a StreamKey,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(self.want(key, Wanted::Wake, deadline))
    }

    fn effect_ordinal<'a>(
        &'a self,
        key: &'a StreamKey,
        id: &'a EffectId,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(self.want(key, Wanted::Ordinal(id.clone()), deadline))
    }

    fn is_resident(&self, key: &StreamKey) -> bool {
        self.slots.contains_key(&(key.tenant().clone(), key.id().clone()))
    }

    fn view(
        &self,
        tenant: TenantId,
        id: EntityId,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<View, Failure>> {
        Box::pin(async move {
            let (reply, view) = oneshot::channel();
            self.slot(tenant, id)?.deliver(Delivery::View { deadline, reply })?;
            self.wait(deadline, view).await
        })
    }
}
