//! What the outside still owes an entity, as data inside its state.
//!
//! Effects are never fired and remembered elsewhere: they follow from committed state, so that
//! whoever owns the entity after a crash asks again and goes on.
//!
//! **Invariants:** an effect or timer id stands at most once; the order of effects is the order in
//! which they were added; after a batch, [`Pending::added_since`] costs what the batch added and
//! not what is outstanding; two values with the same outstanding work and history are equal.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Names an effect within its entity; its idempotency key outside follows from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub Box<str>);

/// Names a timer within its entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimerId(pub Box<str>);

/// What may be done about an effect whose outcome isn't known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectMode {
    /// Send again, with the same key and body.
    Retry,
    /// Never send again: park it as `outcome_unknown` for a person or a rule.
    AtMostOnce,
}

/// What became of an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectOutcome {
    /// It was carried out.
    Done {
        /// What the outside answered, JSON text.
        response: Box<str>,
    },
    /// It took no effect and won't be tried again.
    Failed {
        /// A stable code: the handler's, or `discarded` where an operator gave it up.
        code: Box<str>,
        /// The same for people.
        detail: Box<str>,
    },
    /// It may have taken effect, and won't be tried again.
    Unknown {
        /// What is known, for people.
        detail: Box<str>,
    },
}

/// An outstanding effect as it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outstanding<'a> {
    /// Which of the entity's effects.
    pub id: &'a EffectId,
    /// The how-manieth effect of the entity it is: one that takes the place of another of the
    /// same id has another ordinal.
    pub ordinal: u64,
    /// What is to be done.
    pub effect: &'a Effect,
}

/// One outstanding call to the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Which handler carries it out.
    pub handler: Box<str>,
    /// The request, JSON text.
    pub request: Box<str>,
    /// What may be done when its outcome isn't known.
    pub mode: EffectMode,
}

/// The outstanding effects and timers of one entity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Pending {
    ordinal_next: u64,
    effects: BTreeMap<EffectId, (u64, Effect)>,
    effects_by_ordinal: BTreeMap<u64, EffectId>,
    timers: BTreeMap<TimerId, Timestamp>,
    timers_by_due: BTreeSet<(Timestamp, TimerId)>,
}

/// What is written to a snapshot: the indexes are made again from it.
#[derive(Serialize, Deserialize)]
struct Stored {
    ordinal_next: u64,
    effects: Vec<(EffectId, u64, Effect)>,
    timers: Vec<(TimerId, Timestamp)>,
}

static NONE: Pending = Pending {
    ordinal_next: 0,
    effects: BTreeMap::new(),
    effects_by_ordinal: BTreeMap::new(),
    timers: BTreeMap::new(),
    timers_by_due: BTreeSet::new(),
};

impl Pending {
    /// Of a kind that never owes anything.
    #[must_use]
    pub fn none() -> &'static Self {
        &NONE
    }

    /// Adds an effect, or replaces the one of that id as if it were new.
    pub fn add_effect(&mut self, id: EffectId, effect: Effect) {
        self.remove_effect(&id);
        let ordinal = self.ordinal_next;
        self.ordinal_next += 1;
        self.effects_by_ordinal.insert(ordinal, id.clone());
        self.effects.insert(id, (ordinal, effect));
    }

    /// Removes an effect whose result is recorded; false where it wasn't outstanding.
    pub fn remove_effect(&mut self, id: &EffectId) -> bool {
        match self.effects.remove(id) {
            Some((ordinal, _)) => self.effects_by_ordinal.remove(&ordinal).is_some(),
            None => false,
        }
    }

    /// Sets a timer, or moves the one of that id.
    pub fn set_timer(&mut self, id: TimerId, due: Timestamp) {
        self.clear_timer(&id);
        self.timers_by_due.insert((due, id.clone()));
        self.timers.insert(id, due);
    }

    /// Removes a timer; false where it wasn't set.
    pub fn clear_timer(&mut self, id: &TimerId) -> bool {
        match self.timers.remove(id) {
            Some(due) => self.timers_by_due.remove(&(due, id.clone())),
            None => false,
        }
    }

    /// The ordinal of an outstanding effect.
    #[must_use]
    pub fn ordinal(&self, id: &EffectId) -> Option<u64> {
        self.effects.get(id).map(|(ordinal, _)| *ordinal)
    }

    /// The outstanding effect of an id.
    #[must_use]
    pub fn effect(&self, id: &EffectId) -> Option<&Effect> {
        self.effects.get(id).map(|(_, effect)| effect)
    }

    /// When a timer is due.
    #[must_use]
    pub fn timer(&self, id: &TimerId) -> Option<Timestamp> {
        self.timers.get(id).copied()
    }

    /// Whether any effect is outstanding.
    #[must_use]
    pub fn owes(&self) -> bool {
        !self.effects.is_empty()
    }

    /// When the first timer is due.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.timers_by_due.first().map(|(due, _)| *due)
    }

    /// Every timer with when it is due, earliest first.
    pub fn timers(&self) -> impl Iterator<Item = (Timestamp, &TimerId)> {
        self.timers_by_due.iter().map(|(due, id)| (*due, id))
    }

    /// A mark to hand to [`Pending::added_since`] later.
    #[must_use]
    pub const fn mark(&self) -> u64 {
        self.ordinal_next
    }

    /// The outstanding effects added since the mark, in order; all of them since mark 0.
    pub fn added_since(&self, mark: u64) -> impl Iterator<Item = Outstanding<'_>> {
        self.effects_by_ordinal.range((Bound::Included(mark), Bound::Unbounded)).filter_map(
            |(ordinal, id)| {
                let (_, effect) = self.effects.get(id)?;
                Some(Outstanding { id, ordinal: *ordinal, effect })
            },
        )
    }
}

