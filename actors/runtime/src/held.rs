//! What waits for a ticket's end, and what it does then.

use std::sync::Arc;

use coppice_core::{Entity, Epoch, Sequence, ShardId, Stops, StreamKey, TimerId, Timestamp};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::answer::{Answer, Failure, View};
use crate::lease::Lease;
use crate::slot::{Delivery, Order, Origin, Slot, SystemDelivery, Wanted};
use crate::ticket::{Fall, Held, Incarnation};
use crate::trace::Span;
use crate::work::pool::Job;

/// The ownership under which an answer was evaluated. It is looked at once more before the answer
/// leaves: a node that was frozen in between must not speak.
#[derive(Debug, Clone, Copy)]
struct Ownership {
    shard: ShardId,
    epoch: Epoch,
}

impl Ownership {
    fn of(incarnation: &Incarnation) -> Self {
        Self { shard: incarnation.shard, epoch: incarnation.epoch }
    }

    fn stands(self, lease: &dyn Lease) -> bool {
        lease.epoch(self.shard) == Some(self.epoch)
    }
}

fn failure(fall: Fall, key: &StreamKey) -> Failure {
    match fall {
        Fall::Reload | Fall::Repeat => Failure::Conflict,
        Fall::Damaged => Failure::Damaged {
            stream: key.to_string(),
            problem: "the store holds something that contradicts its row".to_owned(),
        },
        Fall::NotOwner => Failure::NotOwner,
        Fall::Full => Failure::StoreFull,
        Fall::Store => Failure::StoreUnavailable,
        Fall::Unlinked => Failure::Unlinked,
    }
}

/// What starts once a decision is durable.
#[derive(Debug, Default)]
pub(crate) struct After {
    /// The effects that it added.
    pub(crate) jobs: Vec<Job>,
    /// The entity's next timer, where that is another now.
    pub(crate) next_timer: Option<Option<(Timestamp, TimerId)>>,
    /// The switches as they stand then, where the entity is the one that has them.
    pub(crate) stops: Option<(Sequence, Stops)>,
}

impl After {
    pub(crate) fn start<K: Entity>(self, slot: &Slot<K>) {
        if let Some((sequence, stops)) = self.stops {
            slot.services.gate.stand(&slot.key, sequence, stops);
        }
        if let Some(next) = self.next_timer {
            slot.services.timers.arm(&slot.key, next);
        }
        self.jobs.into_iter().for_each(|job| slot.services.pools.offer(job));
    }
}

/// A command and the answer it gets if its ticket commits.
pub(crate) struct HeldCommand<K: Entity> {
    slot: Arc<Slot<K>>,
    order: Box<Order<K>>,
    answer: Result<Answer, Failure>,
    after: After,
    /// Set for an answer that no append of its own vouches for.
    evaluated_under: Option<Ownership>,
    /// When it was decided, where that is recorded.
    decided: Option<Instant>,
}

/// When something whose trace is recorded was decided: now.
fn decided<K: Entity>(order: &Order<K>) -> Option<Instant> {
    order.trace.as_ref().is_some_and(|trace| trace.sampled).then(Instant::now)
}

impl<K: Entity> HeldCommand<K> {
    /// For a decision: its append is checked against the epoch, so its commit is proof enough.
    pub(crate) fn deciding(
        slot: Arc<Slot<K>>,
        order: Box<Order<K>>,
        answer: Answer,
        mut after: After,
    ) -> Self {
        after.jobs.iter_mut().for_each(|job| job.trace.clone_from(&order.trace));
        let decided = decided(&order);
        Self { slot, order, answer: Ok(answer), after, evaluated_under: None, decided }
    }

    /// For a part of a link group that writes nothing of its own.
    pub(crate) fn joining(
        slot: Arc<Slot<K>>,
        order: Box<Order<K>>,
        answer: Answer,
        incarnation: &Incarnation,
    ) -> Self {
        Self::settling(slot, order, Ok(answer), incarnation)
    }

    /// For an answer that appends nothing.
    pub(crate) fn settling(
        slot: Arc<Slot<K>>,
        order: Box<Order<K>>,
        answer: Result<Answer, Failure>,
        incarnation: &Incarnation,
    ) -> Self {
        let evaluated_under = Some(Ownership::of(incarnation));
        let decided = decided(&order);
        Self { slot, order, answer, after: After::default(), evaluated_under, decided }
    }

