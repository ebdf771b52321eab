//! One entity alive: its working state, and the decisions that it makes on it.
//!
//! The host decides ahead of the journal. Each decision goes to the writer as a ticket and the next
//! one is made on the state after it, without waiting; that is what makes one hot entity fast. If
//! a ticket falls, everything decided on top of it falls too, the state is read again, and the
//! commands are decided again in their order.
//!
//! **Invariants:** nothing is answered from a state that isn't durable: what appends nothing (a
//! read, a refusal, a repeat) waits behind the open tickets, and the lease is checked after it was
//! evaluated. A life ends only when its last ticket has.
//!
//! **Who asks the command table.** A keyed command that isn't in the window is decided as if it
//! were new: if it wasn't, its record meets the unique index and the store refuses the ticket as
//! a duplicate. So a fresh key costs no read. Only what would be answered without an append (a
//! refusal, an acceptance without events) asks the table first, and so do commands that recovery
//! or a refused ticket has shown to be repeats.

mod compute;
mod crash;
mod keys;
mod outstanding;
mod recover;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coppice_core::{CommandId, Context, Decision, Entity, Epoch, Hash, Rejection, Timestamp};
use coppice_persistence::CommandRecord;
use tracing::error;

use crate::answer::{Answer, Failure, View};
use crate::cell::{Turn, Worker};
use crate::held::{HeldCommand, HeldView};
use crate::inspect::Activity;
use crate::life::Life;
use crate::mailbox::Bell;
use crate::recovery;
use crate::slot::{Delivery, Intent, Order, Slot};
use crate::ticket::{Incarnation, Ticket, Writing};
use crate::window::Answered;
use compute::Course;
use keys::Applied;

/// The worker behind an entity's bell.
pub(crate) struct Host<K: Entity> {
    slot: Arc<Slot<K>>,
    /// Which of the slot's cells this is.
    number: u64,
    life: Option<Box<Life<K>>>,
    /// Set by the first turn: only then is there a cell whose end matters.
    started: bool,
    drained: Vec<Delivery<K>>,
    tickets: Vec<Ticket>,
    /// How long this turn has computed effects.
    computed: Duration,
}

impl<K: Entity> Drop for Host<K> {
    fn drop(&mut self) {
        if self.started {
            self.slot.mailbox.give_back(self.drained.drain(..));
            self.slot.cell_ended(self.number);
        }
    }
}

/// What is written down for an order.
pub(crate) enum Verdict<K: Entity> {
    /// What the entity decided.
    Decision(Decision<K::Event, K::Reply>),
    /// The end of its stream.
    Tombstone,
}

/// What becomes of an order: a verdict, or a refusal.
type Decided<K> = Result<Verdict<K>, Failure>;

/// What a keyed command is known to be.
enum Repeat {
    No,
    Of(Answered),
}

impl<K: Entity> Worker for Host<K> {
    /// Boxed, for ractor keeps room for it in every idle cell, several times over.
    fn turn(&mut self) -> impl Future<Output = Turn> + Send {
        Box::pin(self.look())
    }
}

impl<K: Entity> Host<K> {
    pub(crate) fn new(slot: Arc<Slot<K>>, number: u64) -> Self {
        Self {
            slot,
            number,
            life: None,
            started: false,
            drained: Vec::new(),
            tickets: Vec::new(),
            computed: Duration::ZERO,
        }
    }

    async fn look(&mut self) -> Turn {
        self.started = true;
        self.slot.mailbox.silence();
        if self.life.is_none() {
            self.life = self.slot.asleep.lock().take();
        }
        let Some((shard, epoch)) = self.slot.services.lease.owned(&self.slot.key) else {
            self.fail_waiting(&Failure::NotOwner);
            return self.leave();
        };
        if !self.bury_ended(epoch) {
            return Turn::Idle;
        }
        if self.life.is_none() {
            if !self.slot.has_work() {
                return if self.slot.is_drowsy() { Turn::Asleep } else { Turn::Idle };
            }
            if !self.predecessor_has_ended() {
                return Turn::Idle;
            }
            let recovered = self.recover(shard, epoch).await;
            if let Err(failure) = recovered.and_then(|()| self.look_after_all()) {
                self.slot.does(Activity::Idle);
                self.fail_waiting(&failure);
                return Turn::Idle;
            }
        }
        // Before it leaves the mailbox: a stop looks at both.
        self.slot.does(Activity::Deciding);
        self.drain();
        self.slot.decided.fetch_add(self.drained.len() as u64, Ordering::Relaxed);
        self.decide_drained().await;
        self.submit();
        self.slot.does(Activity::Idle);
        if self.slot.has_work() && self.has_room() && self.slot.mailbox.ring() == Bell::Ring {
            return Turn::More;
        }
        self.fall_asleep()
    }

