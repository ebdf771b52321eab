//! All entities of one kind on this node: from an id to its slot.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coppice_core::hash::sha256;
use coppice_core::{
    Access, CommandError, EffectId, Entity, EntityId, EntityKind, StreamKey, SubjectId, TenantId,
};
use dashmap::DashMap;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::error;

use crate::answer::{Answer, Failure, Request, View};
use crate::inspect::{Activity, ActorReport, Census};
use crate::link::LinkGroup;
use crate::registry::KindPort;
use crate::services::Services;
use crate::slot::{Delivery, Intent, Order, Origin, Slot, SystemDelivery, Wanted, kind_of};
use crate::temperature::{Lines, Temperature};
use crate::work::message::SystemMessage;

/// The entities of kind `K`.
pub struct Region<K: Entity> {
    /// One name for all of them.
    kind: EntityKind,
    slots: DashMap<(TenantId, EntityId), Arc<Slot<K>>>,
    residents: AtomicUsize,
    lines: Arc<Lines<K>>,
    stuck: AtomicUsize,
    commands_open: AtomicUsize,
    services: Arc<Services>,
}

/// How many times its limit an entity may take before it counts as stuck rather than slow.
const STUCK_FACTOR: u32 = 5;

/// How many hibernated entities a command looks at to make room for another.
const ROOM_TRIES: usize = 16;

/// Entities that one look passivates, so that it holds a thread for some milliseconds at most.
const PASSIVATIONS_MAX: usize = 10_000;