    /// Tells of the two parts of a recorded command's way: until it was decided, and until that was
    /// durable.
    fn tell(&self, decided: Instant) {
        let Some(trace) = &self.order.trace else { return };
        let times = [("decide", self.order.received, decided), ("commit", decided, Instant::now())];
        for (name, from, until) in times {
            let span = Span::below(trace, name, (from, until));
            let span = span.with("coppice.kind", K::KIND);
            let failed = name == "decide" && self.answer.is_err();
            self.slot.services.spans.ended(Span { failed, ..span });
        }
    }
}

impl<K: Entity> Held for HeldCommand<K> {
    fn committed(self: Box<Self>) {
        if let Some(decided) = self.decided {
            self.tell(decided);
        }
        let Self { slot, order, answer, after, evaluated_under, .. } = *self;
        let lease = slot.services.lease.as_ref();
        if evaluated_under.is_some_and(|ownership| !ownership.stands(lease)) {
            return order.fail(Failure::NotOwner);
        }
        after.start(&slot);
        match answer {
            Ok(answer) => order.answer(answer),
            Err(failure) => order.fail(failure),
        }
    }

    fn fallen(self: Box<Self>, fall: Fall) {
        let Self { slot, mut order, .. } = *self;
        if fall == Fall::Reload {
            order.falls = order.falls.saturating_add(1);
        }
        // A keyed part of a broken group may have been answered before: that is looked up.
        let again = fall.decides_again() || (fall == Fall::Unlinked && order.keyed.is_some());
        if !again || order.falls > slot.services.options.redecisions_max {
            let failure = failure(fall, &slot.key);
            return order.fail(failure);
        }
        let delivery = match order.origin {
            // Its command followed from a state that never was.
            Origin::System(message) => Delivery::System(Box::new(SystemDelivery {
                wanted: Wanted::Digest { message, alone: order.alone },
                received: order.received,
                deadline: order.deadline,
                reply: order.reply,
            })),
            Origin::Caller { .. } => Delivery::Command(order),
        };
        slot.returned.lock().push(delivery);
    }
}

/// Something that the system wanted and that appends nothing.
pub(crate) struct HeldSystem<K: Entity> {
    slot: Arc<Slot<K>>,
    ownership: Ownership,
    delivery: SystemDelivery,
    answer: Result<Answer, Failure>,
    after: After,
}

impl<K: Entity> HeldSystem<K> {
    pub(crate) fn new(
        slot: Arc<Slot<K>>,
        incarnation: &Incarnation,
        delivery: SystemDelivery,
        answer: Result<Answer, Failure>,
        after: After,
    ) -> Self {
        Self { slot, ownership: Ownership::of(incarnation), delivery, answer, after }
    }
}

impl<K: Entity> Held for HeldSystem<K> {
    fn committed(self: Box<Self>) {
        if !self.ownership.stands(self.slot.services.lease.as_ref()) {
            return self.delivery.answer(Err(Failure::NotOwner));
        }
        self.after.start(&self.slot);
        self.delivery.answer(self.answer);
    }

    fn fallen(self: Box<Self>, fall: Fall) {
        let delivery = Delivery::System(Box::new(self.delivery));
        if fall.decides_again() {
            self.slot.returned.lock().push(delivery);
        } else {
            delivery.fail(failure(fall, &self.slot.key));
        }
    }
}

/// A read and what it shows.
pub(crate) struct HeldView<K: Entity> {
    slot: Arc<Slot<K>>,
    ownership: Ownership,
    received: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Result<View, Failure>>,
    view: View,
}

impl<K: Entity> HeldView<K> {
    pub(crate) fn new(
        slot: Arc<Slot<K>>,
        incarnation: &Incarnation,
        (received, deadline): (Instant, Instant),
        reply: oneshot::Sender<Result<View, Failure>>,
        view: View,
    ) -> Self {
        Self { slot, ownership: Ownership::of(incarnation), received, deadline, reply, view }
    }
}

impl<K: Entity> Held for HeldView<K> {
    fn committed(self: Box<Self>) {
        let shown = if self.ownership.stands(self.slot.services.lease.as_ref()) {
            Ok(self.view)
        } else {
            Err(Failure::NotOwner)
        };
        drop(self.reply.send(shown));
    }

    fn fallen(self: Box<Self>, fall: Fall) {
        let Self { received, deadline, reply, .. } = *self;
        let delivery = Delivery::View { received, deadline, reply };
        if fall.decides_again() {
            self.slot.returned.lock().push(delivery);
        } else {
            delivery.fail(failure(fall, &self.slot.key));
        }
    }
}
