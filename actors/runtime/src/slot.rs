//! An entity's place in the region: its mailbox, which outlives every cell, and the bell to one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use coppice_core::{
    CommandId, CorrelationId, EffectId, Entity, EntityKind, Hash, Sequence, StreamId, StreamKey,
    SubjectId,
};
use parking_lot::Mutex;
use ractor::ActorRef;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::error;

use crate::answer::{Answer, Failure, View};
use crate::cell::{self, Ring};
use crate::crash::Crashes;
use crate::host::Host;
use crate::inspect::{Activity, ActorReport};
use crate::life::Life;
use crate::link::LinkGroup;
use crate::mailbox::{Bell, Mailbox, Refused};
use crate::personal::Holdings;
use crate::services::Services;
use crate::temperature::{CELL_BYTES, Lines, SLOT_BYTES, Temperature};
use crate::ticket::{Incarnation, Wake};
use crate::work::message::SystemMessage;

/// [`Activity::Idle`] as it is kept.
const IDLE: u8 = 0;

/// What an order asks of an entity.
pub(crate) enum Intent<K: Entity> {
    /// To decide one of its kind's commands.
    Command(K::Command),
    /// To end its stream with a tombstone.
    Delete,
}

/// A command with everything that its answer needs.
pub(crate) struct Order<K: Entity> {
    pub(crate) intent: Intent<K>,
    pub(crate) id: CommandId,
    /// SHA-256 of the body where the caller gave a key and the answer must be kept.
    pub(crate) keyed: Option<Hash>,
    pub(crate) correlation: CorrelationId,
    pub(crate) trace: Option<crate::trace::Trace>,
    /// Where the stream must end for it to be decided.
    pub(crate) expected: Option<Sequence>,
    /// Whether the entity's id was drawn for it; see [`Request::begins`](crate::Request::begins).
    pub(crate) begins: bool,
    pub(crate) origin: Origin,
    pub(crate) received: Instant,
    pub(crate) deadline: Instant,
    pub(crate) link: Option<Arc<LinkGroup>>,
    /// Whether nothing is computed behind it: it may have been there before, or can't be made again,
    /// so it is recorded before anything else may end the process.
    pub(crate) alone: bool,
    /// How often its ticket fell.
    pub(crate) falls: u8,
    pub(crate) reply: oneshot::Sender<Result<Answer, Failure>>,
}

/// Where a command comes from.
pub(crate) enum Origin {
    /// A caller, or an entity by way of an effect; kept as it came, for the dead letters.
    Caller { name: String, body: Bytes, sender: Option<StreamId> },
    /// A timer or the outcome of an effect; where its ticket falls, the command is made anew.
    System(SystemMessage),
}

/// What the system itself wants of an entity.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// To digest a message; by itself where it is delivered again, see [`Order::alone`].
    Digest { message: SystemMessage, alone: bool },
    /// The same, though it is out of delivery: an operator says so.
    Settle(SystemMessage),
    /// To be in memory and look after what it owes.
    Wake,
    /// To say under which ordinal an effect is outstanding; the reply is a number or `null`.
    Ordinal(EffectId),
    /// To let go of what it has in memory of a subject that was erased.
    Forget(SubjectId),
    /// To end this life; the next one reads the journal.
    Restart,
}

/// What waits in a mailbox.
pub(crate) enum Delivery<K: Entity> {
    Command(Box<Order<K>>),
    System(Box<SystemDelivery>),
    View { received: Instant, deadline: Instant, reply: oneshot::Sender<Result<View, Failure>> },
}

/// What the system wants of an entity, until when, and who waits.
pub(crate) struct SystemDelivery {
    pub(crate) wanted: Wanted,
    pub(crate) received: Instant,
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Result<Answer, Failure>>,
}

impl SystemDelivery {
    pub(crate) fn answer(self, answer: Result<Answer, Failure>) {
        drop(self.reply.send(answer));
    }
}

impl<K: Entity> Delivery<K> {
    pub(crate) fn deadline(&self) -> Instant {
        match self {
            Self::Command(order) => order.deadline,
            Self::System(system) => system.deadline,
            Self::View { deadline, .. } => *deadline,
        }
    }

    pub(crate) fn received(&self) -> Instant {
        match self {
            Self::Command(order) => order.received,
            Self::System(system) => system.received,
            Self::View { received, .. } => *received,
        }
    }

