//! One thread that sends: its operations, their tries, and what is put down about them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinError, JoinSet, LocalSet};

use super::Driver;
use super::answer::{Reading, read};
use super::deeds::{Deed, STEPS};
use crate::measuring::Tally;
use crate::plan::{Session, Start};
use crate::record::{Entry, Nanos, Operation, Outcome};
use crate::recording::Recorder;
use crate::wire::{Call, Slot};

/// Before the first retry of a command whose outcome is unknown; doubled for each further one.
const BACKOFF: Duration = Duration::from_millis(50);
/// Longest pause between two tries.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Bits of a session's number within its phase; above them stands the phase, so that a session
/// that comes to its end has no name in common with one of the next phase.
const SESSION_BITS: u32 = 16;

/// All of one thread. Nothing here is borrowed across a wait.
struct Worker {
    driver: Driver,
    index: u32,
    tally: RefCell<Tally>,
    recorder: RefCell<Recorder>,
    /// One permit for each connection of the open loop; who waits gets one in turn.
    connections: Semaphore,
    /// Connections that are free; the one that was used last is taken first, so that few are kept
    /// warm.
    free: RefCell<Vec<Slot>>,
    /// How many there are so far.
    slots: Cell<u32>,
    in_flight: Cell<u32>,
    in_flight_max: u32,
}

/// Runs one thread's part of the plan and returns once all of it has ended.
pub(super) fn run(
    driver: &Driver,
    index: u32,
    runtime: &Runtime,
    due: Receiver<Vec<Start>>,
    tally: Tally,
    recorder: Recorder,
) -> Tally {
    let part = driver.slice.part(index, driver.threads);
    // A thread without any could carry nothing out.
    let share = |of: u32| (of / part.of + u32::from(part.index < of % part.of)).max(1);
    let connections = share(driver.connections_max);
    let worker = Rc::new(Worker {
        driver: driver.clone(),
        index,
        tally: RefCell::new(tally),
        recorder: RefCell::new(recorder),
        connections: Semaphore::new(connections as usize),
        free: RefCell::new(Vec::new()),
        slots: Cell::new(0),
        in_flight: Cell::new(0),
        in_flight_max: share(driver.in_flight_max),
    });
    LocalSet::new().block_on(runtime, carry_out(&worker, due));
    Rc::into_inner(worker).expect("all of its tasks have ended").tally.into_inner()
}

async fn carry_out(worker: &Rc<Worker>, mut due: Receiver<Vec<Start>>) {
    let looking = tokio::task::spawn_local(looks_at_itself(Rc::clone(worker)));
    let mut tasks = JoinSet::new();
    while let Some(batch) = due.recv().await {
        for start in batch {
            begin(worker, start, &mut tasks);
        }
        while let Some(ended) = tasks.try_join_next() {
            checked(ended);
        }
    }
    while let Some(ended) = tasks.join_next().await {
        checked(ended);
    }
    looking.abort();
    // It was told to end, and holds the worker until it has.
    let _ended = looking.await;
}

/// Puts down once a second how much of a processor this thread has used.
async fn looks_at_itself(worker: Rc<Worker>) {
    let (mut before, mut used) = (worker.driver.clock.now(), thread_time());
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (now, so_far) = (worker.driver.clock.now(), thread_time());
        let share = (so_far - used) as f64 / (now - before).max(1) as f64;
        worker.tally.borrow_mut().was_busy(now, share);
        (before, used) = (now, so_far);
    }
}

/// Processor time of this thread so far.
fn thread_time() -> Nanos {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let whole = u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000;
    whole + u64::try_from(time.tv_nsec).unwrap_or_default()
}

fn checked(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

fn begin(worker: &Rc<Worker>, start: Start, tasks: &mut JoinSet<()>) {
    if let Some(session) = start.session {
        let worker = Rc::clone(worker);
        tasks.spawn_local(async move { worker.closed_loop(start, session).await });
        return;
    }
    worker.tally.borrow_mut().comes_up(start.at);
    if worker.in_flight.get() >= worker.in_flight_max {
        let mut tally = worker.tally.borrow_mut();
        // What finds no place was late as well.
        tally.is_due(start.phase, start.at, worker.driver.clock.now());
        tally.is_dropped(start.at);
        return;
    }
    worker.in_flight.set(worker.in_flight.get() + 1);
    let worker = Rc::clone(worker);
    tasks.spawn_local(async move {
        worker.open_loop(start).await;
        worker.in_flight.set(worker.in_flight.get() - 1);
    });
}

/// One step of one operation, with all that its tries have in common.
struct Step<'a> {
    op: u64,
    phase: usize,
    deed: &'a Deed,
    operation: Operation,
    call: Call,
}

