//! Group commit across entities: the node's one writer takes every ticket that waits and commits
//! them as one transaction; while it commits, the next batch gathers.
//!
//! **Invariants:** nothing of a ticket leaves before its events are durable; a refused entity
//! never refuses another that it isn't linked with; a commit whose answer was lost is handed in
//! again, which the store answers without writing twice, before anybody is told anything.
//!
//! A writer may fall in the middle of a commit, and the commit not with it: the store works on it
//! still. So it runs as a task of its own, until the store has said what became of it. The next writer,
//! with all that stands on it, begins only then, and no entity is read until then
//! (`WriterHandle::landed`): whoever reads one reads everything that was ever handed to the store.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use coppice_persistence::{Refusal, Snapshot, Store, StoreError, Unit, UnitOutcome};
use coppice_supervisors::StopSignal;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use tracing::{error, warn};

use crate::batch::{self, Batch};
use crate::flight::Airspace;
use crate::histogram::{Histogram, MICROSECONDS, TICKETS};
use crate::link::LinkGroup;
use crate::options::RuntimeOptions;
use crate::task;
use crate::ticket::{Fall, Ticket};

/// Counts since the start; readers compute rates.
#[derive(Debug)]
pub struct WriterCounters {
    /// Tickets that were handed in.
    pub submitted: AtomicU64,
    /// Commits that wrote something.
    pub batches: AtomicU64,
    /// Tickets that were committed.
    pub committed: AtomicU64,
    /// Tickets that fell.
    pub fallen: AtomicU64,
    /// Tries that ended without an answer from the store.
    pub store_retries: AtomicU64,
    /// Bytes of payloads and replies in commits that wrote something.
    pub bytes: AtomicU64,
    /// Tickets by batch.
    pub batch_tickets: Histogram,
    /// How long a batch took from its hand-over to the store until its answer, retries included.
    pub commit_time: Histogram,
}

impl Default for WriterCounters {
    fn default() -> Self {
        Self {
            submitted: AtomicU64::default(),
            batches: AtomicU64::default(),
            committed: AtomicU64::default(),
            fallen: AtomicU64::default(),
            store_retries: AtomicU64::default(),
            bytes: AtomicU64::default(),
            batch_tickets: Histogram::new(TICKETS),
            commit_time: Histogram::new(MICROSECONDS),
        }
    }
}

#[derive(Debug, Default)]
struct Intake {
    tickets: Mutex<Vec<Ticket>>,
    /// Set under the lock of the tickets: none joins them after.
    closed: AtomicBool,
    bell: Notify,
    airspace: Airspace,
    /// Ends the commit under way; only where the node itself has ended.
    abort: Mutex<Option<AbortHandle>>,
    running: AtomicBool,
    degraded: AtomicBool,
    counters: WriterCounters,
    commits: watch::Sender<u64>,
}

impl Intake {
    /// What a writer before this one had in its hands was dropped, and nobody counted it as ended.
    fn forget_dropped(&self) {
        let waiting = self.tickets.lock().len() as u64;
        let ended = self.counters.committed.load(Ordering::Relaxed)
            + self.counters.fallen.load(Ordering::Relaxed);
        self.counters.submitted.store(ended + waiting, Ordering::Relaxed);
    }
}

/// Hands tickets to the writer. Cheap to clone; it outlives any one writer.
#[derive(Debug, Clone, Default)]
pub struct WriterHandle {
    intake: Arc<Intake>,
}

impl WriterHandle {
    /// Hands tickets in, in order. They must have been counted as open by their incarnation.
    pub fn submit(&self, tickets: &mut Vec<Ticket>) {
        for ticket in tickets.iter() {
            if let Some(group) = &ticket.link {
                group.arrive(self);
            }
        }
        let mut waiting = self.intake.tickets.lock();
        if self.intake.closed.load(Ordering::Relaxed) {
            drop(waiting);
            return tickets.clear();
        }
        self.intake.counters.submitted.fetch_add(tickets.len() as u64, Ordering::Relaxed);
        waiting.append(tickets);
        drop(waiting);
        self.intake.bell.notify_one();
    }

