//! Bulkheads: each handler has its own bounded pool, so that one that hangs holds up no other.
//!
//! **Invariants:** an effect is in a pool once; a pool's memory is bounded, and what finds no place
//! is found again by a scan of what is owed; nothing is sent unless this node still holds the epoch
//! that the effect was committed under, unless something stops it, and unless it is out of delivery.
//!
//! Under a freeze effects wait where they are. Behind a switch of their own kind or tenant they are
//! put down, so as to hold no others' places, and found by a scan once it is turned back.

mod passage;
mod pools;

use std::collections::{BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coppice_core::{
    Effect, EffectId, EffectMode, EffectOutcome, Epoch, ShardId, StreamKey, Target,
};
use coppice_persistence::{LetterKind, LetterReason, MessageRef, Tried};
use coppice_supervisors::StopSignal;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{debug, error, warn};
use uuid::Uuid;

use self::passage::{Bar, Called, Ended, holding, is_counted, outcome_of};
pub use self::pools::Pools;
use crate::gate::Gate;
use crate::lease::Lease;
use crate::trace::{Span, SpanKind, Spans, Trace};
use crate::work::courier::{Before, Courier, Delivered};
use crate::work::effects::{EffectCall, EffectError, EffectPool};
use crate::work::message::{SystemMessage, effect_key};
use crate::work::quarantine::{Quarantine, Undeliverable};

/// Whatever waited longer for its turn is looked up once more before it is sent: its entity may
/// have taken it off. What goes out at once follows its commit too closely to be worth a question.
const ASK_AFTER: Duration = Duration::from_millis(100);

/// An outstanding effect on its way out.
#[derive(Debug, Clone)]
pub struct Job {
    /// Who owes it.
    pub key: StreamKey,
    /// The entity's shard.
    pub shard: ShardId,
    /// The epoch that it was committed or recovered under.
    pub epoch: Epoch,
    /// Which effect.
    pub id: EffectId,
    /// Its ordinal.
    pub ordinal: u64,
    /// What is to be done.
    pub effect: Effect,
    /// Where the command that it follows from stands in a trace; not known once it was recovered.
    pub trace: Option<Trace>,
    /// Whether this life of the process saw the decision that owes it become durable. One that was
    /// found among what is owed may have been begun before.
    pub is_fresh: bool,
}

impl Job {
    pub(crate) fn idempotency_key(&self) -> Uuid {
        effect_key(self.key.stream(), &self.id, self.ordinal)
    }

    pub(crate) fn outcome(&self, outcome: EffectOutcome) -> SystemMessage {
        SystemMessage::Outcome { id: self.id.clone(), ordinal: self.ordinal, outcome }
    }

    /// One try of it.
    fn call(&self, trace: Trace) -> EffectCall {
        EffectCall {
            entity: self.key.clone(),
            effect: self.id.clone(),
            idempotency_key: self.idempotency_key(),
            request: self.effect.request.clone(),
            trace,
        }
    }
}

/// What a pool has done since the start.
#[derive(Debug, Default)]
pub struct PoolCounters {
    /// Calls made.
    pub calls: AtomicU64,
    /// Calls that were tried again.
    pub retries: AtomicU64,
    /// Effects whose outcome is recorded.
    pub settled: AtomicU64,
    /// Effects that found no place and wait for a scan.
    pub overflowed: AtomicU64,
    /// Effects that were carried out.
    pub done: AtomicU64,
    /// Effects that ended without having been carried out.
    pub failed: AtomicU64,
    /// Effects of which nobody knows whether they were carried out.
    pub unknown: AtomicU64,
    /// Effects that were taken out of delivery.
    pub parked: AtomicU64,
    /// Effects that were computed in their entity's turn, and so never were in the pool.
    pub computed: AtomicU64,
    /// Computations that took longer, each, than all of a turn may.
    pub computed_late: AtomicU64,
}

impl PoolCounters {
    fn ended(&self, outcome: &EffectOutcome) {
        let count = match outcome {
            EffectOutcome::Done { .. } => &self.done,
            EffectOutcome::Failed { .. } => &self.failed,
            EffectOutcome::Unknown { .. } => &self.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Queue {
    /// With the time since when.
    waiting: VecDeque<(Instant, Job)>,
    /// Everything in the pool: waiting or under way.
    known: BTreeSet<Uuid>,
    overflowed: bool,
}

/// One handler's queue.
#[derive(Debug)]
pub struct Pool {
    spec: EffectPool,
    queue: Mutex<Queue>,
    queue_max: usize,
    bell: Notify,
    counters: PoolCounters,
}

impl Pool {
    /// The handler and its bounds.
    #[must_use]
    pub const fn spec(&self) -> &EffectPool {
        &self.spec
    }

    /// Effects that wait or are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.lock().known.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts since the start.
    #[must_use]
    pub const fn counters(&self) -> &PoolCounters {
        &self.counters
    }

    fn offer(&self, job: Job) {
        let mut queue = self.queue.lock();
        if queue.known.len() >= self.queue_max {
            queue.overflowed = true;
            self.counters.overflowed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if queue.known.insert(job.idempotency_key()) {
            queue.waiting.push_back((Instant::now(), job));
            self.bell.notify_one();
        }
    }

    /// What a runner before this one had under way is gone with it; whether there was any, to be
    /// found again by a scan.
    fn begin_anew(&self) -> bool {
        let mut queue = self.queue.lock();
        let known = queue.known.len();
        queue.known = queue.waiting.iter().map(|(_, job)| job.idempotency_key()).collect();
        queue.known.len() < known
    }

    /// Takes an effect that has ended off; whether those that found no place may come again.
    fn ended(&self, key: Uuid) -> bool {
        let mut queue = self.queue.lock();
        queue.known.remove(&key);
        let room = queue.overflowed && queue.known.len() <= self.queue_max / 2;
        queue.overflowed &= !room;
        room
    }
}

fn quarantine(to: &Quarantine, job: &Job, reason: LetterReason, detail: String, attempts: u32) {
    to.put(&Undeliverable {
        key: &job.key,
        message: job.idempotency_key(),
        kind: LetterKind::Effect,
        name: &job.id.0,
        body: Some(&job.effect.request),
        reason,
        detail,
        attempts,
    });
}

/// Runs one pool.
#[derive(Debug, Clone)]
pub(crate) struct PoolRunner {
    pub(crate) pool: Arc<Pool>,
    pub(crate) courier: Courier,
    pub(crate) lease: Arc<dyn Lease>,
    pub(crate) spans: Arc<dyn Spans>,
    pub(crate) gate: Arc<Gate>,
    /// Rung when there is room again for what found none.
    pub(crate) rescan: Arc<Notify>,
    /// Starts of an effect whose outcome was never recorded, before it is taken out of delivery.
    pub(crate) starts_max: u32,
    /// Effects under way at once; more than call at once, since some wait to be tried again.
    pub(crate) open_max: usize,
}

impl PoolRunner {
    /// Carries effects out until `stopping` says so; then waits for the calls under way.
    pub(crate) async fn run(self, stopping: StopSignal) {
        if self.pool.begin_anew() {
            self.rescan.notify_one();
        }
        let calls = Arc::new(Semaphore::new(self.pool.spec.concurrency));
        let mut running: JoinSet<Ended> = JoinSet::new();
        loop {
            while running.len() < self.open_max {
                let next = self.pool.queue.lock().waiting.pop_front();
                let Some((since, job)) = next else { break };
                let (runner, calls, stop) = (self.clone(), Arc::clone(&calls), stopping.clone());
                running.spawn(async move {
                    let key = job.idempotency_key();
                    let work = AssertUnwindSafe(runner.carry_out(&job, since, &calls, stop));
                    let behind = work.catch_unwind().await.unwrap_or_else(|_panic| {
                        error!(key = %job.key, effect = %job.id.0, "carrying out an effect crashed");
                        runner.courier.left.note(&job.key);
                        None
                    });
                    Ended { key, behind }
                });
            }
            tokio::select! {
                biased;
                () = stopping.raised() => break,
                Some(ended) = running.join_next() => self.ended(ended),
                () = self.pool.bell.notified() => {}
            }
        }
        while let Some(ended) = running.join_next().await {
            self.ended(ended);
        }
    }

    fn ended(&self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended { key, behind }) => {
                if self.pool.ended(key) {
                    self.rescan.notify_one();
                }
                if let Some(target) = behind {
                    self.gate.leave(target);
                }
            }
            // Panics are caught, so this is the end of the process.
            Err(error) => warn!(%error, pool = self.pool.spec.name, "an effect's task ended"),
        }
    }

    /// Carries an effect out; behind which switch it was put down, if it was.
    async fn carry_out(
        &self,
        job: &Job,
        since: Instant,
        calls: &Semaphore,
        stopping: StopSignal,
    ) -> Option<Target> {
        let message = MessageRef { stream: job.key.stream(), message: job.idempotency_key() };
        let counted = Tried { message, epoch: job.epoch };
        let counters = &self.pool.counters;
        let outcome = match self.call(job, (since, counted), calls, stopping).await {
            Called::Ended(outcome) => outcome,
            Called::PutDown(target) => return Some(target),
            Called::Left => {
                self.courier.left.note(&job.key);
                return None;
            }
            Called::Stopped => return None,
            Called::Withdrawn => {
                if is_counted(job) {
                    self.courier.attempts.forget(counted);
                }
                return None;
            }
            Called::StartedTooOften(starts) => {
                let detail = format!("{starts} starts ended without an outcome");
                let reason = LetterReason::ProcessEnded;
                counters.parked.fetch_add(1, Ordering::Relaxed);
                quarantine(&self.courier.quarantine, job, reason, detail, starts);
                return None;
            }
        };
        counters.ended(&outcome);
        let message = job.outcome(outcome);
        let before = if job.is_fresh { Before::Never } else { Before::Perhaps };
        match self.courier.deliver(&job.key, &message, before).await {
            Delivered::Digested => {
                counters.settled.fetch_add(1, Ordering::Relaxed);
                if is_counted(job) {
                    self.courier.attempts.forget(counted);
                }
            }
            // The count stays: what may have been sent must not be sent again unasked.
            Delivered::Quarantined => {
                counters.parked.fetch_add(1, Ordering::Relaxed);
            }
            Delivered::LeftAlone => self.courier.left.note(&job.key),
        }
        None
    }

    /// Calls until there is an outcome. A start is counted right before something is sent, so that
    /// what only waited its turn counts for nothing.
    async fn call(
        &self,
        job: &Job,
        (since, counted): (Instant, Tried),
        calls: &Semaphore,
        stopping: StopSignal,
    ) -> Called {
        let spec = &self.pool.spec;
        let at_most_once = job.effect.mode == EffectMode::AtMostOnce;
        // Once a try may have had its effect, a later refusal doesn't speak for it.
        let mut unsure = false;
        let mut tries = 0;
        loop {
            if let Some(called) = self.pass(job, &stopping).await {
                return called;
            }
            let Ok(permit) = calls.acquire().await else { return Called::Stopped };
            if stopping.is_raised() {
                return Called::Stopped;
            }
            if holding(&self.gate, job).is_some() {
                continue;
            }
            if since.elapsed() > ASK_AFTER
                && let Some(called) = self.withdrawn(job).await
            {
                return called;
            }
            if is_counted(job)
                && (tries == 0 || at_most_once)
                && let Some(called) = self.counted(counted, at_most_once).await
            {
                return called;
            }
            if let Some(bar) = self.bar(job) {
                if at_most_once && self.courier.attempts.forgotten(counted).await.is_none() {
                    return Called::Stopped;
                }
                match bar {
                    Bar::Ends(called) => return called,
                    Bar::Waits => continue,
                }
            }
            tries += 1;
            self.pool.counters.calls.fetch_add(1, Ordering::Relaxed);
            let tried = self.try_once(job).await;
            drop(permit);
            let error = match tried {
                Ok(response) => {
                    return Called::Ended(EffectOutcome::Done { response: response.into() });
                }
                Err(error) => error,
            };
            let not_sent = matches!(error, EffectError::NotSent { .. });
            if at_most_once && not_sent && self.courier.attempts.forgotten(counted).await.is_none()
            {
                return Called::Stopped;
            }
            unsure |= matches!(error, EffectError::Unknown { .. });
            let again = spec.retry.wait(tries, &self.courier.jitter);
            let wait = match outcome_of(error, unsure, again.filter(|_| not_sent || !at_most_once))
            {
                Ok(wait) => wait,
                Err(outcome) => return Called::Ended(outcome),
            };
            debug!(key = %job.key, effect = %job.id.0, tries, "effect is tried again");
            self.pool.counters.retries.fetch_add(1, Ordering::Relaxed);
            tokio::select! {
                biased;
                () = stopping.raised() => return Called::Stopped,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Without the command's, a trace of its own: the same for every try.
    fn trace(&self, job: &Job) -> Trace {
        let own = |key| Trace::root(key, self.spans.samples(key));
        job.trace.clone().unwrap_or_else(|| own(job.idempotency_key()))
    }

    async fn try_once(&self, job: &Job) -> Result<String, EffectError> {
        let spec = &self.pool.spec;
        let above = self.trace(job);
        let trace = above.child();
        let call = job.call(trace.clone());
        let started = Instant::now();
        let called = AssertUnwindSafe(spec.handler.call(call)).catch_unwind();
        let answer = match timeout(spec.timeout, called).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panic)) => {
                Err(EffectError::Unknown { detail: "the handler panicked".to_owned() })
            }
            Err(_elapsed) => {
                let detail = format!("no answer within {} ms", spec.timeout.as_millis());
                Err(EffectError::Unknown { detail })
            }
        };
        if trace.sampled {
            let times = (started, Instant::now());
            let span = Span::at(trace, Some(above.span), "effect", SpanKind::Client, times);
            let span = span.with("coppice.pool", spec.name);
            let span = span.with("coppice.kind", job.key.kind().as_str());
            self.spans.ended(Span { failed: answer.is_err(), ..span });
        }
        answer
    }
}
