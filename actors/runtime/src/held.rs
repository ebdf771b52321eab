//! What waits for a ticket's end, and what it does then.

use std::sync::Arc;

use coppice_core::{Entity, Epoch, ShardId, StreamKey};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::answer::{Answer, Failure, View};
use crate::lease::Lease;
use crate::slot::{Delivery, Order, Slot};
use crate::ticket::{Fall, Held, Incarnation};

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

/// A command and the answer it gets if its ticket commits.
pub(crate) struct HeldCommand<K: Entity> {
    slot: Arc<Slot<K>>,
    order: Box<Order<K>>,
    answer: Result<Answer, Failure>,
    /// Set for an answer that no append of its own vouches for.
    evaluated_under: Option<Ownership>,
}

impl<K: Entity> HeldCommand<K> {
    /// For a decision: its append is checked against the epoch, so its commit is proof enough.
    pub(crate) fn deciding(slot: Arc<Slot<K>>, order: Box<Order<K>>, answer: Answer) -> Self {
        Self { slot, order, answer: Ok(answer), evaluated_under: None }
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
        Self { slot, order, answer, evaluated_under: Some(Ownership::of(incarnation)) }
    }
}

impl<K: Entity> Held for HeldCommand<K> {
    fn committed(self: Box<Self>) {
        let Self { slot, order, answer, evaluated_under } = *self;
        let lease = slot.services.lease.as_ref();
        if evaluated_under.is_some_and(|ownership| !ownership.stands(lease)) {
            return order.fail(Failure::NotOwner);
        }
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
        slot.returned.lock().push(Delivery::Command(order));
    }
}

/// A read and what it shows.
pub(crate) struct HeldView<K: Entity> {
    slot: Arc<Slot<K>>,
    ownership: Ownership,
    deadline: Instant,
    reply: oneshot::Sender<Result<View, Failure>>,
    view: View,
}

impl<K: Entity> HeldView<K> {
    pub(crate) fn new(
        slot: Arc<Slot<K>>,
        incarnation: &Incarnation,
        deadline: Instant,
        reply: oneshot::Sender<Result<View, Failure>>,
        view: View,
    ) -> Self {
        Self { slot, ownership: Ownership::of(incarnation), deadline, reply, view }
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
        let delivery = Delivery::View { deadline: self.deadline, reply: self.reply };
        if fall.decides_again() {
            self.slot.returned.lock().push(delivery);
        } else {
            delivery.fail(failure(fall, &self.slot.key));
        }
    }
}