    /// Drops what waits and whatever comes: the node has ended, and no writer follows. A ticket
    /// holds its entity, which holds the node and with it this handle, so what stayed here would
    /// keep the whole node in memory, and its callers waiting.
    pub(crate) fn close(&self) {
        let left = {
            let mut waiting = self.intake.tickets.lock();
            self.intake.closed.store(true, Ordering::Relaxed);
            std::mem::take(&mut *waiting)
        };
        if let Some(flight) = self.intake.abort.lock().take() {
            flight.abort();
        }
        // Not under the lock: each tells its entity.
        drop(left);
    }

    /// Has the writer look again: a link group broke.
    pub fn nudge(&self) {
        self.intake.bell.notify_one();
    }

    /// Changes with every commit: what subscriptions wait on.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.intake.commits.subscribe()
    }

    /// Tickets that wait for the next batch.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.intake.tickets.lock().len()
    }

    /// Whether the store gives no answers at present.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.intake.degraded.load(Ordering::Relaxed)
    }

    /// Counts since the start.
    #[must_use]
    pub fn counters(&self) -> &WriterCounters {
        &self.intake.counters
    }

    /// How many tickets were handed in, where every one of them has ended.
    pub(crate) fn settled(&self) -> Option<u64> {
        let counters = &self.intake.counters;
        let ended =
            counters.committed.load(Ordering::Acquire) + counters.fallen.load(Ordering::Acquire);
        let submitted = counters.submitted.load(Ordering::Acquire);
        (submitted <= ended).then_some(submitted)
    }

    /// Waits until the store has said what became of the last commit, where its writer is gone.
    pub(crate) async fn landed(&self) {
        self.intake.airspace.landed().await;
    }

    /// The same, for the next writer. Whoever follows the journal is told to look, for nobody else
    /// will say so.
    pub(crate) async fn vacant(&self) {
        self.intake.airspace.vacant().await;
        self.intake.commits.send_modify(|count| *count += 1);
    }

    /// Whether a writer is there.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.intake.running.load(Ordering::Acquire)
    }
}

