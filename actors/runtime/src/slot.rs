//! An entity's place in the region: its mailbox, which outlives every actor instance, and the bell
//! to whichever instance is alive.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use coppice_core::sensitive::Vault;
use coppice_core::{
    CommandId, CorrelationId, EffectId, Entity, EntityKind, Hash, StreamId, StreamKey,
};
use coppice_persistence::Store;
use parking_lot::Mutex;
use ractor::ActorRef;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::error;

use crate::answer::{Answer, Failure, View};
use crate::cell::{self, Ring};
use crate::clock::Clock;
use crate::crash::Crashes;
use crate::host::Host;
use crate::lease::Lease;
use crate::link::LinkGroup;
use crate::mailbox::{Bell, Mailbox};
use crate::options::RuntimeOptions;
use crate::ticket::Wake;
use crate::work::message::SystemMessage;
use crate::work::pool::Pools;
use crate::work::quarantine::Quarantine;
use crate::work::timers::Timers;
use crate::writer::WriterHandle;

/// What every entity of a node shares.
pub struct Services {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Group commit.
    pub writer: WriterHandle,
    /// Who may speak for which entity.
    pub lease: Arc<dyn Lease>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Keys of personal data; without it, kinds that hold any can't be written.
    pub vault: Option<Arc<dyn Vault>>,
    /// Where effects go out.
    pub pools: Pools,
    /// The next timer of every entity in memory.
    pub timers: Timers,
    /// What is out of delivery.
    pub quarantine: Quarantine,
    /// Limits.
    pub options: RuntimeOptions,
    /// Set once the node goes down: nothing new is taken in and no cell is started again.
    pub closing: AtomicBool,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A command with everything that its answer needs.
pub(crate) struct Order<K: Entity> {
    pub(crate) command: K::Command,
    pub(crate) id: CommandId,
    /// SHA-256 of the body where the caller gave a key and the answer must be kept.
    pub(crate) keyed: Option<Hash>,
    pub(crate) correlation: CorrelationId,
    pub(crate) origin: Origin,
    pub(crate) deadline: Instant,
    pub(crate) link: Option<Arc<LinkGroup>>,
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
    /// To digest a message.
    Digest(SystemMessage),
    /// To be in memory and look after what it owes.
    Wake,
    /// To say under which ordinal an effect is outstanding; the reply is a number or `null`.
    Ordinal(EffectId),
}

/// What waits in a mailbox.
pub(crate) enum Delivery<K: Entity> {
    Command(Box<Order<K>>),
    System { wanted: Wanted, deadline: Instant, reply: oneshot::Sender<Result<Answer, Failure>> },
    View { deadline: Instant, reply: oneshot::Sender<Result<View, Failure>> },
}

impl<K: Entity> Delivery<K> {
    pub(crate) fn deadline(&self) -> Instant {
        match self {
            Self::Command(order) => order.deadline,
            Self::View { deadline, .. } | Self::System { deadline, .. } => *deadline,
        }
    }

    /// Answers with a failure. A caller that went away hears nothing, and that is fine.
    pub(crate) fn fail(self, failure: Failure) {
        match self {
            Self::Command(order) => order.fail(failure),
            Self::System { reply, .. } => drop(reply.send(Err(failure))),
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
    cell: Mutex<Option<ActorRef<Ring>>>,
}

impl<K: Entity> Slot<K> {
    pub(crate) fn new(key: StreamKey, services: Arc<Services>) -> Self {
        Self {
            key,
            mailbox: Mailbox::new(services.options.mailbox_capacity),
            returned: Mutex::new(Vec::new()),
            answered_before: Mutex::new(Vec::new()),
            crashes: Mutex::new(None),
            services,
            cell: Mutex::new(None),
        }
    }

    pub(crate) fn deliver(self: &Arc<Self>, delivery: Delivery<K>) -> Result<(), Failure> {
        if self.services.closing.load(Ordering::Relaxed) {
            return Err(Failure::ShuttingDown);
        }
        let pushed = match delivery {
            // As many as the entity has timers and effects, and counted there.
            system @ Delivery::System { .. } => Ok(self.mailbox.push_over(system)),
            other => self.mailbox.push(other),
        };
        match pushed {
            Ok(Bell::Ring) => self.wake_cell(),
            Ok(Bell::Silent) => {}
            Err(full) => return Err(Failure::MailboxFull { depth: full.depth }),
        }
        Ok(())
    }

    /// Has the entity look at its mailbox.
    pub(crate) fn ring(self: &Arc<Self>) {
        if self.mailbox.ring() == Bell::Ring {
            self.wake_cell();
        }
    }

    /// Rings the living cell, or starts one.
    pub(crate) fn wake_cell(self: &Arc<Self>) {
        if self.services.closing.load(Ordering::Relaxed) {
            return;
        }
        let mut cell = self.cell.lock();
        if cell.as_ref().is_some_and(|actor| actor.cast(Ring).is_ok()) {
            return;
        }
        match cell::start(Host::new(Arc::clone(self))) {
            Ok(actor) => {
                if actor.cast(Ring).is_err() {
                    error!(key = %self.key, "a new cell took no ring");
                }
                *cell = Some(actor);
            }
            Err(fault) => error!(key = %self.key, error = %fault, "a cell did not start"),
        }
    }

    /// Ends the cell for good; what waits is dropped, and its callers learn nothing.
    pub(crate) fn stop(&self) {
        if let Some(actor) = self.cell.lock().take() {
            actor.stop(None);
        }
    }

    /// Whether anything waits to be decided.
    pub(crate) fn has_work(&self) -> bool {
        !self.returned.lock().is_empty() || !self.mailbox.is_empty()
    }

    /// The cell's worker is gone. Where that was no orderly end, work may wait: start another.
    pub(crate) fn cell_ended(self: &Arc<Self>) {
        *self.cell.lock() = None;
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
