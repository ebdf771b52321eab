//! What an entity owes and is owed, as its host sees to it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use coppice_core::{CommandId, CorrelationId, EffectMode, Entity};

use super::Host;
use crate::answer::{Answer, Failure};
use crate::held::{After, HeldSystem};
use crate::life::Life;
use crate::slot::{Intent, Order, Origin, SystemDelivery, Wanted};
use crate::trace::Trace;
use crate::work::message::{SystemMessage, timer_key};
use crate::work::pool::Job;
use crate::work::quarantine::Quarantine;

impl<K: Entity> Life<K> {
    /// What starts once the decision in hand is durable: the effects added since the mark, and the
    /// next timer where that is another now. Without a mark all that is owed, by whichever life of
    /// the process it was decided.
    pub(crate) fn after(&mut self, mark: Option<u64>, quarantine: &Quarantine) -> After {
        let pending = K::pending(&self.state);
        let jobs = pending
            .added_since(mark.unwrap_or(0))
            .map(|added| self.job(added, mark.is_some()))
            .collect();
        let stream = self.incarnation.key.stream();
        // Out of service it is told nothing, so its timers would fire again and again.
        let is_out = quarantine.holds_entity(stream);
        let next = pending
            .timers()
            .find(|(due, id)| !is_out && !quarantine.holds(stream, timer_key(stream, id, *due)));
        let armed = self.armed.as_ref().map(|(due, id)| (*due, id));
        let next_timer = (next != armed).then(|| next.map(|(due, id)| (due, id.clone())));
        if let Some(next) = &next_timer {
            self.armed.clone_from(next);
        }
        let stops = K::stops(&self.state).map(|stops| (self.head.sequence, stops.clone()));
        After { jobs, next_timer, stops }
    }

    fn job(&self, added: coppice_core::Outstanding<'_>, is_fresh: bool) -> Job {
        Job {
            key: self.incarnation.key.clone(),
            shard: self.incarnation.shard,
            epoch: self.incarnation.epoch,
            id: added.id.clone(),
            ordinal: added.ordinal,
            effect: added.effect.clone(),
            trace: None,
            is_fresh,
        }
    }
}

/// Whether the state no longer waits for a message that it was told.
pub(super) fn is_digested<K: Entity>(state: &K::State, origin: &Origin) -> bool {
    match origin {
        Origin::Caller { .. } => true,
        Origin::System(message) => !waits_for::<K>(state, message),
    }
}

fn waits_for<K: Entity>(state: &K::State, message: &SystemMessage) -> bool {
    let pending = K::pending(state);
    match message {
        SystemMessage::Timer { id, due } => pending.timer(id) == Some(*due),
        SystemMessage::Outcome { id, ordinal, .. } => pending.ordinal(id) == Some(*ordinal),
    }
}

/// Whether nothing is computed behind a message; see [`Order::alone`]. The outcome of a call that
/// isn't made again is one that can't be had again.
fn goes_alone<K: Entity>(state: &K::State, wanted: &Wanted) -> bool {
    match wanted {
        Wanted::Digest { message: SystemMessage::Outcome { id, .. }, alone: false } => {
            let effect = K::pending(state).effect(id);
            effect.is_some_and(|effect| effect.mode == EffectMode::AtMostOnce)
        }
        Wanted::Digest { alone, .. } => *alone,
        _ => true,
    }
}

fn command_of<K: Entity>(state: &K::State, message: &SystemMessage) -> Option<K::Command> {
    match message {
        SystemMessage::Timer { id, due } => K::on_timer(state, id, *due),
        SystemMessage::Outcome { id, outcome, .. } => K::on_effect(state, id, outcome),
    }
}

impl<K: Entity> Host<K> {
    /// Sees to everything that a state fresh from the journal owes.
    ///
    /// # Errors
    /// What to tell those that wait, where the entity's own code crashed over it.
    pub(super) fn look_after_all(&mut self) -> Result<(), Failure> {
        self.all_owed()?.start(&self.slot);
        Ok(())
    }

    /// Everything that the state owes, as if it had been added just now.
    fn all_owed(&mut self) -> Result<After, Failure> {
        let Some(life) = self.life.as_mut() else { return Err(Failure::Conflict) };
        let quarantine = &self.slot.services.quarantine;
        let owed = catch_unwind(AssertUnwindSafe(|| {
            life.armed = None;
            let mut after = life.after(None, quarantine);
            // Whatever stood there before is of an older life.
            after.next_timer = Some(life.armed.clone());
            after
        }));
        owed.map_err(|_panic| {
            let nobody = CommandId(uuid::Uuid::nil());
            let failure = self.note_crash(nobody, None, "a panic in pending");
            failure.err().unwrap_or(Failure::Crashed)
        })
    }

