//! The next timer of every resident entity.
//!
//! **Invariant:** what stands here is committed; the entity's row says the same, and whoever finds
//! a due row without a resident wakes the entity, which then stands here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coppice_core::{StreamId, StreamKey, TimerId, Timestamp};
use coppice_supervisors::StopSignal;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::gate::Gate;
use crate::work::courier::{Before, Courier, Delivered};
use crate::work::message::SystemMessage;

/// The longest sleep: the clock that timers run by may jump, and then the wait was wrong.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Timers that fire at once; more wait their turn.
const FIRING_MAX: usize = 1_024;

#[derive(Debug)]
struct Next {
    due: Timestamp,
    id: TimerId,
    key: StreamKey,
}

#[derive(Debug, Default)]
struct State {
    by_stream: BTreeMap<StreamId, Next>,
    by_due: BTreeSet<(Timestamp, StreamId)>,
    /// Those whose timer is being delivered.
    firing: BTreeMap<StreamId, (Timestamp, TimerId)>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    bell: Notify,
    fired: AtomicU64,
}

/// Sets timers. Clones are the same timers.
#[derive(Debug, Clone, Default)]
pub struct Timers(Arc<Shared>);

impl Timers {
    /// Says which timer of an entity is its next; `None` for none.
    pub fn arm(&self, key: &StreamKey, next: Option<(Timestamp, TimerId)>) {
        let stream = key.stream();
        let mut state = self.0.state.lock();
        let first = state.by_due.first().copied();
        state.remove(stream);
        // What is on its way needs no second messenger.
        let next = next.filter(|next| state.firing.get(&stream) != Some(next));
        if let Some((due, id)) = next {
            state.by_due.insert((due, stream));
            state.by_stream.insert(stream, Next { due, id, key: key.clone() });
        }
        if state.by_due.first().copied() != first {
            self.0.bell.notify_one();
        }
    }

    /// Whether an entity's next timer stands here or is being delivered. Being in memory is not
    /// enough: an entity that could not be read, or that this node lost and got back, is there and
    /// has none.
    pub(crate) fn looks_after(&self, stream: StreamId) -> bool {
        let state = self.0.state.lock();
        state.by_stream.contains_key(&stream) || state.firing.contains_key(&stream)
    }

    /// Timers that are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.state.lock().by_due.len()
    }

    /// Timers that were sent to their entities since the start.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.0.fired.load(Ordering::Relaxed)
    }

    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fires timers until `stopping` says so.
    pub(crate) async fn run(
        self,
        clock: Arc<dyn Clock>,
        courier: Courier,
        gate: Arc<Gate>,
        stopping: StopSignal,
    ) {
        let mut firing: JoinSet<()> = JoinSet::new();
        // What a task before this one had on its way is gone with it, and is found again by a scan.
        self.0.state.lock().firing.clear();
        loop {
            let now = clock.now();
            // Under a freeze they wait here; no kind of the platform's own has any.
            while firing.len() < FIRING_MAX
                && !gate.is_frozen()
                && let Some(next) = self.0.state.lock().take_due(now)
            {
                self.0.fired.fetch_add(1, Ordering::Relaxed);
                firing.spawn(fire(self.clone(), courier.clone(), Arc::clone(&gate), next));
            }
            let wait = match self.0.state.lock().by_due.first() {
                Some((due, _)) if firing.len() < FIRING_MAX && !gate.is_frozen() => {
                    until(now, *due)
                }
                Some(_) | None => LOOK_EVERY,
            };
            tokio::select! {
                biased;
                () = stopping.raised() => break,
                Some(_) = firing.join_next() => {}
                () = self.0.bell.notified() => {}
                () = gate.turned() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        // What is under way ends by itself once the entities take nothing in any more.
        while firing.join_next().await.is_some() {}
    }
}

fn until(now: Timestamp, due: Timestamp) -> Duration {
    let micros = due.as_micros().saturating_sub(now.as_micros()).max(0);
    Duration::from_micros(micros.cast_unsigned()).min(LOOK_EVERY)
}

async fn fire(timers: Timers, courier: Courier, gate: Arc<Gate>, next: Next) {
    let fired = (next.due, next.id.clone());
    let message = SystemMessage::Timer { id: next.id, due: next.due };
    let delivered = match gate.holding(&next.key) {
        // Its row is due: a scan finds it once its kind or tenant may go on.
        Some(_) => Delivered::LeftAlone,
        None => courier.deliver(&next.key, &message, Before::Counted).await,
    };
    {
        let mut state = timers.0.state.lock();
        let stream = next.key.stream();
        // Its successor may be on its way by now.
        if state.firing.get(&stream) == Some(&fired) {
            state.firing.remove(&stream);
        }
    }
    if delivered == Delivered::Quarantined {
        // The entity's other timers go on without it.
        courier.wake(&next.key).await;
    }
}

impl State {
    fn remove(&mut self, stream: StreamId) {
        if let Some(next) = self.by_stream.remove(&stream) {
            self.by_due.remove(&(next.due, stream));
        }
    }

    fn take_due(&mut self, now: Timestamp) -> Option<Next> {
        let (due, stream) = self.by_due.first().copied()?;
        if due > now {
            return None;
        }
        self.by_due.remove(&(due, stream));
        let next = self.by_stream.remove(&stream)?;
        self.firing.insert(stream, (next.due, next.id.clone()));
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use coppice_core::{EntityId, EntityKind, TenantId};

    use super::*;

    fn key(id: &str) -> StreamKey {
        let (kind, id) = (EntityKind::new("alarm").unwrap(), EntityId::new(id).unwrap());
        StreamKey::new(TenantId::new("acme").unwrap(), kind, id)
    }

    fn at(micros: i64, id: &str) -> Option<(Timestamp, TimerId)> {
        Some((Timestamp::from_micros(micros), TimerId(id.into())))
    }

    #[test]
    fn what_is_on_its_way_is_not_sent_twice() {
        let timers = Timers::default();
        timers.arm(&key("a"), at(5, "t"));
        assert!(timers.0.state.lock().take_due(Timestamp::from_micros(5)).is_some());
        timers.arm(&key("a"), at(5, "t"));
        assert!(timers.0.state.lock().take_due(Timestamp::from_micros(5)).is_none());
        timers.arm(&key("a"), at(6, "t"));
        assert!(timers.0.state.lock().take_due(Timestamp::from_micros(6)).is_some());
    }

    #[test]
    fn the_last_word_on_an_entitys_next_timer_stands() {
        let timers = Timers::default();
        timers.arm(&key("a"), at(5, "late"));
        timers.arm(&key("b"), at(7, "b"));
        timers.arm(&key("a"), at(3, "early"));
        timers.arm(&key("b"), None);
        let mut state = timers.0.state.lock();
        assert!(state.take_due(Timestamp::from_micros(2)).is_none());
        let next = state.take_due(Timestamp::from_micros(3)).unwrap();
        assert_eq!((next.id, next.key), (TimerId("early".into()), key("a")));
        assert!(state.take_due(Timestamp::from_micros(9)).is_none());
    }
}