    /// Answers with a failure. A caller that went away hears nothing, and that is fine.
    pub(crate) fn fail(self, failure: Failure) {
        match self {
            Self::Command(order) => order.fail(failure),
            Self::System(system) => system.answer(Err(failure)),
            Self::View { reply, .. } => drop(reply.send(Err(failure))),
        }
    }
}

impl<K: Entity> Order<K> {
    /// The entity that sent it, if one did.
    pub(crate) fn sender(&self) -> Option<StreamId> {
        match &self.origin {
            Origin::Caller { sender, .. } => *sender,
            Origin::System(_) => None,
        }
    }

    pub(crate) fn fail(self, failure: Failure) {
        if let Some(group) = &self.link {
            group.break_up();
        }
        drop(self.reply.send(Err(failure)));
    }

    pub(crate) fn answer(self, answer: Answer) {
        drop(self.reply.send(Ok(answer)));
    }
}

/// An entity's place.
pub(crate) struct Slot<K: Entity> {
    pub(crate) key: StreamKey,
    pub(crate) mailbox: Mailbox<Delivery<K>>,
    /// Commands whose tickets fell, in order; they come before the mailbox.
    pub(crate) returned: Mutex<Vec<Delivery<K>>>,
    /// Commands that the store says were answered before.
    pub(crate) answered_before: Mutex<Vec<CommandId>>,
    /// Allocated by the first crash.
    pub(crate) crashes: Mutex<Option<Box<Crashes>>>,
    pub(crate) services: Arc<Services>,
    /// The lines of its region.
    pub(crate) lines: Arc<Lines<K>>,
    /// The state while it hibernates.
    pub(crate) asleep: Mutex<Option<Box<Life<K>>>>,
    cell: Mutex<Cell>,
    /// What the cell does and since when, in seconds of its region.
    activity: AtomicU8,
    activity_since: AtomicU32,
    pub(crate) decided: AtomicU64,
    /// The present life, for whoever looks.
    pub(crate) incarnation: Mutex<Option<Arc<Incarnation>>>,
    /// Whose personal data the present life has in memory.
    pub(crate) personal: Holdings,
    /// When it was last used, in seconds of its region.
    used_at: AtomicU32,
    sleeps: AtomicU32,
    drowsy: AtomicBool,
    weight: AtomicUsize,
}

/// The living cell, and how many there have been: an old one must not take a new one away.
#[derive(Default)]
struct Cell {
    number: u64,
    actor: Option<ActorRef<Ring>>,
}

impl<K: Entity> Slot<K> {
    pub(crate) fn new(key: StreamKey, services: Arc<Services>, lines: Arc<Lines<K>>) -> Self {
        lines.weigh(0, SLOT_BYTES);
        let used_at = AtomicU32::new(lines.now());
        Self {
            key,
            mailbox: Mailbox::new(services.options.mailbox_capacity),
            returned: Mutex::new(Vec::new()),
            answered_before: Mutex::new(Vec::new()),
            crashes: Mutex::new(None),
            services,
            lines,
            asleep: Mutex::new(None),
            cell: Mutex::default(),
            activity: AtomicU8::new(0),
            activity_since: AtomicU32::new(0),
            decided: AtomicU64::new(0),
            incarnation: Mutex::new(None),
            personal: Holdings::default(),
            used_at,
            sleeps: AtomicU32::new(0),
            drowsy: AtomicBool::new(false),
            weight: AtomicUsize::new(SLOT_BYTES),
        }
    }

