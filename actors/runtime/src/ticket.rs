//! A decision on its way to the journal.
//!
//! A ticket is open from the moment it is handed to the writer until it ends, and it ends in one
//! way only: its events are durable ([`Held::committed`]) or they never will be
//! ([`Held::fallen`]). That a commit's answer was lost is not an end: the writer finds out first.
//!
//! **Invariants:** tickets of one incarnation end in the order in which they were handed in; once
//! one has fallen, every later one of the same incarnation falls; a new incarnation starts only
//! when no ticket of the old one is open.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use coppice_core::{CommandId, Epoch, EventRecord, ShardId, StreamHead, StreamKey, Timestamp};
use coppice_persistence::{CommandRecord, Snapshot};

use crate::link::LinkGroup;

/// Why tickets of an incarnation fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fall {
    /// The stream moved on without it, or a linked entity fell: reload and decide again.
    Reload,
    /// A command of the batch was answered before: reload, look it up and decide the rest again.
    /// It is not counted against the commands beside it, since each such fall finds a repeat.
    Repeat,
    /// The store can't take the events: what it holds of the stream contradicts itself.
    Damaged,
    /// The shard is another node's.
    NotOwner,
    /// The store is full; nothing was written.
    Full,
    /// The store could not take the append, and nothing was written.
    Store,
    /// A command that this one was linked with was not accepted.
    Unlinked,
}

impl Fall {
    /// Whether the commands are decided again.
    #[must_use]
    pub const fn decides_again(self) -> bool {
        matches!(self, Self::Reload | Self::Repeat)
    }
}

/// What waits for a ticket's end: the caller's reply handle, or the command itself.
pub trait Held: Send + Sync {
    /// The events are durable: answer.
    fn committed(self: Box<Self>);
    /// They never will be: give the command back, or say so.
    fn fallen(self: Box<Self>, fall: Fall);
}

/// What a fallen incarnation tells its entity.
pub trait Wake: Send + Sync {
    /// Something that the entity waited for has happened.
    fn wake(&self);
    /// These commands were answered before: look them up before deciding them again.
    fn answered_before(&self, commands: &[CommandId]);
}

/// One life of an entity in memory, as the writer and the host share it.
pub struct Incarnation {
    /// Whose.
    pub key: StreamKey,
    /// The shard that owns it.
    pub shard: ShardId,
    /// The epoch that it decides under.
    pub epoch: Epoch,
    open: AtomicUsize,
    fall: AtomicU8,
    host_waits: AtomicBool,
    entity: Arc<dyn Wake>,
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incarnation")
            .field("key", &self.key)
            .field("epoch", &self.epoch)
            .field("open", &self.open())
            .field("fall", &self.fall())
            .finish_non_exhaustive()
    }
}

impl Incarnation {
    /// A new life, with no ticket open.
    #[must_use]
    pub fn new(key: StreamKey, shard: ShardId, epoch: Epoch, entity: Arc<dyn Wake>) -> Self {
        Self {
            key,
            shard,
            epoch,
            open: AtomicUsize::new(0),
            fall: AtomicU8::new(0),
            host_waits: AtomicBool::new(false),
            entity,
        }
    }

    /// Tickets that have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Counts tickets that are about to be handed to the writer.
    pub(crate) fn opened(&self, count: usize) {
        self.open.fetch_add(count, Ordering::AcqRel);
    }

    /// Counts one that ended, and wakes the host if it waits for that.
    pub(crate) fn ended(&self) {
        // Sequentially consistent with the host: either it sees the end or we see it wait.
        self.open.fetch_sub(1, Ordering::SeqCst);
        if self.host_waits.swap(false, Ordering::SeqCst) {
            self.entity.wake();
        }
    }

    /// The host stops until a ticket ends. It must look at what it waits for once more after
    /// this: the last ticket may have ended in between.
    pub(crate) fn host_waits(&self) {
        self.host_waits.swap(true, Ordering::SeqCst);
    }

