//! Commands to several entities that are accepted together or not at all.
//!
//! Each entity decides its part on its own and hands the writer a ticket that names the group.
//! The writer holds the parts, and what their entities decide after them, until all have come;
//! then they commit in one unit. A part that is refused breaks the group: every other part falls.
//!
//! **Invariant:** a group that can't complete is broken: by the part that was refused, by an
//! entity that can decide nothing more until the group ends, or at the earliest deadline of its
//! parts. Breaking it wakes the writer, so no part waits for a wake-up that nobody owes it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::writer::WriterHandle;

/// Ties the parts together.
#[derive(Debug)]
pub struct LinkGroup {
    size: usize,
    arrived: AtomicUsize,
    broken: AtomicBool,
    until: Mutex<Option<Instant>>,
    writer: OnceLock<WriterHandle>,
}

impl LinkGroup {
    /// A group of `size` parts, each on an entity of its own.
    #[must_use]
    pub const fn new(size: usize) -> Self {
        Self {
            size,
            arrived: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            until: Mutex::new(None),
            writer: OnceLock::new(),
        }
    }

    /// How many parts there are.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// A part can't wait for longer than this.
    pub fn limit(&self, deadline: Instant) {
        let mut until = self.until.lock();
        *until = Some(until.map_or(deadline, |other| other.min(deadline)));
    }

    /// The earliest deadline of its parts.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        *self.until.lock()
    }

    /// Breaks the group: a part was refused, could not be delivered or did not come.
    pub fn break_up(&self) {
        if !self.broken.swap(true, Ordering::AcqRel)
            && let Some(writer) = self.writer.get()
        {
            writer.nudge();
        }
    }

    /// Breaks the group unless all of its parts have come.
    pub(crate) fn break_unless_complete(&self) {
        if !self.is_complete() {
            self.break_up();
        }
    }

    /// Whether the group is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Counts a part that reached the writer, which looks at it after this.
    pub(crate) fn arrive(&self, writer: &WriterHandle) {
        // The first part's writer is every part's: a group lives on one node.
        let _known = self.writer.set(writer.clone());
        self.arrived.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes a part back that fell and will be decided again.
    pub(crate) fn leave(&self) {
        self.arrived.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether every part has reached the writer.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.arrived.load(Ordering::Acquire) == self.size
    }
}
