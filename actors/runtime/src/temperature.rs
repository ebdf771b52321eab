//! How warm an entity is kept, and who cools down next.
//!
//! | Temperature | In memory | Waking it costs |
//! |---|---|---|
//! | running | slot, state, a ractor cell | nothing |
//! | hibernated | slot and state | a cell |
//! | passivated | nothing; its rows are left, and a snapshot where its tail was long | a recovery |
//!
//! **Invariants:** an entity cools down only with an empty mailbox and no ticket open; a slot that
//! has left the memory takes nothing in any more, so that whoever still holds it asks again and
//! meets the next.
//!
//! Each slot stands in one line: those that run in `warm`, those that hibernate in `cold`, each in
//! order of when it was put there. A look takes them from the front, so it costs what is due and not
//! what is resident; one that was used meanwhile goes to the end, as in the clock algorithm.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use coppice_core::Entity;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::slot::Slot;

/// What is counted for a hibernated entity besides its state: slot, key, map entry, place in line.
pub(crate) const SLOT_BYTES: usize = 1_024;

/// What is counted for a cell besides: see docs/performance.md.
pub(crate) const CELL_BYTES: usize = 7_168;

/// Where an entity stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Temperature {
    /// A cell is alive.
    Running,
    /// The cell is gone; state and mailbox stay.
    Hibernated,
    /// Only its rows are left.
    Passivated,
}

struct Place<K: Entity> {
    since: u32,
    /// How often the slot had fallen asleep: the place of an earlier sleep is stale.
    sleeps: u32,
    slot: Weak<Slot<K>>,
}

/// The lines of one region, and what it holds.
pub(crate) struct Lines<K: Entity> {
    started: Instant,
    warm: Mutex<VecDeque<Place<K>>>,
    cold: Mutex<VecDeque<Place<K>>>,
    /// Estimated, over all slots.
    pub(crate) bytes: AtomicUsize,
    /// Living cells.
    pub(crate) running: AtomicUsize,
    /// Commands that found a mailbox full.
    pub(crate) refused: AtomicU64,
    pub(crate) hibernated: AtomicU64,
    pub(crate) passivated: AtomicU64,
    pub(crate) crashes: AtomicU64,
}

impl<K: Entity> Lines<K> {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            warm: Mutex::default(),
            cold: Mutex::default(),
            bytes: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            hibernated: AtomicU64::new(0),
            passivated: AtomicU64::new(0),
            crashes: AtomicU64::new(0),
        }
    }

    /// Seconds since the region was made.
    pub(crate) fn now(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    fn place(&self, slot: &Arc<Slot<K>>) -> Place<K> {
        Place { since: self.now(), sleeps: slot.sleeps(), slot: Arc::downgrade(slot) }
    }

    /// A slot whose cell has started.
    pub(crate) fn is_warm(&self, slot: &Arc<Slot<K>>) {
        self.warm.lock().push_back(self.place(slot));
    }

    /// A slot whose cell is gone.
    pub(crate) fn is_cold(&self, slot: &Arc<Slot<K>>) {
        self.cold.lock().push_back(self.place(slot));
    }

    /// Has every cell that was idle for so many seconds fall asleep.
    pub(crate) fn cool(&self, idle_s: u32) {
        let now = self.now();
        while let Some(slot) = Self::due(&self.warm, now, idle_s) {
            if now.saturating_sub(slot.used_at()) >= idle_s {
                slot.make_drowsy();
            }
            // It leaves this line once it has fallen asleep: its place is stale then.
            self.is_warm(&slot);
        }
    }

    /// Looks at every slot whose cell may be alive.
    pub(crate) fn running(&self, mut look: impl FnMut(&Slot<K>)) {
        let warm = self.warm.lock();
        warm.iter().filter_map(|place| place.slot.upgrade()).for_each(|slot| look(&slot));
    }

    /// How many places there are in the line of those that hibernate, stale ones included.
    pub(crate) fn cold_len(&self) -> usize {
        self.cold.lock().len()
    }

    /// The next slot that has hibernated for so many seconds.
    pub(crate) fn coldest(&self, idle_s: u32) -> Option<Arc<Slot<K>>> {
        Self::due(&self.cold, self.now(), idle_s)
    }

    fn due(line: &Mutex<VecDeque<Place<K>>>, now: u32, idle_s: u32) -> Option<Arc<Slot<K>>> {
        let mut line = line.lock();
        loop {
            let place = line.front()?;
            if now.saturating_sub(place.since) < idle_s {
                return None;
            }
            let place = line.pop_front()?;
            let slot = place.slot.upgrade().filter(|slot| slot.sleeps() == place.sleeps);
            if slot.is_some() {
                return slot;
            }
        }
    }

    pub(crate) fn weigh(&self, before: usize, after: usize) {
        self.bytes.fetch_add(after, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
    }
}
