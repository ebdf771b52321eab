//! Keys of personal data, as a host sees to them: looked for before a command is decided, loaded
//! where its events turn out to need them, and forgotten with the life that used them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use coppice_core::{Entity, Sequence, SubjectId, Timestamp};
use coppice_persistence::Snapshot;

use super::{Host, Repeat, Verdict, outstanding, repeat};
use crate::answer::{Answer, Failure};
use crate::held::After;
use crate::inspect::Activity;
use crate::personal::{Scope, Subjects, Wants};
use crate::slot::{Intent, Order, SystemDelivery};

/// What became of taking a decision into the working state.
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, on the stack; a box would cost every decision an allocation"
)]
pub(super) enum Applied {
    /// It is in; the reply, what starts once it is durable, and perhaps a snapshot.
    Whole(Box<str>, After, Option<Snapshot>),
    /// Keys were missing, and nothing has changed.
    Misses(Wants),
    /// Its personal data can't be sealed, and nothing has changed.
    Refused(Failure),
    /// The entity's own code crashed.
    Crashed(String),
}

impl<K: Entity> Host<K> {
    /// Whether the personal data of a command may be written at all.
    ///
    /// # Errors
    /// [`Failure`], why not.
    pub(super) async fn admit(&mut self, order: &Order<K>) -> Result<(), Failure> {
        // Of entity code that panics here, `decide` will tell.
        let Intent::Command(command) = &order.intent else { return Ok(()) };
        let subject = AssertUnwindSafe(|| K::subject(command).cloned());
        let Ok(Some(subject)) = catch_unwind(subject) else { return Ok(()) };
        let vault = self.slot.services.scope(&self.slot.key);
        if !vault.knows(&subject) {
            let subjects = Subjects::from([subject.clone()]);
            self.fetch(&vault, &Wants { subjects, make: false }).await?;
        }
        vault.admit(&subject)
    }

    /// Loads or makes keys. What is decided need not wait for it.
    pub(super) async fn fetch(&mut self, vault: &Scope, wants: &Wants) -> Result<(), Failure> {
        self.submit();
        self.slot.does(Activity::LookingUp);
        let loaded = vault.load(wants).await;
        self.slot.does(Activity::Deciding);
        loaded
    }

    /// Refuses a command that may have been accepted before: before the data in it was erased, or
    /// before its entity was stopped.
    pub(super) async fn refuse(&mut self, order: Box<Order<K>>, failure: Failure) {
        if let Some(body_hash) = order.keyed {
            match self.look_up(&order).await {
                Ok(Repeat::No) => {}
                Ok(Repeat::Of(answered)) => return self.settle(order, repeat(answered, body_hash)),
                Err(failure) => return order.fail(failure),
            }
        }
        self.settle(order, Err(failure));
    }

    /// Writes a decision's events down and takes them into the working state.
    pub(super) fn apply(
        &mut self,
        order: &Order<K>,
        verdict: &Verdict<K>,
        now: Timestamp,
        vault: &Arc<Scope>,
    ) -> Applied {
        let Some(life) = self.life.as_mut() else { return Applied::Refused(Failure::Conflict) };
        let services = &self.slot.services;
        let bundle = services.policy_bundle.in_force();
        let work = AssertUnwindSafe(|| {
            let mark = K::pending(&life.state).mark();
            let reply = match verdict {
                Verdict::Decision(decision) => {
                    life.apply(order, decision, now, bundle.as_ref(), vault)?
                }
                Verdict::Tombstone => life.end(order, now, bundle.clone()),
            };
            if !outstanding::is_digested::<K>(&life.state, &order.origin) {
                return Err("what it digested is still owed".to_owned());
            }
            let after = life.after(Some(mark), &services.quarantine);
            let every = services.options.snapshot_every;
            let snapshot =
                (!life.chained.is_empty()).then(|| life.snapshot_due(every, now, vault)).flatten();
            Ok((reply, after, snapshot))
        });
        let applied = catch_unwind(work).unwrap_or_else(|_| Err("a panic".to_owned()));
        self.slot.personal.add(vault.subjects());
        match (applied, vault.wants()) {
            (Ok((reply, after, snapshot)), _) => Applied::Whole(reply, after, snapshot),
            (Err(_), Err(failure)) => Applied::Refused(failure),
            (Err(_), Ok(Some(wants))) => Applied::Misses(wants),
            (Err(problem), Ok(None)) => Applied::Crashed(problem),
        }
    }

    /// Ends this life where it has data of a subject in memory; the next one reads the journal, in
    /// which that is erased. What is decided commits as it is: it is sealed.
    pub(super) fn forget(&mut self, delivery: SystemDelivery, subject: &SubjectId) {
        if self.slot.personal.has(subject) {
            return self.restart(delivery);
        }
        let answer = self.life.as_ref().map(|life| life.head.sequence).ok_or(Failure::Conflict);
        delivery.answer(answer.map(nothing_at));
    }

    /// Ends this life, which counts as no crash. What waits is decided by the next one, once the
    /// tickets of this one have ended.
    pub(super) fn restart(&mut self, delivery: SystemDelivery) {
        let Some(life) = self.life.as_mut() else {
            return delivery.answer(Err(Failure::Conflict));
        };
        life.crashed = true;
        let sequence = life.head.sequence;
        // So that it goes now and not with the next message.
        self.slot.ring();
        delivery.answer(Ok(nothing_at(sequence)));
    }
}

fn nothing_at(sequence: Sequence) -> Answer {
    Answer { sequence, reply: "null".into(), repeated: false }
}