impl From<Pending> for Stored {
    fn from(pending: Pending) -> Self {
        Self {
            ordinal_next: pending.ordinal_next,
            effects: pending
                .effects
                .into_iter()
                .map(|(id, (ordinal, effect))| (id, ordinal, effect))
                .collect(),
            timers: pending.timers.into_iter().collect(),
        }
    }
}

impl From<Stored> for Pending {
    fn from(stored: Stored) -> Self {
        let mut pending = Self { ordinal_next: stored.ordinal_next, ..Self::default() };
        for (id, ordinal, effect) in stored.effects {
            pending.effects_by_ordinal.insert(ordinal, id.clone());
            pending.effects.insert(id, (ordinal, effect));
        }
        for (id, due) in stored.timers {
            pending.set_timer(id, due);
        }
        pending
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn effect(request: &str) -> Effect {
        Effect { handler: "h".into(), request: request.into(), mode: EffectMode::Retry }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Add(u8),
        Remove(u8),
        Set(u8, i64),
        Clear(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..6_u8).prop_map(Step::Add),
            (0..6_u8).prop_map(Step::Remove),
            (0..6_u8, 0..50_i64).prop_map(|(id, due)| Step::Set(id, due)),
            (0..6_u8).prop_map(Step::Clear),
        ]
    }

    fn apply(pending: &mut Pending, step: &Step) {
        let name = |id: &u8| id.to_string().into_boxed_str();
        match step {
            Step::Add(id) => pending.add_effect(EffectId(name(id)), effect("r")),
            Step::Remove(id) => {
                pending.remove_effect(&EffectId(name(id)));
            }
            Step::Set(id, due) => {
                pending.set_timer(TimerId(name(id)), Timestamp::from_micros(*due));
            }
            Step::Clear(id) => {
                pending.clear_timer(&TimerId(name(id)));
            }
        }
    }

    proptest! {
        #[test]
        fn indexes_agree_with_the_maps(steps in prop::collection::vec(step(), 0..60)) {
            let mut pending = Pending::default();
            for step in &steps {
                apply(&mut pending, step);
                prop_assert_eq!(pending.effects.len(), pending.effects_by_ordinal.len());
                prop_assert_eq!(pending.timers.len(), pending.timers_by_due.len());
                prop_assert_eq!(pending.wake_at(), pending.timers.values().min().copied());
                prop_assert_eq!(pending.owes(), !pending.effects.is_empty());
                prop_assert_eq!(pending.added_since(0).count(), pending.effects.len());
            }
            let text = serde_json::to_string(&pending).unwrap();
            prop_assert_eq!(serde_json::from_str::<Pending>(&text).unwrap(), pending);
        }

        #[test]
        fn what_was_added_since_a_mark_is_what_the_later_steps_added(
            before in prop::collection::vec(step(), 0..20),
            after in prop::collection::vec(0..6_u8, 0..6),
        ) {
            let mut pending = Pending::default();
            before.iter().for_each(|step| apply(&mut pending, step));
            let mark = pending.mark();
            after.iter().for_each(|id| apply(&mut pending, &Step::Add(*id)));
            let expected: BTreeSet<_> = after.iter().map(u8::to_string).collect();
            let found: BTreeSet<_> =
                pending.added_since(mark).map(|added| added.id.0.to_string()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