    /// Leaves the state with the slot and ends the cell, where that was asked for and nothing is
    /// going on.
    fn fall_asleep(&mut self) -> Turn {
        let busy =
            self.slot.has_work() || self.life.as_ref().is_some_and(|life| !life.is_at_rest());
        if busy || !self.slot.is_drowsy() {
            return Turn::Idle;
        }
        if let Some(mut life) = self.life.take() {
            life.rest();
            self.slot.mailbox.shrink();
            self.slot.weigh(life.weight(&self.slot.services.scope(&self.slot.key)));
            *self.slot.asleep.lock() = Some(life);
        }
        Turn::Asleep
    }

    /// Of an entity that is another node's: the cell ends where that was asked for, and the state
    /// with it, once its tickets have ended.
    fn leave(&mut self) -> Turn {
        let open = self.life.as_ref().map_or(0, |life| life.incarnation.open());
        if open > 0 || self.slot.has_work() || !self.slot.is_drowsy() {
            return Turn::Idle;
        }
        self.life = None;
        self.slot.personal.clear();
        Turn::Asleep
    }

    /// Whether the tickets of an earlier cell's life have ended: one that was killed leaves them
    /// with the writer. Where they have not, the end of one wakes this host.
    fn predecessor_has_ended(&self) -> bool {
        let Some(life) = self.slot.incarnation.lock().clone() else { return true };
        if life.open() == 0 {
            return true;
        }
        life.host_waits();
        // The last one may have ended between the two; then nobody is left to wake us.
        life.open() == 0
    }

    /// Ends a life that has fallen, crashed or decides under an old epoch, once its tickets have
    /// ended; false while it has to wait for that.
    fn bury_ended(&mut self, epoch: Epoch) -> bool {
        let Some(life) = &self.life else { return true };
        let incarnation = &life.incarnation;
        let ended = life.crashed || incarnation.fall().is_some() || incarnation.epoch != epoch;
        if !ended {
            return true;
        }
        if incarnation.open() > 0 {
            life.break_incomplete_groups();
            incarnation.host_waits();
            // The last one may have ended between the two; then nobody is left to wake us.
            if incarnation.open() > 0 {
                return false;
            }
        }
        self.life = None;
        self.slot.personal.clear();
        true
    }

    /// Whether another decision may be open. Where it may not, the end of one wakes this host.
    fn has_room(&self) -> bool {
        let Some(life) = &self.life else { return true };
        let open_max = self.slot.services.options.tickets_open_max;
        if life.incarnation.open() < open_max {
            return true;
        }
        life.break_incomplete_groups();
        life.incarnation.host_waits();
        // One may have ended between the two; then nobody is left to wake us.
        life.incarnation.open() < open_max
    }

    /// Takes what may be decided now: what fell first, then the mailbox.
    fn drain(&mut self) {
        let options = &self.slot.services.options;
        let open = self.life.as_ref().map_or(0, |life| life.incarnation.open());
        let room = options.tickets_open_max.saturating_sub(open).min(options.drain_batch);
        self.drained.append(&mut self.slot.returned.lock());
        let limit = room.saturating_sub(self.drained.len());
        self.slot.mailbox.drain(limit, &mut self.drained);
        self.tickets.reserve_exact(self.drained.len());
    }

    async fn decide_drained(&mut self) {
        self.computed = Duration::ZERO;
        let mut drained = std::mem::take(&mut self.drained).into_iter();
        while let Some(delivery) = drained.next() {
            let is_late = tokio::time::Instant::now() > delivery.deadline();
            match delivery {
                late if is_late => late.fail(Failure::DeadlineExceeded),
                Delivery::Command(order) => self.decide_order(order).await,
                Delivery::System(delivery) => self.serve_system(*delivery).await,
                Delivery::View { received, deadline, reply } => {
                    self.show((received, deadline), reply);
                }
            }
            // What was read of nothing and has written nothing is no state for anybody else.
            if let Some(life) = self.life.as_mut().filter(|life| life.is_guessed()) {
                life.crashed = true;
                self.slot.ring();
            }
            if self.life.as_ref().is_none_or(|life| life.crashed) {
                // The rest is decided by the next life, behind whatever of this one still falls.
                self.slot.mailbox.give_back(drained);
                return;
            }
        }
    }