    /// Why it fell, if it has.
    #[must_use]
    pub fn fall(&self) -> Option<Fall> {
        match self.fall.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Fall::Reload),
            2 => Some(Fall::NotOwner),
            3 => Some(Fall::Full),
            4 => Some(Fall::Store),
            6 => Some(Fall::Repeat),
            7 => Some(Fall::Damaged),
            _ => Some(Fall::Unlinked),
        }
    }

    /// Lets it fall; the first reason stays.
    pub(crate) fn let_fall(&self, fall: Fall) {
        let code = match fall {
            Fall::Reload => 1,
            Fall::NotOwner => 2,
            Fall::Full => 3,
            Fall::Store => 4,
            Fall::Unlinked => 5,
            Fall::Repeat => 6,
            Fall::Damaged => 7,
        };
        // A later reason finds the first one in place, which is the one to be told.
        let _first = self.fall.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire);
        self.entity.wake();
    }

    pub(crate) fn answered_before(&self, commands: &[CommandId]) {
        self.entity.answered_before(commands);
    }
}

/// What a ticket writes.
#[derive(Debug)]
pub struct Writing {
    /// Where the stream ends before it.
    pub expected: StreamHead,
    /// May be empty where only the command's record is written.
    pub events: Vec<EventRecord>,
    /// The record of a keyed command.
    pub command: Option<CommandRecord>,
    /// When the first timer is due after it.
    pub wake_at: Option<Timestamp>,
    /// Whether effects are outstanding after it.
    pub owes: bool,
    /// Whether the decision before it, known to be what the entity's row says, left both the same.
    pub waits_as_before: bool,
    /// A snapshot of the state after it, kept once it is durable.
    pub snapshot: Option<Snapshot>,
}

impl Writing {
    /// About how much it adds to a commit, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let events: usize = self.events.iter().map(|event| event.body.payload.len() + 256).sum();
        events + self.command.as_ref().map_or(0, |command| command.reply.len() + 128)
    }

    /// Where the stream ends after it.
    #[must_use]
    pub fn resulting_head(&self) -> StreamHead {
        self.events.last().map_or(self.expected, EventRecord::head)
    }
}

/// A decision, or an answer that waits behind decisions.
pub struct Ticket {
    /// Whose life it belongs to.
    pub incarnation: Arc<Incarnation>,
    /// What it writes; `None` for an answer that writes nothing.
    pub writing: Option<Writing>,
    /// The commands of other entities that it commits with or not at all.
    pub link: Option<Arc<LinkGroup>>,
    /// What waits for its end; taken when it ends.
    held: Option<Box<dyn Held>>,
    /// Whether its incarnation counts it as open.
    counted: bool,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("incarnation", &self.incarnation)
            .field("writing", &self.writing)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

impl Ticket {
    /// A ticket of an incarnation.
    #[must_use]
    pub fn new(
        incarnation: Arc<Incarnation>,
        writing: Option<Writing>,
        link: Option<Arc<LinkGroup>>,
        held: Box<dyn Held>,
    ) -> Self {
        Self { incarnation, writing, link, held: Some(held), counted: false }
    }

    /// Its incarnation counts it as open from now on.
    pub(crate) fn counted(&mut self) {
        self.counted = true;
    }

    pub(crate) fn commit(mut self) {
        if let Some(held) = self.held.take() {
            held.committed();
            self.incarnation.ended();
        }
    }

    pub(crate) fn drop_with(mut self, fall: Fall) {
        if let Some(held) = self.held.take() {
            held.fallen(fall);
            self.incarnation.ended();
        }
    }
}

/// One that is dropped before its end goes with a writer that crashed or was killed. Whether it was
/// committed isn't known, so its caller is told nothing, and the entity reads its journal again.
impl Drop for Ticket {
    fn drop(&mut self) {
        if self.held.take().is_some() && self.counted {
            if let Some(group) = &self.link {
                group.break_up();
            }
            self.incarnation.let_fall(Fall::Reload);
            self.incarnation.ended();
        }
    }
}