impl Worker {
    /// One operation of the plan, on the first connection that is free.
    async fn open_loop(&self, start: Start) {
        let now = self.driver.clock.now();
        // Here and not where it was told to begin: between the two others have their turn.
        self.tally.borrow_mut().is_due(start.phase, start.at, now);
        self.tally.borrow_mut().begins(now);
        let permit = self.connections.acquire().await.expect("it is never closed");
        let free = self.free.borrow_mut().pop();
        let mut slot = free.unwrap_or_else(|| {
            let place = self.slots.replace(self.slots.get() + 1);
            Slot::new(place * self.driver.threads + self.index)
        });
        if !self.driver.stop.is_asked() {
            self.operation(&mut slot, start.number, start.phase, start.at).await;
        }
        self.free.borrow_mut().push(slot);
        drop(permit);
        self.tally.borrow_mut().is_over();
    }

    /// A session does one operation after the other, on a connection of its own: how many there are
    /// is what the phase is about.
    async fn closed_loop(&self, start: Start, session: Session) {
        let phase = u32::try_from(start.phase + 1).unwrap_or_default();
        let mut slot = Slot::new((phase << SESSION_BITS) | session.index);
        let mut number = start.number;
        loop {
            let now = self.driver.clock.now();
            if now >= session.until || self.driver.stop.is_asked() {
                break;
            }
            self.tally.borrow_mut().comes_up(now);
            self.tally.borrow_mut().begins(now);
            self.operation(&mut slot, number, start.phase, now).await;
            self.tally.borrow_mut().is_over();
            // It stays a number of this generator.
            number += u64::from(session.of) * u64::from(self.driver.slice.of);
            if session.think > 0 {
                tokio::time::sleep(Duration::from_nanos(session.think)).await;
            }
        }
    }

    /// Carries an operation out, with all its steps.
    async fn operation(&self, slot: &mut Slot, number: u64, phase: usize, at: Nanos) {
        let mut intended = at;
        let deeds = &self.driver.deeds;
        let deed = deeds.of(number);
        let mut intent = String::new();
        for (place, operation) in (0..STEPS).zip(deed.steps()) {
            let op = number * STEPS + place;
            let call = deeds.call(&deed, *operation, op, &intent);
            let step = Step { op, phase, deed: &deed, operation: *operation, call };
            let reading = self.tries(slot, &step, intended).await;
            if !reading.goes_on {
                break;
            }
            intent = reading.id.unwrap_or(intent);
            // What follows from an answer can't be planned before it.
            intended = self.driver.clock.now();
        }
    }

    /// Tries until the outcome is known, as often as the scenario says, and once more where the
    /// operation is one that is repeated on purpose.
    async fn tries(&self, slot: &mut Slot, step: &Step<'_>, intended: Nanos) -> Reading {
        let retries_max = self.driver.idempotency.retries_max;
        let mut attempt = 0;
        let mut may_have_happened = false;
        let reading = loop {
            let reading = self.try_once(slot, step, attempt, Some(intended)).await;
            may_have_happened |= reading.outcome.may_have_happened();
            let known = matches!(reading.outcome, Outcome::Acknowledged | Outcome::Refused)
                || !may_have_happened;
            let is_last = !step.deed.keyed || attempt == retries_max;
            if known || is_last || self.driver.stop.is_asked() {
                break reading;
            }
            let pause = BACKOFF * 2_u32.saturating_pow(u32::from(attempt));
            tokio::time::sleep(pause.min(BACKOFF_MAX)).await;
            attempt += 1;
        };
        if step.deed.repeats && reading.outcome == Outcome::Acknowledged {
            self.try_once(slot, step, attempt + 1, None).await;
        }
        reading
    }

    /// One try. One without an intended start repeats what was acknowledged: it stands in the history,
    /// for it is to be answered alike, and in no figure, for nothing is done for it.
    async fn try_once(
        &self,
        slot: &mut Slot,
        step: &Step<'_>,
        attempt: u16,
        intended: Option<Nanos>,
    ) -> Reading {
        let Driver { target, clock, timeout, .. } = &self.driver;
        let deadline = clock.now() + timeout;
        let tried = slot.ask(target, &step.call, *clock, deadline).await;
        let done = clock.now();
        let reading = read(step.operation, &tried.answer);
        let entry = Entry {
            op: step.op,
            attempt,
            session: slot.index,
            operation: step.operation,
            keyed: step.deed.keyed,
            key: step.deed.key,
            other: step.deed.other,
            amount: step.deed.amount,
            intended: intended.unwrap_or(tried.sent),
            sent: tried.sent,
            done,
            outcome: reading.outcome,
            status: reading.status,
            sequence: reading.sequence,
            value: reading.value,
            repeated: reading.repeated,
        };
        if intended.is_some() {
            let mut tally = self.tally.borrow_mut();
            tally.tried(step.phase, &entry, reading.code.as_deref());
            tally.without_retry_after += u64::from(reading.at_a_loss);
        }
        self.recorder.borrow_mut().record(entry);
        reading
    }
}