    fn submit(&mut self) {
        if let Some(life) = &self.life
            && !self.tickets.is_empty()
        {
            // Their room goes with them: an idle entity keeps none.
            let mut tickets = std::mem::take(&mut self.tickets);
            life.incarnation.opened(tickets.len());
            tickets.iter_mut().for_each(Ticket::counted);
            self.slot.services.writer.submit(&mut tickets);
        }
    }

    fn fail_waiting(&mut self, failure: &Failure) {
        self.drained.append(&mut self.slot.returned.lock());
        self.slot.mailbox.drain(usize::MAX, &mut self.drained);
        for delivery in self.drained.drain(..) {
            delivery.fail(failure.clone());
        }
    }

    async fn decide_order(&mut self, order: Box<Order<K>>) {
        if let Some(failure) = self.slot.services.quarantine.failure(&self.slot.key, order.id) {
            return order.fail(failure);
        }
        // A part of a broken group may be a repeat all the same, and then has its first answer.
        let broken = order.link.as_ref().is_some_and(|group| group.is_broken());
        let mut looked_up = false;
        if let Some(body_hash) = order.keyed {
            let Some(life) = &self.life else { return order.fail(Failure::Conflict) };
            if let Some(answered) = life.window.get(order.id) {
                let repeat = repeat(answered.clone(), body_hash);
                return self.settle(order, repeat);
            }
            if broken || life.look_up.contains(&order.id) {
                looked_up = true;
                match self.look_up(&order).await {
                    Ok(Repeat::No) => {}
                    Ok(Repeat::Of(answered)) => {
                        return self.settle(order, repeat(answered, body_hash));
                    }
                    Err(failure) => return order.fail(failure),
                }
            }
        }
        if broken {
            return order.fail(Failure::Unlinked);
        }
        if let Some(target) = self.slot.services.gate.holding(&self.slot.key) {
            return self.refuse(order, Failure::Frozen(target)).await;
        }
        if let Err(failure) = self.admit(&order).await {
            return self.refuse(order, failure).await;
        }
        let Some((now, decided)) = self.decide(&order) else {
            return self.crash(order, "a panic or an overrun of its time in decide");
        };
        let appends = match &decided {
            Ok(Verdict::Decision(decision)) => !decision.events.is_empty(),
            Ok(Verdict::Tombstone) => true,
            Err(_) => false,
        };
        if !appends && self.life.as_ref().is_some_and(|life| life.is_guessed()) {
            // Decided once more by the next life, which reads first.
            return self.slot.returned.lock().push(Delivery::Command(order));
        }
        if let (Some(body_hash), false, false) = (order.keyed, appends, looked_up) {
            match self.look_up(&order).await {
                Ok(Repeat::No) => {}
                Ok(Repeat::Of(answered)) => return self.settle(order, repeat(answered, body_hash)),
                Err(failure) => return order.fail(failure),
            }
        }
        match decided {
            Ok(verdict) => self.accept(order, verdict, now).await,
            Err(refusal) => self.settle(order, Err(refusal)),
        }
    }

    /// Runs the entity's own code; `None` where it panicked, and then this life is over.
    fn decide(&mut self, order: &Order<K>) -> Option<(Timestamp, Decided<K>)> {
        let life = self.life.as_mut()?;
        let now = self.slot.services.clock.now().max(life.recorded_at);
        if let Err(refusal) = life.may_decide(order) {
            return Some((now, Err(refusal)));
        }
        let Intent::Command(command) = &order.intent else {
            return Some((now, Ok(Verdict::Tombstone)));
        };
        let context = Context {
            now,
            key: &self.slot.key,
            sequence: life.head.sequence,
            command_id: order.id,
            correlation: order.correlation,
        };
        let decide = || {
            let decided = K::decide(&life.state, command, &context);
            decided.map(Verdict::Decision).map_err(|rejection| Failure::Rejected {
                code: rejection.code(),
                detail: rejection.to_string(),
            })
        };
        let started = tokio::time::Instant::now();
        let decided = catch_unwind(AssertUnwindSafe(decide)).ok()?;
        let overran = started.elapsed() > self.slot.services.options.decide_limit;
        (!overran).then_some((now, decided))
    }

