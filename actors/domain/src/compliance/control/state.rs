//! Which switches are turned.

use coppice_core::{Stop, Stops, Target};
use serde::{Deserialize, Serialize};

use super::event::{Event, Said};

/// The state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What is stopped.
    pub stops: Stops,
}

/// The reply to every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Whether it changed anything: to stop what is stopped doesn't.
    pub changed: bool,
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Stopped(said) => put(&mut state.stops, &said.target, Some(stop(said))),
        Event::Resumed(said) => put(&mut state.stops, &said.target, None),
    }
    state
}

fn stop(said: &Said) -> Stop {
    Stop { reason: said.reason.clone(), by: said.by.clone(), since: said.at }
}

fn put(stops: &mut Stops, target: &Target, stop: Option<Stop>) {
    match (target, stop) {
        (Target::Everything, stop) => stops.frozen = stop,
        (Target::Kind(kind), Some(stop)) => drop(stops.kinds.insert(kind.clone(), stop)),
        (Target::Kind(kind), None) => drop(stops.kinds.remove(kind)),
        (Target::Tenant(tenant), Some(stop)) => drop(stops.tenants.insert(tenant.clone(), stop)),
        (Target::Tenant(tenant), None) => drop(stops.tenants.remove(tenant)),
    }
}
