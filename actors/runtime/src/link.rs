//! Commands to several entities that are accepted together or not at all.
//!
//! Each entity decides its part on its own and hands the writer a ticket that names the group.
//! The writer holds the parts, and what their entities decide after them, until all have come;
//! then they commit in one unit. A part that is refused breaks the group: every other part falls.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Ties the parts together.
#[derive(Debug)]
pub struct LinkGroup {
    size: usize,
    arrived: AtomicUsize,
    broken: AtomicBool,
}

impl LinkGroup {
    /// A group of `size` parts, each on an entity of its own.
    #[must_use]
    pub const fn new(size: usize) -> Self {
        Self { size, arrived: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }

    /// How many parts there are.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Breaks the group: a part was refused or could not be delivered.
    pub fn break_up(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Whether the group is broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Counts a part that reached the writer.
    pub(crate) fn arrive(&self) {
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
