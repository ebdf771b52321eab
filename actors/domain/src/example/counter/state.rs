//! What a counter is.

use serde::{Deserialize, Serialize};

use super::event::Event;

/// A counter's state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The sum of everything added.
    pub value: i64,
}

/// A counter as a caller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The sum of everything added.
    pub value: i64,
}

/// The state after an event. `decide` has refused what would overflow, so the addition is exact;
/// it wraps rather than panics because what is recorded has happened.
pub(super) fn evolve(state: State, event: Event) -> State {
    match event {
        Event::Added(added) => State { value: state.value.wrapping_add(added.n) },
    }
}
