//! What all parts of a run share: the database, the clock, the trace, and the first thing found
//! wrong.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use coppice_core::Timestamp;
use coppice_persistence::{Refusal, StreamAppend, Unit, UnitOutcome};
use coppice_runtime::Clock;
use coppice_testkit::{MemoryStore, Observer, Point, VirtualClock};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::books::Books;
use crate::links::Links;
use crate::trace::Trace;

/// 2026-01-01T00:00:00Z
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// The time of day of a run, which remembers the latest time that it ever showed.
#[derive(Debug, Clone)]
pub(crate) struct SimClock {
    pub(crate) clock: VirtualClock,
    shown_max: Arc<AtomicI64>,
}

impl SimClock {
    pub(crate) fn shown_max(&self) -> Timestamp {
        Timestamp::from_micros(self.shown_max.load(Ordering::Relaxed))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        self.shown_max.fetch_max(now.as_micros(), Ordering::Relaxed);
        now
    }
}

/// One run.
#[derive(Debug)]
pub(crate) struct Sim {
    /// The database without faults.
    pub(crate) database: MemoryStore,
    pub(crate) clock: SimClock,
    /// Changes of ownership and ends of nodes: what excuses that something is done again.
    upheavals: AtomicU64,
    /// Whether a letter may have been taken away behind the back of a new owner.
    started: Instant,
    trace: Mutex<Trace>,
    books: Mutex<Books>,
    links: Mutex<Links>,
    found: Mutex<Option<String>>,
}

impl Sim {
    pub(crate) fn new(keeps_lines: bool) -> Self {
        let clock = VirtualClock::following_tokio(START);
        let clock = SimClock { clock, shown_max: Arc::new(AtomicI64::new(0)) };
        Self {
            database: MemoryStore::new(Arc::new(clock.clone())),
            clock,
            upheavals: AtomicU64::new(0),
            started: Instant::now(),
            trace: Mutex::new(Trace::new(keeps_lines)),
            books: Mutex::default(),
            links: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// Notes a step.
    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        self.trace.lock().note(self.started.elapsed(), what);
    }

    pub(crate) fn trace(&self) -> MutexGuard<'_, Trace> {
        self.trace.lock()
    }

    /// Says what is wrong; the first word stands.
    pub(crate) fn blame(&self, what: String) {
        self.note(format_args!("WRONG: {what}"));
        self.found.lock().get_or_insert(what);
    }

    /// What was found wrong so far.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        self.found.lock().clone().map_or(Ok(()), Err)
    }

    /// The books, up to the journal's end as it is now.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        let mut books = self.books.lock();
        let shown_max = self.clock.shown_max();
        let read =
            self.database.look(|events| books.catch_up(events, shown_max, &self.links.lock()));
        if let Err(problem) = read {
            self.blame(problem);
        }
        books
    }

    /// Which commands are to happen together.
    pub(crate) fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock()
    }

    pub(crate) fn upheaval(&self) {
        self.upheavals.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn upheavals(&self) -> u64 {
        self.upheavals.load(Ordering::Relaxed)
    }
}

/// Hears what one node asks of the store.
#[derive(Debug)]
pub(crate) struct Ear {
    sim: Arc<Sim>,
    node: u64,
}

impl Observer for Ear {
    fn called(&self, point: Point, during: &'static str) {
        self.sim.note(format_args!("node {} at {point:?}: {during}", self.node));
    }

    fn appended(&self, units: &[Unit], outcomes: &[UnitOutcome]) {
        let node = self.node;
        for (unit, outcome) in units.iter().zip(outcomes) {
            let key = &unit.appends[0].key;
            let (head, events) = (unit.appends[0].expected.sequence, unit.appends[0].events.len());
            self.sim.note(format_args!("node {node} appends {events} to {key} at {head}"));
            let UnitOutcome::Refused(refusals) = outcome else {
                self.wrote(unit);
                continue;
            };
            for (at, refusal) in refusals {
                self.refused(&unit.appends[*at], refusal);
            }
        }
        drop(self.sim.books());
    }
}

impl Ear {
    pub(crate) fn new(sim: &Arc<Sim>, node: u64) -> Self {
        Self { sim: Arc::clone(sim), node }
    }

    fn wrote(&self, unit: &Unit) {
        let mut books = self.sim.books();
        for append in &unit.appends {
            for event in &append.events {
                let place = (append.key.clone(), event.body.causation);
                books.writers.entry(place).or_insert(self.node);
            }
        }
    }

    /// The epoch stops other nodes, so a head that moved means that this one decided twice.
    fn refused(&self, append: &StreamAppend, refusal: &Refusal) {
        let (node, key) = (self.node, &append.key);
        self.sim.note(format_args!("node {node} is refused at {key}: {refusal:?}"));
        match refusal {
            Refusal::Head => self.sim.blame(format!("two lives of {key} decided at once")),
            Refusal::Damaged => self.sim.blame(format!("the store takes {key} for damaged")),
            Refusal::Epoch | Refusal::Duplicate(_) => {}
        }
    }
}
