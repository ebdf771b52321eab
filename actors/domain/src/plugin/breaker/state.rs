//! How a breaker stands.

use coppice_core::{CommandId, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::Event;

/// Whether calls are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// They are.
    #[default]
    Closed,
    /// They are not.
    Open {
        /// From when on a probe is admitted.
        until: Timestamp,
    },
    /// One is.
    HalfOpen {
        /// Which.
        call: CommandId,
        /// When it was admitted.
        at: Timestamp,
        /// When it gives way.
        until: Timestamp,
    },
}

/// A phase as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    /// Calls are made.
    Closed,
    /// One call is made to see.
    HalfOpen,
    /// No call is made.
    Open,
}

/// A breaker's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) phase: Phase,
    /// In a row, while it is closed.
    pub(super) failures: u32,
    /// In a row, while it is closed.
    pub(super) unhealthy: u32,
    /// Since when the phase is what it is.
    pub(super) changed_at: Timestamp,
    opened: u64,
}

/// A breaker as a reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct View {
    /// The phase.
    pub phase: PhaseName,
    /// Since when, in microseconds since 1970; 0 for one that never opened.
    pub changed_at: Timestamp,
    /// Until when calls are refused, where they are.
    pub until: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// Unhealthy reports in a row.
    pub unhealthy: u32,
    /// How often it opened.
    pub opened: u64,
}

/// The reply to every command that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Whether the call that asked is the probe.
    pub probe: bool,
    /// When the call that asked was admitted, for its report; else when it was answered.
    pub at: Timestamp,
    /// How the breaker stands.
    pub breaker: View,
}

impl State {
    pub(super) const fn view(&self) -> View {
        let (phase, until) = match self.phase {
            Phase::Closed => (PhaseName::Closed, None),
            Phase::Open { until } => (PhaseName::Open, Some(until)),
            Phase::HalfOpen { until, .. } => (PhaseName::HalfOpen, Some(until)),
        };
        View {
            phase,
            changed_at: self.changed_at,
            until,
            failures: self.failures,
            unhealthy: self.unhealthy,
            opened: self.opened,
        }
    }

    const fn turn(&mut self, phase: Phase, at: Timestamp) {
        self.phase = phase;
        self.changed_at = at;
        self.failures = 0;
        self.unhealthy = 0;
    }
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Failed(_) => state.failures = state.failures.saturating_add(1),
        Event::Recovered(_) => state.failures = 0,
        Event::Unhealthy(_) => state.unhealthy = state.unhealthy.saturating_add(1),
        Event::Healthy(_) => state.unhealthy = 0,
        Event::Opened(opened) => {
            state.turn(Phase::Open { until: opened.until }, opened.at);
            state.opened += 1;
        }
        Event::ProbeAdmitted(admitted) => {
            let (call, at, until) = (admitted.call, admitted.at, admitted.until);
            state.turn(Phase::HalfOpen { call, at, until }, at);
        }
        Event::Closed(closed) => state.turn(Phase::Closed, closed.at),
    }
    state
}
