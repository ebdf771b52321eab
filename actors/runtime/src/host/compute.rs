//! Effects that are computations: carried out in the turn that adds them.
//!
//! What a handler computes touches nothing outside, so it needs no commit before it. Its outcome is
//! decided at once and goes with what added the effect, in one ticket: both become durable or
//! neither does, and whoever decides anew computes anew.
//!
//! **Invariants:** an effect that was there before this life is none of these, and behind what is
//! delivered again there are none: of a computation that ends the process, what led to it is met by
//! itself the next time. What isn't taken in here, for whatever reason, starts after the commit like
//! any other effect.

use std::collections::VecDeque;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use coppice_core::{CorrelationId, EffectOutcome, Entity, EventRecord};
use coppice_persistence::Snapshot;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::keys::Applied;
use super::{Host, Verdict};
use crate::held::After;
use crate::personal::Scope;
use crate::slot::{Intent, Order, Origin};
use crate::trace::{Span, Trace};
use crate::work::pool::Job;

/// What a command has come to: its own events first.
pub(super) struct Course {
    pub(super) events: Vec<EventRecord>,
    pub(super) after: After,
    pub(super) snapshot: Option<Snapshot>,
}

impl Course {
    fn goes_on(&mut self, events: Vec<EventRecord>, after: After, snapshot: Option<Snapshot>) {
        self.events.extend(events);
        self.after.next_timer = after.next_timer.or_else(|| self.after.next_timer.take());
        self.after.stops = after.stops.or_else(|| self.after.stops.take());
        self.snapshot = snapshot.or_else(|| self.snapshot.take());
    }
}

/// What starts behind an outcome that was taken in, and perhaps a snapshot.
type Taken = (After, Option<Snapshot>);

impl<K: Entity> Host<K> {
    /// Carries out what of the effects just added is a computation, and of those that follow.
    ///
    /// # Errors
    /// What crashed.
    pub(super) fn compute(
        &mut self,
        order: &Order<K>,
        course: &mut Course,
        vault: &Arc<Scope>,
    ) -> Result<(), String> {
        let options = &self.slot.services.options;
        let (mut left, time) = (options.computed_max, options.computing);
        // The parts of a group are decided apart from each other and stand together. And where the
        // entity's code has crashed, one message at a time shows which it crashes over.
        let is_plain = order.link.is_none() && !order.alone && self.slot.crashes.lock().is_none();
        if course.after.jobs.is_empty() || !is_plain {
            return Ok(());
        }
        let mut waiting = VecDeque::from(take(&mut course.after.jobs));
        while let Some(job) = waiting.pop_front() {
            if left == 0 || self.computed >= time {
                course.after.jobs.push(job);
                break;
            }
            let Some((mut after, snapshot)) = self.computed(order, &job, vault)? else {
                course.after.jobs.push(job);
                continue;
            };
            left -= 1;
            waiting.extend(after.jobs.drain(..));
            let events = self.life.as_mut().map(|life| take(&mut life.chained));
            course.goes_on(events.unwrap_or_default(), after, snapshot);
        }
        course.after.jobs.extend(waiting);
        // What was taken in may have taken off what was added before it.
        if let Some(life) = &self.life {
            let pending = K::pending(&life.state);
            course.after.jobs.retain(|job| pending.ordinal(&job.id) == Some(job.ordinal));
        }
        Ok(())
    }

    /// Computes one effect and takes its outcome in. Nothing has changed where there is none: it is
    /// called like any other.
    ///
    /// # Errors
    /// How the entity's own code crashed over the outcome.
    fn computed(
        &mut self,
        order: &Order<K>,
        job: &Job,
        vault: &Arc<Scope>,
    ) -> Result<Option<Taken>, String> {
        let Some(life) = &self.life else { return Ok(None) };
        let services = &self.slot.services;
        let is_owed = K::pending(&life.state).ordinal(&job.id) == Some(job.ordinal);
        if !is_owed || !services.pools.computes(job) {
            return Ok(None);
        }
        let started = Instant::now();
        let trace = order.trace.clone().unwrap_or_else(|| Trace::root(order.id.0, false));
        let response = services.pools.compute(job, &trace);
        let ended = Instant::now();
        let took = ended - started;
        self.computed += took;
        if took > services.options.computing {
            services.pools.note(job, |counters| &counters.computed_late);
        }
        let Some(response) = response else { return Ok(None) };
        let outcome = EffectOutcome::Done { response };
        if trace.sampled {
            let span = Span::below(&trace, "compute", (started, ended));
            services.spans.ended(span.with("coppice.pool", &*job.effect.handler));
        }
        let on_effect = AssertUnwindSafe(|| K::on_effect(&life.state, &job.id, &outcome));
        let command = match catch_unwind(on_effect) {
            Ok(Some(command)) => command,
            Ok(None) => return Ok(None),
            Err(_panic) => return Err("a panic in on_effect".to_owned()),
        };
        let message = job.outcome(outcome);
        let id = message.command_id(self.slot.key.stream());
        let behind = Order {
            intent: Intent::Command(command),
            id,
            keyed: None,
            // As of one that was called.
            correlation: CorrelationId(id.0),
            trace: None,
            expected: None,
            begins: false,
            origin: Origin::System(message),
            received: order.received,
            deadline: order.deadline,
            link: None,
            alone: false,
            falls: 0,
            // Nobody asks how it went.
            reply: oneshot::channel().0,
        };
        let Some((now, decided)) = self.decide(&behind) else {
            return Err("a panic or an overrun of its time in decide".to_owned());
        };
        let verdict = match decided {
            Ok(Verdict::Decision(decision)) if !decision.events.is_empty() => {
                Verdict::Decision(decision)
            }
            Ok(_) | Err(_) => return Ok(None),
        };
        match self.apply(&behind, &verdict, now, vault) {
            Applied::Whole(_, after, snapshot) => {
                self.slot.services.pools.note(job, |counters| &counters.computed);
                Ok(Some((after, snapshot)))
            }
            Applied::Misses(_) | Applied::Refused(_) => Ok(None),
            Applied::Crashed(problem) => Err(problem),
        }
    }
}