    /// Serves what the system itself wants.
    pub(super) async fn serve_system(&mut self, delivery: SystemDelivery) {
        match &delivery.wanted {
            Wanted::Forget(subject) => {
                let subject = subject.clone();
                return self.forget(delivery, &subject);
            }
            Wanted::Restart => return self.restart(delivery),
            Wanted::Digest { .. } | Wanted::Settle(_) | Wanted::Wake | Wanted::Ordinal(_) => {}
        }
        let Some(life) = self.life.as_mut() else {
            return delivery.answer(Err(Failure::Conflict));
        };
        let quarantine = &self.slot.services.quarantine;
        let nothing =
            || Answer { sequence: life.head.sequence, reply: "null".into(), repeated: true };
        let message = match &delivery.wanted {
            Wanted::Wake => {
                let answer = nothing();
                return match self.all_owed() {
                    Ok(after) => self.settle_system(delivery, Ok(answer), after),
                    Err(failure) => delivery.answer(Err(failure)),
                };
            }
            Wanted::Ordinal(id) => {
                let ordinal = K::pending(&life.state).ordinal(id);
                let reply =
                    ordinal.map_or_else(|| "null".to_owned(), |ordinal| ordinal.to_string());
                let answer = Answer { reply: reply.into(), ..nothing() };
                return self.settle_system(delivery, Ok(answer), After::default());
            }
            Wanted::Digest { message, .. } | Wanted::Settle(message) => message.clone(),
            Wanted::Forget(_) | Wanted::Restart => {
                return delivery.answer(Err(Failure::Undigested));
            }
        };
        let id = message.command_id(self.slot.key.stream());
        let subject = CommandId(message.subject_id(self.slot.key.stream()));
        let settles = matches!(delivery.wanted, Wanted::Settle(_));
        let failure = quarantine.failure(&self.slot.key, subject);
        if let Some(failure) =
            failure.filter(|failure| !settles || *failure != Failure::MessageQuarantined)
        {
            return delivery.answer(Err(failure));
        }
        // A timer that is due waits; what was called before has its outcome recorded.
        if let SystemMessage::Timer { .. } = message
            && let Some(target) = self.slot.services.gate.holding(&self.slot.key)
        {
            return delivery.answer(Err(Failure::Frozen(target)));
        }
        if !waits_for::<K>(&life.state, &message) {
            let answer = nothing();
            return self.settle_system(delivery, Ok(answer), After::default());
        }
        let command = AssertUnwindSafe(|| command_of::<K>(&life.state, &message));
        let Ok(command) = catch_unwind(command) else {
            let failure = self.note_crash(id, None, "a panic in on_timer or on_effect");
            return delivery.answer(Err(failure.err().unwrap_or(Failure::Crashed)));
        };
        let Some(command) = command else {
            return self.settle_system(delivery, Err(Failure::Undigested), After::default());
        };
        let mut order = order_of::<K>(id, command, delivery, message, &life.state);
        order.trace = self.slot.services.spans.samples(id.0).then(|| Trace::root(id.0, true));
        match self.decide(&order) {
            None => self.crash(order, "a panic or an overrun of its time in decide"),
            Some((now, Ok(verdict))) => self.accept(order, verdict, now).await,
            Some((_, Err(refusal))) => self.settle(order, Err(refusal)),
        }
    }

    fn settle_system(
        &mut self,
        delivery: SystemDelivery,
        answer: Result<Answer, Failure>,
        after: After,
    ) {
        let Some(life) = &self.life else { return };
        let incarnation = Arc::clone(&life.incarnation);
        let slot = Arc::clone(&self.slot);
        let held = HeldSystem::new(slot, &incarnation, delivery, answer, after);
        self.finish(incarnation, Box::new(held));
    }
}

/// A command of the system's own, with whoever waits for its answer.
fn order_of<K: Entity>(
    id: CommandId,
    command: K::Command,
    delivery: SystemDelivery,
    message: SystemMessage,
    state: &K::State,
) -> Box<Order<K>> {
    let alone = goes_alone::<K>(state, &delivery.wanted);
    let SystemDelivery { received, deadline, reply, .. } = delivery;
    Box::new(Order {
        intent: Intent::Command(command),
        id,
        keyed: None,
        correlation: CorrelationId(id.0),
        trace: None,
        expected: None,
        begins: false,
        origin: Origin::System(message),
        received,
        deadline,
        link: None,
        alone,
        falls: 0,
        reply,
    })
}
