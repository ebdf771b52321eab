//! What an alarm is.

use std::collections::BTreeMap;

use coppice_core::{Effect, EffectId, EffectMode, Pending, TimerId, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Answer, Event, Rung, TimerSet};

/// The effect handler that rings.
pub const BELL: &str = "bell";

/// The handler that sends commands to other entities.
const ENTITY: &str = "entity";

/// What a timer does when it is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) grace_ms: Option<u32>,
    mode: EffectMode,
    counter: Option<String>,
}

/// An alarm's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) settings: BTreeMap<TimerId, Setting>,
    pub(super) pending: Pending,
    rung: u64,
    missed: u64,
    heard: u64,
    unheard: u64,
}

/// An alarm as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// Every timer with when it is due, in microseconds since 1970.
    pub timers: BTreeMap<TimerId, Timestamp>,
    /// How often it rang.
    pub rung: u64,
    /// How many timers were found too late.
    pub missed: u64,
    /// Effects that were answered.
    pub heard: u64,
    /// Effects that nobody answered, or that were refused.
    pub unheard: u64,
    /// Effects that have not ended.
    pub outstanding: usize,
}

impl State {
    pub(super) fn view(&self) -> View {
        View {
            timers: self.pending.timers().map(|(due, id)| (id.clone(), due)).collect(),
            rung: self.rung,
            missed: self.missed,
            heard: self.heard,
            unheard: self.unheard,
            outstanding: self.pending.added_since(0).count(),
        }
    }

    fn set(&mut self, event: &TimerSet) {
        let TimerSet { timer, due, grace_ms, mode, counter } = event.clone();
        self.pending.set_timer(timer.clone(), due);
        self.settings.insert(timer, Setting { grace_ms, mode, counter });
    }

    /// A ring is numbered, so that every one has effects of its own.
    fn ring(&mut self, event: &Rung) {
        self.pending.clear_timer(&event.timer);
        self.rung += 1;
        let Some(setting) = self.settings.remove(&event.timer) else { return };
        let (number, timer) = (self.rung, &event.timer.0);
        let due = event.due.as_micros();
        let bell = Effect {
            handler: BELL.into(),
            request: text(&BellRequest { timer, due, number }),
            mode: setting.mode,
        };
        self.pending.add_effect(EffectId(format!("bell-{number}").into()), bell);
        if let Some(counter) = setting.counter {
            let add = Command { kind: "counter", id: &counter, command: "add", body: Add { n: 1 } };
            let tell =
                Effect { handler: ENTITY.into(), request: text(&add), mode: EffectMode::Retry };
            self.pending.add_effect(EffectId(format!("tell-{number}").into()), tell);
        }
    }
}

#[derive(Serialize)]
struct BellRequest<'a> {
    timer: &'a str,
    due: i64,
    number: u64,
}

#[derive(Serialize)]
struct Command<'a> {
    kind: &'a str,
    id: &'a str,
    command: &'a str,
    body: Add,
}

#[derive(Serialize)]
struct Add {
    n: i64,
}

/// Strings and numbers always serialize; the handler would refuse an empty request.
fn text(request: &impl Serialize) -> Box<str> {
    serde_json::to_string(request).unwrap_or_default().into()
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::TimerSet(set) => state.set(set),
        Event::Cleared(cleared) => {
            state.pending.clear_timer(&cleared.timer);
            state.settings.remove(&cleared.timer);
        }
        Event::Rung(rung) => state.ring(rung),
        Event::Missed(missed) => {
            state.pending.clear_timer(&missed.timer);
            state.settings.remove(&missed.timer);
            state.missed += 1;
        }
        Event::Silenced(silenced) => {
            for effect in &silenced.effects {
                state.unheard += u64::from(state.pending.remove_effect(effect));
            }
        }
        Event::Settled(settled) => {
            state.pending.remove_effect(&settled.effect);
            match settled.answer {
                Answer::Heard => state.heard += 1,
                Answer::Unheard => state.unheard += 1,
            }
        }
    }
    state
}
