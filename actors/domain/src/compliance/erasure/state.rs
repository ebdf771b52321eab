//! How far an erasure has come.

use coppice_core::{Effect, EffectMode, Pending, Timestamp};
use serde::{Deserialize, Serialize};

use super::DESTROY;
use super::event::Event;

/// The state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When it was first asked for.
    pub requested_at: Option<Timestamp>,
    /// When it was recorded as done.
    pub completed_at: Option<Timestamp>,
    /// How often it was begun: once, and once more each time that it was given up before.
    pub begun: u64,
    /// The destruction, while it is owed.
    pub pending: Pending,
}

/// An erasure as a reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct View {
    /// When it was first asked for, in microseconds since 1970.
    pub requested_at: Option<Timestamp>,
    /// When it was recorded as done.
    pub completed_at: Option<Timestamp>,
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Requested(asked) => {
            state.requested_at.get_or_insert(asked.at);
            state.begun += 1;
            // The handler finds tenant and subject in the name of the entity that asks.
            let by = serde_json::to_string(&asked.by).unwrap_or_default();
            let destroy = Effect {
                handler: DESTROY.into(),
                request: format!("{{\"by\":{by}}}").into(),
                mode: EffectMode::Retry,
            };
            state.pending.add_effect(asked.effect.clone(), destroy);
        }
        Event::Completed(destroyed) => {
            state.completed_at.get_or_insert(destroyed.at);
            state.pending.remove_effect(&destroyed.effect);
        }
        Event::Failed(failed) => {
            state.pending.remove_effect(&failed.effect);
        }
    }
    state
}

pub(super) fn view(state: &State) -> View {
    View { requested_at: state.requested_at, completed_at: state.completed_at }
}