    /// Takes an accepted decision into the working state and makes its ticket.
    async fn accept(&mut self, order: Box<Order<K>>, verdict: Verdict<K>, now: Timestamp) {
        let vault = self.slot.services.scope(&self.slot.key);
        let (reply, after, snapshot) = loop {
            match self.apply(&order, &verdict, now, &vault) {
                Applied::Whole(reply, after, snapshot) => break (reply, after, snapshot),
                Applied::Misses(wants) => {
                    if let Err(failure) = self.fetch(&vault, &wants).await {
                        return order.fail(failure);
                    }
                }
                Applied::Refused(failure) => return self.refuse(order, failure).await,
                Applied::Crashed(problem) => return self.crash(order, &problem),
            }
        };
        let Some(life) = self.life.as_mut() else { return order.fail(Failure::Conflict) };
        let sequence = life.head.sequence;
        let answer = Answer { sequence, reply: reply.clone(), repeated: false };
        let events = std::mem::take(&mut life.chained);
        let mut course = Course { events, after, snapshot };
        if let Err(problem) = self.compute(&order, &mut course, &vault) {
            return self.crash(order, &problem);
        }
        let Course { events, after, snapshot } = course;
        let Some(life) = self.life.as_mut() else { return order.fail(Failure::Conflict) };
        if let Some(body_hash) = order.keyed {
            let answered = Answered { body_hash, sequence, reply: reply.clone() };
            life.window.insert(order.id, answered);
        }
        if events.is_empty() && order.keyed.is_none() && order.link.is_none() {
            return self.settle(order, Ok(answer));
        }
        let record = |body_hash| CommandRecord {
            command_id: order.id,
            body_hash,
            sequence,
            reply,
            recorded_at: now,
            sender: order.sender(),
        };
        let writes = !events.is_empty() || order.keyed.is_some();
        let expected = life.head_before(&events);
        let waits_as_before = writes && life.waits_as_before();
        let writing = writes.then(|| Writing {
            expected,
            command: order.keyed.map(record),
            wake_at: life.wake_at,
            owes: life.owes,
            waits_as_before,
            snapshot,
            events,
        });
        let incarnation = Arc::clone(&life.incarnation);
        let link = order.link.clone();
        life.groups.extend(link.clone());
        let slot = Arc::clone(&self.slot);
        let held = if writing.is_some() {
            HeldCommand::deciding(slot, order, answer, after)
        } else {
            HeldCommand::joining(slot, order, answer, &incarnation)
        };
        self.tickets.push(Ticket::new(incarnation, writing, link, Box::new(held)));
    }

    /// Gives an answer that appends nothing: now if nothing is open before it, else behind it.
    fn settle(&mut self, order: Box<Order<K>>, answer: Result<Answer, Failure>) {
        if let Some(group) = &order.link {
            group.break_up();
        }
        let Some(life) = &self.life else { return order.fail(Failure::Conflict) };
        let incarnation = Arc::clone(&life.incarnation);
        let held = HeldCommand::settling(Arc::clone(&self.slot), order, answer, &incarnation);
        self.finish(incarnation, Box::new(held));
    }

    fn show(
        &mut self,
        times: (tokio::time::Instant, tokio::time::Instant),
        reply: tokio::sync::oneshot::Sender<Result<View, Failure>>,
    ) {
        let Some(life) = &self.life else { return drop(reply.send(Err(Failure::Conflict))) };
        let view = match life.view(&self.slot.services.scope(&self.slot.key)) {
            Ok(view) => view,
            Err(problem) => {
                error!(key = %self.slot.key, problem, "a view can't be written");
                return drop(reply.send(Err(Failure::Crashed)));
            }
        };
        let incarnation = Arc::clone(&life.incarnation);
        let held = HeldView::new(Arc::clone(&self.slot), &incarnation, times, reply, view);
        self.finish(incarnation, Box::new(held));
    }

    fn finish(&mut self, incarnation: Arc<Incarnation>, held: Box<dyn crate::ticket::Held>) {
        if self.tickets.is_empty() && incarnation.open() == 0 && incarnation.fall().is_none() {
            return held.committed();
        }
        self.tickets.push(Ticket::new(incarnation, None, None, held));
    }

    async fn look_up(&mut self, order: &Order<K>) -> Result<Repeat, Failure> {
        // What is decided need not wait for this read.
        self.submit();
        self.slot.does(Activity::LookingUp);
        let store = &self.slot.services.store;
        let found = store.command(&self.slot.key, order.id).await;
        self.slot.does(Activity::Deciding);
        let found = found.map_err(|error| recovery::failure(&self.slot.key, error))?;
        Ok(found.map_or(Repeat::No, |record| {
            Repeat::Of(Answered {
                body_hash: record.body_hash,
                sequence: record.sequence,
                reply: record.reply,
            })
        }))
    }
}

/// The first answer again, unless the body is another.
fn repeat(answered: Answered, body_hash: Hash) -> Result<Answer, Failure> {
    if answered.body_hash != body_hash {
        return Err(Failure::KeyReused);
    }
    Ok(Answer { sequence: answered.sequence, reply: answered.reply, repeated: true })
}

/// Commands that are to be looked up before they are decided.
pub(crate) type LookUp = HashSet<CommandId>;