/// The writer, ready to run.
pub struct Writer {
    intake: Arc<Intake>,
    store: Arc<dyn Store>,
    options: RuntimeOptions,
    snapshots: mpsc::Sender<Snapshot>,
    waiting: Vec<Ticket>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Writer {
    /// The writer behind a handle; one at a time. Snapshots of committed states go to `snapshots`.
    #[must_use]
    pub fn new(
        handle: &WriterHandle,
        store: Arc<dyn Store>,
        options: RuntimeOptions,
        snapshots: mpsc::Sender<Snapshot>,
    ) -> Self {
        let intake = Arc::clone(&handle.intake);
        Self { intake, store, options, snapshots, waiting: Vec::new() }
    }

    /// Commits until `stopping` says so and nothing waits.
    pub async fn run(mut self, stopping: StopSignal) {
        self.intake.running.store(true, Ordering::Release);
        self.intake.forget_dropped();
        loop {
            self.waiting.append(&mut self.intake.tickets.lock());
            self.drop_fallen();
            let batch = batch::take(&mut self.waiting, &self.options);
            if !batch.tickets.is_empty() {
                self.commit(batch).await;
                continue;
            }
            if stopping.is_raised() && self.intake.tickets.lock().is_empty() {
                // What waits now waits for a link that nobody is left to complete.
                return;
            }
            self.wait(&stopping).await;
        }
    }

    /// Waits for the bell, or for the deadline of a link group that is not complete.
    async fn wait(&self, stopping: &StopSignal) {
        let rung = async {
            // Once it is raised, whoever hands in rings.
            tokio::select! {
                biased;
                () = self.intake.bell.notified() => {}
                () = stopping.raised(), if !stopping.is_raised() => {}
            }
        };
        let groups = || self.waiting.iter().filter_map(|ticket| ticket.link.as_ref());
        let Some(until) = groups().filter_map(|group| group.until()).min() else {
            return rung.await;
        };
        if tokio::time::timeout_at(until, rung).await.is_err() {
            let now = tokio::time::Instant::now();
            let overdue = |group: &&Arc<LinkGroup>| group.until().is_some_and(|until| until <= now);
            groups().filter(overdue).for_each(|group| group.break_up());
        }
    }

    /// Ends the tickets of fallen incarnations and of broken links, in order.
    fn drop_fallen(&mut self) {
        // First everything that falls is marked, then tickets end in order: an incarnation's
        // earlier tickets must not outlive its later ones.
        while self.mark_fallen() {}
        if self.waiting.iter().all(|ticket| ticket.incarnation.fall().is_none()) {
            return;
        }
        for ticket in std::mem::take(&mut self.waiting) {
            let broken = ticket.link.as_ref().is_some_and(|group| group.is_broken());
            match ticket.incarnation.fall() {
                None => self.waiting.push(ticket),
                Some(fall) if broken && fall.decides_again() => self.fall(ticket, Fall::Unlinked),
                Some(fall) => self.fall(ticket, fall),
            }
        }
    }

    /// Marks what falls with what has fallen; whether anything new did.
    fn mark_fallen(&self) -> bool {
        let mut marked = false;
        for ticket in &self.waiting {
            let Some(group) = &ticket.link else { continue };
            match ticket.incarnation.fall() {
                // What the entity decided after this part stands on a state that never was.
                None if group.is_broken() => {
                    ticket.incarnation.let_fall(Fall::Reload);
                    marked = true;
                }
                Some(fall) if !fall.decides_again() && !group.is_broken() => {
                    group.break_up();
                    marked = true;
                }
                None | Some(_) => {}
            }
        }
        marked
    }

    fn fall(&self, ticket: Ticket, fall: Fall) {
        if let Some(group) = &ticket.link {
            group.leave();
            if !fall.decides_again() {
                group.break_up();
            }
        }
        ticket.drop_with(fall);
        // Only now: its command is back with its entity.
        self.intake.counters.fallen.fetch_add(1, Ordering::Release);
    }

    async fn commit(&mut self, batch: Batch) {
        let Batch { tickets, units, unit_of, snapshots, bytes } = batch;
        let count = tickets.len() as u64;
        let started = tokio::time::Instant::now();
        let (units, outcomes) = self.append(units).await;
        let took = started.elapsed();
        let falls: Vec<Option<Fall>> = tickets
            .iter()
            .zip(&unit_of)
            .map(|(ticket, unit)| match (&outcomes, unit) {
                (_, None) => None,
                (Err(fall), Some(_)) => Some(*fall),
                (Ok(outcomes), Some(unit)) => fall_of(ticket, &units[*unit], &outcomes[*unit]),
            })
            .collect();
        if let Ok(outcomes) = &outcomes {
            tell_duplicates(&tickets, &units, outcomes);
        }
        // Every incarnation of a refused unit falls before any of its tickets ends, so that no
        // host takes a state for good that was never committed.
        for (ticket, fall) in tickets.iter().zip(&falls) {
            if let Some(fall) = fall {
                ticket.incarnation.let_fall(*fall);
            }
        }
        for (ticket, fall) in tickets.into_iter().zip(falls) {
            match fall {
                None => {
                    self.intake.counters.committed.fetch_add(1, Ordering::Relaxed);
                    ticket.commit();
                }
                Some(fall) => self.fall(ticket, fall),
            }
        }
        let Ok(outcomes) = outcomes else { return };
        for (unit, snapshot) in snapshots {
            if outcomes[unit] == UnitOutcome::Committed {
                // A cache: one that finds no place is taken again some hundred events later.
                drop(self.snapshots.try_send(snapshot));
            }
        }
        if outcomes.contains(&UnitOutcome::Committed) {
            let counters = &self.intake.counters;
            counters.batches.fetch_add(1, Ordering::Relaxed);
            counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            counters.batch_tickets.count(count);
            counters.commit_time.time(took);
            self.intake.commits.send_modify(|count| *count += 1);
        }
    }

    /// Appends until the store says what became of it.
    async fn append(&self, units: Vec<Unit>) -> (Vec<Unit>, Appended) {
        if units.is_empty() {
            return (units, Ok(Vec::new()));
        }
        let (first, max) = (self.options.store_retry_first, self.options.store_retry_max);
        let (intake, store) = (Arc::clone(&self.intake), Arc::clone(&self.store));
        let flight = self.intake.airspace.depart().await;
        let _parent = self.intake.airspace.parent();
        let landing = task::spawn(async move {
            let _flight = flight;
            let appended = intake.append(store.as_ref(), &units, first, max).await;
            (units, appended)
        });
        *self.intake.abort.lock() = Some(landing.abort_handle());
        if self.intake.closed.load(Ordering::Relaxed) {
            landing.abort();
        }
        match landing.await {
            Ok(landed) => landed,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The node has ended: nobody is told anything.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

type Appended = Result<Vec<UnitOutcome>, Fall>;

impl Intake {
    async fn append(
        &self,
        store: &dyn Store,
        units: &[Unit],
        retry_first: Duration,
        retry_max: Duration,
    ) -> Appended {
        let mut wait = retry_first;
        // Once a try has had no answer, what a later one says of itself doesn't speak for it.
        let mut unsure = false;
        loop {
            let error = match store.append(units).await {
                Ok(outcomes) => {
                    self.degraded.store(false, Ordering::Relaxed);
                    return Ok(outcomes);
                }
                Err(error) => error,
            };
            match error {
                StoreError::Full if !unsure => {
                    error!(severity = "critical", "store is full");
                    return Err(Fall::Full);
                }
                StoreError::Invalid(problem) if !unsure => {
                    error!(problem, "store refused a batch");
                    return Err(Fall::Store);
                }
                error => {
                    unsure = true;
                    self.degraded.store(true, Ordering::Relaxed);
                    self.counters.store_retries.fetch_add(1, Ordering::Relaxed);
                    report(&error, wait);
                    tokio::time::sleep(wait).await;
                    wait = next_wait(wait, retry_max);
                }
            }
        }
    }
}

/// Tells each entity which of its commands the store had answered before.
fn tell_duplicates(tickets: &[Ticket], units: &[Unit], outcomes: &[UnitOutcome]) {
    for (unit, outcome) in units.iter().zip(outcomes) {
        let UnitOutcome::Refused(refusals) = outcome else { continue };
        for (index, refusal) in refusals {
            let Refusal::Duplicate(commands) = refusal else { continue };
            let stream = unit.appends[*index].key.stream();
            let found = tickets.iter().find(|ticket| ticket.incarnation.key.stream() == stream);
            if let Some(ticket) = found {
                ticket.incarnation.answered_before(commands);
            }
        }
    }
}

fn report(error: &StoreError, wait: Duration) {
    let source = std::error::Error::source(error);
    warn!(%error, source, wait_ms = wait.as_millis(), "store gave no answer");
}

fn next_wait(wait: Duration, wait_max: Duration) -> Duration {
    wait.saturating_mul(2).min(wait_max)
}

/// Why a ticket of a unit falls, if it does. In a refused unit the entities that aren't at fault
/// only decide again.
fn fall_of(ticket: &Ticket, unit: &Unit, outcome: &UnitOutcome) -> Option<Fall> {
    let UnitOutcome::Refused(refusals) = outcome else { return None };
    let stream = ticket.incarnation.key.stream();
    let own = refusals.iter().find(|(index, _)| unit.appends[*index].key.stream() == stream);
    Some(match own.map(|(_, refusal)| refusal) {
        Some(Refusal::Epoch) => Fall::NotOwner,
        Some(Refusal::Damaged) => Fall::Damaged,
        Some(Refusal::Duplicate(_)) => Fall::Repeat,
        Some(Refusal::Head) => Fall::Reload,
        None => Fall::Repeat,
    })
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.intake.running.store(false, Ordering::Release);
    }
}
