//! All pools: which of them an effect goes into, and which effects go into none.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coppice_core::Target;
use coppice_persistence::LetterReason;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::error;
use uuid::Uuid;

use super::passage::holding;
use super::{Job, Pool, PoolCounters, quarantine};
use crate::gate::Gate;
use crate::trace::Trace;
use crate::work::effects::EffectPool;
use crate::work::quarantine::Quarantine;

/// Every pool of the node, by its handler's name. Clones are the same pools.
#[derive(Debug, Clone)]
pub struct Pools {
    by_name: Arc<BTreeMap<&'static str, Arc<Pool>>>,
    quarantine: Quarantine,
    gate: Arc<Gate>,
}

impl Pools {
    /// Of these handlers; of two with one name the later stands.
    #[must_use]
    pub fn new(
        specs: Vec<EffectPool>,
        queue_max: usize,
        quarantine: Quarantine,
        gate: Arc<Gate>,
    ) -> Self {
        let pool = |spec: EffectPool| {
            let name = spec.name;
            let (queue, bell) = (Mutex::default(), Notify::new());
            (name, Arc::new(Pool { spec, queue, queue_max, bell, counters: Default::default() }))
        };
        Self { by_name: Arc::new(specs.into_iter().map(pool).collect()), quarantine, gate }
    }

    /// The pools, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.by_name.values()
    }

    /// Whether an effect is in a pool: it waits for its turn, or is under way.
    pub(crate) fn have(&self, effect: Uuid) -> bool {
        self.iter().any(|pool| pool.queue.lock().known.contains(&effect))
    }

    /// Whether its handler computes anything at all.
    pub(crate) fn computes(&self, job: &Job) -> bool {
        let pool = self.by_name.get(job.effect.handler.as_ref());
        pool.is_some_and(|pool| pool.spec.handler.computes())
    }

    /// Counts one more of something of an effect's pool.
    pub(crate) fn note(&self, job: &Job, what: impl Fn(&PoolCounters) -> &AtomicU64) {
        if let Some(pool) = self.by_name.get(job.effect.handler.as_ref()) {
            what(&pool.counters).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The response of an effect that its handler computes; `None` where it is to be offered. One
    /// that is out of delivery or behind a switch isn't computed either.
    pub(crate) fn compute(&self, job: &Job, trace: &Trace) -> Option<Box<str>> {
        let pool = self.by_name.get(job.effect.handler.as_ref())?;
        if self.is_out(job) || holding(&self.gate, job).is_some() {
            return None;
        }
        let call = job.call(trace.child());
        let computed = catch_unwind(AssertUnwindSafe(|| pool.spec.handler.compute(&call)));
        let response = computed.unwrap_or_else(|_panic| {
            error!(key = %job.key, effect = %job.id.0, "computing an effect crashed");
            None
        })?;
        Some(response.into())
    }

    fn is_out(&self, job: &Job) -> bool {
        let stream = job.key.stream();
        self.quarantine.holds_entity(stream) || self.quarantine.holds(stream, job.idempotency_key())
    }

    /// Puts an effect into its pool, unless it is there, out of delivery or behind a switch.
    pub fn offer(&self, job: Job) {
        if self.is_out(&job) {
            return;
        }
        if let Some(target @ (Target::Kind(_) | Target::Tenant(_))) = holding(&self.gate, &job) {
            return self.gate.leave(target);
        }
        match self.by_name.get(job.effect.handler.as_ref()) {
            Some(pool) => pool.offer(job),
            None => {
                let detail = format!("there is no handler {:?}", job.effect.handler);
                quarantine(&self.quarantine, &job, LetterReason::NoHandler, detail, 0);
            }
        }
    }
}