    /// Takes something in; gives it back where the entity has left the memory meanwhile.
    ///
    /// # Errors
    /// Why it isn't taken in.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        delivery: Delivery<K>,
    ) -> Result<Option<Delivery<K>>, Failure> {
        if self.services.closing.load(Ordering::Relaxed) {
            return Err(Failure::ShuttingDown);
        }
        self.used_at.store(self.lines.now(), Ordering::Relaxed);
        let pushed = match delivery {
            // As many as somebody asks for.
            Delivery::System(system) if matches!(system.wanted, Wanted::Restart) => {
                self.mailbox.push(Delivery::System(system))
            }
            // As many as the entity has timers and effects, and counted there.
            system @ Delivery::System(_) => self.mailbox.push_over(system),
            other => self.mailbox.push(other),
        };
        match pushed {
            Ok(Bell::Ring) => self.wake_cell(),
            Ok(Bell::Silent) => {}
            Err(Refused::Full { depth, .. }) => return Err(Failure::MailboxFull { depth }),
            Err(Refused::Closed(delivery)) => return Ok(Some(delivery)),
        }
        Ok(None)
    }

    /// Has the entity look at its mailbox.
    pub(crate) fn ring(self: &Arc<Self>) {
        if self.mailbox.ring() == Bell::Ring {
            self.wake_cell();
        }
    }

    /// Rings the living cell, or starts one.
    pub(crate) fn wake_cell(self: &Arc<Self>) {
        let mut cell = self.cell.lock();
        if cell.actor.as_ref().is_some_and(|actor| actor.cast(Ring).is_ok()) {
            return;
        }
        if self.services.closing.load(Ordering::Relaxed) {
            // Nobody hears it now; where the region opens again, it must ring anew.
            self.mailbox.silence();
            return;
        }
        cell.number += 1;
        match cell::start(Host::new(Arc::clone(self), cell.number)) {
            Ok(actor) => {
                if actor.cast(Ring).is_err() {
                    error!(key = %self.key, "a new cell took no ring");
                }
                if cell.actor.replace(actor).is_none() {
                    self.lines.is_warm(self);
                    self.lines.bytes.fetch_add(CELL_BYTES, Ordering::Relaxed);
                    self.lines.running.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(fault) => error!(key = %self.key, error = %fault, "a cell did not start"),
        }
    }

    /// Ends the cell for good. What waits was never decided, or fell: its callers are told so, or
    /// they would wait for it until their deadlines.
    pub(crate) fn stop(&self) {
        if let Some(actor) = &self.cell.lock().actor {
            actor.stop(None);
        }
        let returned = std::mem::take(&mut *self.returned.lock());
        let waiting = returned.into_iter().chain(self.mailbox.close());
        waiting.for_each(|delivery| delivery.fail(Failure::ShuttingDown));
    }

    /// How warm it is.
    pub(crate) fn temperature(&self) -> Temperature {
        if self.cell.lock().actor.is_some() {
            Temperature::Running
        } else {
            Temperature::Hibernated
        }
    }

    pub(crate) fn used_at(&self) -> u32 {
        self.used_at.load(Ordering::Relaxed)
    }

    pub(crate) fn sleeps(&self) -> u32 {
        self.sleeps.load(Ordering::Relaxed)
    }

    /// Notes what the cell does from now on.
    pub(crate) fn does(&self, activity: Activity) {
        let code = match activity {
            Activity::Idle => IDLE,
            Activity::Recovering => 1,
            Activity::Deciding => 2,
            Activity::LookingUp => 3,
        };
        self.activity_since.store(self.lines.now(), Ordering::Relaxed);
        self.activity.store(code, Ordering::Release);
    }

    /// Whether the cell has something in its hands, which then is in no mailbox any more.
    pub(crate) fn is_busy(&self) -> bool {
        self.activity.load(Ordering::Acquire) != IDLE
    }

    /// What the cell does, and for how long.
    pub(crate) fn activity(&self) -> (Activity, Duration) {
        let activity = match self.activity.load(Ordering::Relaxed) {
            IDLE => Activity::Idle,
            1 => Activity::Recovering,
            2 => Activity::Deciding,
            _ => Activity::LookingUp,
        };
        let since = self.activity_since.load(Ordering::Relaxed);
        (activity, Duration::from_secs(u64::from(self.lines.now().saturating_sub(since))))
    }

    /// What there is to see.
    pub(crate) fn report(&self) -> ActorReport {
        let (activity, activity_for) = self.activity();
        let now = Instant::now();
        let incarnation = self.incarnation.lock().clone();
        let crashes = self.crashes.lock();
        let window = self.services.options.crash_window;
        let unused_s = self.lines.now().saturating_sub(self.used_at());
        ActorReport {
            key: self.key.clone(),
            temperature: self.temperature(),
            activity,
            activity_for,
            mailbox_len: self.mailbox.len(),
            oldest_age: self.mailbox.first(|first| now.duration_since(first.received())),
            tickets_open: incarnation.as_ref().map_or(0, |life| life.open()),
            epoch: incarnation.map(|life| life.epoch),
            decided_total: self.decided.load(Ordering::Relaxed),
            crashes_total: crashes.as_ref().map_or(0, |crashes| crashes.total),
            crashes_in_window: crashes.as_ref().map_or(0, |crashes| crashes.recent(now, window)),
            last_error: crashes.as_ref().map(|crashes| crashes.last.clone()),
            unused_for: Duration::from_secs(u64::from(unused_s)),
            quarantined: self.services.quarantine.holds_entity(self.key.stream()),
        }
    }

    /// Asks the cell to fall asleep, if it still finds nothing to do.
    pub(crate) fn make_drowsy(self: &Arc<Self>) {
        self.drowsy.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// Whether it was asked to fall asleep; asks once.
    pub(crate) fn is_drowsy(&self) -> bool {
        self.drowsy.load(Ordering::Relaxed) && self.drowsy.swap(false, Ordering::Relaxed)
    }

    /// Notes how much memory the state takes.
    pub(crate) fn weigh(&self, state_bytes: usize) {
        let weight = SLOT_BYTES + state_bytes;
        self.lines.weigh(self.weight.swap(weight, Ordering::Relaxed), weight);
    }

    /// Lets go of the memory, if nothing is going on; whether it did. The slot takes nothing in
    /// any more then.
    pub(crate) fn passivate(&self) -> bool {
        let cell = self.cell.lock();
        if cell.actor.is_some() || self.has_work() {
            return false;
        }
        let mut asleep = self.asleep.lock();
        let may = asleep.as_mut().is_none_or(|life| life.may_passivate(&self.services));
        if !may || !self.mailbox.close_if_empty() {
            return false;
        }
        *asleep = None;
        *self.incarnation.lock() = None;
        self.lines.weigh(self.weight.swap(0, Ordering::Relaxed), 0);
        self.services.timers.arm(&self.key, None);
        true
    }

    /// Whether the store need not be asked for the entity: the first that waits came with its id, and
    /// nothing has been decided on it yet. What fell comes back behind a life, so that it is asked
    /// then.
    pub(crate) fn begins(&self) -> bool {
        let first = |first: &Delivery<K>| matches!(first, Delivery::Command(order) if order.begins);
        self.incarnation.lock().is_none() && self.mailbox.first(first) == Some(true)
    }

    /// Whether anything waits to be decided.
    pub(crate) fn has_work(&self) -> bool {
        !self.returned.lock().is_empty() || !self.mailbox.is_empty()
    }

    /// The cell's worker is gone. Where that was no orderly end, work may wait: start another.
    pub(crate) fn cell_ended(self: &Arc<Self>, number: u64) {
        {
            let mut cell = self.cell.lock();
            if cell.number != number {
                return;
            }
            if cell.actor.take().is_some() {
                if self.asleep.lock().is_some() {
                    self.lines.hibernated.fetch_add(1, Ordering::Relaxed);
                }
                self.sleeps.fetch_add(1, Ordering::Relaxed);
                self.lines.bytes.fetch_sub(CELL_BYTES, Ordering::Relaxed);
                self.lines.running.fetch_sub(1, Ordering::Relaxed);
                self.lines.is_cold(self);
            }
        }
        // What it had in its hands is back in the mailbox.
        self.does(Activity::Idle);
        self.mailbox.silence();
        if self.has_work() {
            self.ring();
        }
    }
}

/// How the writer reaches a slot without holding it alive or knowing its kind.
pub(crate) struct SlotBell<K: Entity>(pub(crate) std::sync::Weak<Slot<K>>);

impl<K: Entity> Wake for SlotBell<K> {
    fn wake(&self) {
        if let Some(slot) = self.0.upgrade()
            && slot.mailbox.ring() == Bell::Ring
        {
            slot.wake_cell();
        }
    }

    fn answered_before(&self, commands: &[CommandId]) {
        if let Some(slot) = self.0.upgrade() {
            slot.answered_before.lock().extend_from_slice(commands);
        }
    }
}

/// The kind's name as an id; kinds are named by constants, so a bad one is a programmer's error.
pub(crate) fn kind_of<K: Entity>() -> EntityKind {
    EntityKind::new(K::KIND).expect("an entity kind's name is a lower-case word")
}