/// Reports that are gathered before the first are picked, however few are wanted.
const REPORTS_MIN: usize = 64;

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
        let (slots, residents) = (DashMap::new(), AtomicUsize::new(0));
        Self {
            kind: kind_of::<K>(),
            slots,
            residents,
            lines: Arc::new(Lines::new()),
            stuck: AtomicUsize::new(0),
            commands_open: AtomicUsize::new(0),
            services,
        }
    }

    fn slot(&self, tenant: TenantId, id: EntityId) -> Result<Arc<Slot<K>>, Failure> {
        let place = (tenant, id);
        if let Some(slot) = self.slots.get(&place) {
            return Ok(Arc::clone(&slot));
        }
        if self.residents.load(Ordering::Relaxed) >= self.services.options.residents_max
            && !self.make_room()
        {
            return Err(Failure::ResidentsFull);
        }
        let key = StreamKey::new(place.0.clone(), self.kind.clone(), place.1.clone());
        let slot = self.slots.entry(place).or_insert_with(|| {
            self.residents.fetch_add(1, Ordering::Relaxed);
            Arc::new(Slot::new(key, Arc::clone(&self.services), Arc::clone(&self.lines)))
        });
        Ok(Arc::clone(&slot))
    }

    /// Delivers to an entity's slot, or to the next where it has just left the memory.
    fn take_in(
        &self,
        tenant: &TenantId,
        id: &EntityId,
        mut delivery: Delivery<K>,
    ) -> Result<(), Failure> {
        loop {
            let slot = self.slot(tenant.clone(), id.clone())?;
            let taken = slot.deliver(delivery).inspect_err(|failure| {
                let refused = u64::from(matches!(failure, Failure::MailboxFull { .. }));
                self.lines.refused.fetch_add(refused, Ordering::Relaxed);
            })?;
            match taken {
                None => return Ok(()),
                Some(back) => {
                    delivery = back;
                    self.forget(&slot);
                }
            }
        }
    }

    /// Takes a slot that is closed out of the map.
    fn forget(&self, slot: &Arc<Slot<K>>) {
        let place = (slot.key.tenant().clone(), slot.key.id().clone());
        if self.slots.remove_if(&place, |_, held| Arc::ptr_eq(held, slot)).is_some() {
            self.residents.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Passivates one entity that hibernates; false where none could be.
    fn make_room(&self) -> bool {
        (0..ROOM_TRIES).any(|_| self.lines.coldest(0).is_some_and(|slot| self.passivate(&slot)))
    }

    fn passivate(&self, slot: &Arc<Slot<K>>) -> bool {
        if slot.passivate() {
            self.forget(slot);
            self.lines.passivated.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        if slot.temperature() == Temperature::Hibernated {
            self.lines.is_cold(slot);
        }
        false
    }

    fn is_crowded(&self) -> bool {
        let options = &self.services.options;
        let full = |held: usize, limit: usize| held > limit - limit / 20;
        full(self.residents.load(Ordering::Relaxed), options.residents_max)
            || full(self.lines.bytes.load(Ordering::Relaxed), options.resident_bytes_max)
    }

    /// Lets entities cool down that nobody has used for a while, and more where it is crowded.
    fn cool_down(&self) {
        let options = &self.services.options;
        let seconds = |after: Duration| u32::try_from(after.as_secs()).unwrap_or(u32::MAX);
        self.lines.cool(seconds(options.hibernate_after).max(1));
        // Each at most once: one that must stay goes to the end of the line.
        for _ in 0..self.lines.cold_len().min(PASSIVATIONS_MAX) {
            let idle_s =
                if self.is_crowded() { 0 } else { seconds(options.passivate_after).max(1) };
            let Some(slot) = self.lines.coldest(idle_s) else { return };
            // Those behind it want their snapshots taken in as well, and wait for the next look.
            if !self.passivate(&slot) && self.services.snapshots.capacity() == 0 {
                return;
            }
        }
    }

    /// Names entities whose own code doesn't come back. Nothing can end it but the process; that it
    /// stands in the log and the census is what there is to do.
    fn find_stuck(&self) {
        let limit = self.services.options.decide_limit * STUCK_FACTOR;
        let mut stuck = 0;
        self.lines.running(|slot| {
            let (activity, time) = slot.activity();
            if activity == Activity::Deciding && time > limit {
                stuck += 1;
                error!(key = %slot.key, seconds = time.as_secs(), "entity is stuck in its own code");
            }
        });
        self.stuck.store(stuck, Ordering::Relaxed);
    }

    async fn ask_in(
        &self,
        request: Request,
        link: Option<Arc<LinkGroup>>,
    ) -> Result<Answer, Failure> {
        let _counted = Counted::by(&self.commands_open);
        if let Some(group) = &link {
            group.limit(request.deadline);
        }
        let asked =
            Self::parse(&request).and_then(|intent| self.deliver(intent, request, link.clone()));
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

    fn parse(request: &Request) -> Result<Intent<K>, Failure> {
        let parsed = K::parse(&request.command, &request.body);
        parsed.map(Intent::Command).map_err(|error| match error {
            CommandError::UnknownCommand(name) => Failure::UnknownCommand(name),
            CommandError::Body(problem) => Failure::InvalidBody(problem),
        })
    }

    fn deliver(
        &self,
        intent: Intent<K>,
        request: Request,
        link: Option<Arc<LinkGroup>>,
    ) -> Result<(Instant, oneshot::Receiver<Result<Answer, Failure>>), Failure> {
        let (tenant, id) = (request.tenant, request.id);
        let (reply, answer) = oneshot::channel();
        // Its sender delivers it again, and is to find out what is to blame.
        let alone = request.sender.is_some();
        let order = Order {
            intent,
            id: request.command_id,
            keyed: request.keyed.then(|| sha256(&request.body)),
            correlation: request.correlation,
            trace: request.trace,
            expected: request.expected,
            begins: request.begins,
            origin: Origin::Caller {
                name: request.command,
                body: request.body,
                sender: request.sender,
            },
            received: Instant::now(),
            deadline: request.deadline,
            link,
            alone,
            falls: 0,
            reply,
        };
        self.take_in(&tenant, &id, Delivery::Command(Box::new(order)))?;
        Ok((request.deadline, answer))
    }

    async fn want(
        &self,
        key: &StreamKey,
        wanted: Wanted,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        let system = SystemDelivery { wanted, received: Instant::now(), deadline, reply };
        self.take_in(key.tenant(), key.id(), Delivery::System(Box::new(system)))?;
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

/// Counts as one for as long as it is there.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn by(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What has waited longest first, then what has most in its mailbox.
fn keep_first(reports: &mut Vec<ActorReport>, limit: usize) {
    reports.sort_by(|a, b| {
        let of = |report: &ActorReport| (report.oldest_age, report.mailbox_len);
        of(b).cmp(&of(a)).then_with(|| a.key.id().as_str().cmp(b.key.id().as_str()))
    });
    reports.truncate(limit);
}

impl<K: Entity> KindPort for Region<K> {
    fn kind(&self) -> &'static str {
        K::KIND
    }

    fn access(&self) -> Access {
        K::ACCESS
    }

    fn keep(&self) {
        self.cool_down();
        self.find_stuck();
    }

    fn commands_open(&self) -> usize {
        self.commands_open.load(Ordering::Relaxed)
    }

    fn census(&self) -> Census {
        Census {
            kind: K::KIND,
            commands_open: self.commands_open(),
            residents: self.residents.load(Ordering::Relaxed),
            running: self.lines.running.load(Ordering::Relaxed),
            refused_total: self.lines.refused.load(Ordering::Relaxed),
            resident_bytes: self.lines.bytes.load(Ordering::Relaxed),
            hibernated_total: self.lines.hibernated.load(Ordering::Relaxed),
            passivated_total: self.lines.passivated.load(Ordering::Relaxed),
            crashes_total: self.lines.crashes.load(Ordering::Relaxed),
            stuck: self.stuck.load(Ordering::Relaxed),
        }
    }

    fn actor(&self, tenant: &TenantId, id: &EntityId) -> Option<ActorReport> {
        let slot = self.slots.get(&(tenant.clone(), id.clone()))?;
        Some(slot.report())
    }

    fn actors(&self, tenant: &TenantId, limit: usize) -> Vec<ActorReport> {
        // Never all of them at once: a look must not cost what the entities themselves do.
        let room = limit.saturating_mul(2).max(REPORTS_MIN);
        let mut reports = Vec::new();
        for slot in self.slots.iter().filter(|slot| slot.key.tenant() == tenant) {
            reports.push(slot.report());
            if reports.len() > room {
                keep_first(&mut reports, limit);
            }
        }
        keep_first(&mut reports, limit);
        reports
    }

    fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| !slot.has_work() && !slot.is_busy())
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

    fn delete(&self, request: Request) -> BoxFuture<'_, Result<Answer, Failure>> {
        Box::pin(async move {
            let _counted = Counted::by(&self.commands_open);
            let (deadline, answer) = self.deliver(Intent::Delete, request, None)?;
            self.wait(deadline, answer).await
        })
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
        alone: bool,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(self.want(key, Wanted::Digest { message, alone }, deadline))
    }

    fn settle<'a>(
        &'a self,
        key: &'a StreamKey,
        message: SystemMessage,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(self.want(key, Wanted::Settle(message), deadline))
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

    fn forget<'a>(
        &'a self,
        tenant: &'a TenantId,
        subject: &'a SubjectId,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<usize, Failure>> {
        let slots = self.slots.iter().filter(|slot| slot.key.tenant() == tenant);
        // One that is busy notes what it has in hand before it is idle again.
        let holding: Vec<StreamKey> = slots
            .filter(|slot| slot.is_busy() || slot.personal.has(subject))
            .map(|slot| slot.key.clone())
            .collect();
        Box::pin(async move {
            let asked = holding.iter().map(|key| async move {
                let forgotten = self.want(key, Wanted::Forget(subject.clone()), deadline).await;
                forgotten.map(drop).or_else(|failure| {
                    // Then it could not be read anew: it has no state in memory.
                    failure.of_recovery().then_some(()).ok_or(failure)
                })
            });
            let ends: Result<Vec<()>, Failure> = join_all(asked).await.into_iter().collect();
            ends.map(|ends| ends.len())
        })
    }

    fn restart<'a>(
        &'a self,
        key: &'a StreamKey,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            if !self.is_resident(key) {
                return Ok(false);
            }
            self.want(key, Wanted::Restart, deadline).await.map(|_| true)
        })
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
            let received = Instant::now();
            self.take_in(&tenant, &id, Delivery::View { received, deadline, reply })?;
            self.wait(deadline, view).await
        })
    }
}
