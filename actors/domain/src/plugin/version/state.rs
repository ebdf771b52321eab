//! What is known of a version of a plugin.

use std::collections::BTreeMap;

use coppice_core::{Json, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Event, Health, HealthChanged, Place};

/// Whether it is in service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// Nobody has heard of it.
    #[default]
    Unknown,
    /// It is known, and has not been healthy yet.
    Registered,
    /// It is in service.
    Active,
    /// It was deregistered.
    Inactive,
}

/// The state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) lifecycle: Lifecycle,
    /// Calls may be under way that began before it was deregistered.
    pub(super) draining: bool,
    pub(super) health: Option<Health>,
    pub(super) components: BTreeMap<Box<str>, Health>,
    pub(super) message: Option<Box<str>>,
    /// Canonical JSON; `null` before it was ever registered.
    pub(super) manifest: Json,
    pub(super) place: Option<Place>,
    registered_at: Timestamp,
    changed_at: Timestamp,
}

/// A version as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Whether it is in service.
    pub lifecycle: Lifecycle,
    /// Whether calls may be under way that began before it was deregistered.
    pub draining: bool,
    /// How it is; not known before its first report, and after it moved.
    pub health: Option<Health>,
    /// The same of its parts.
    pub components: BTreeMap<Box<str>, Health>,
    /// For people.
    pub message: Option<Box<str>>,
    /// Its manifest; `null` before it was ever registered.
    pub manifest: Json,
    /// Where it is called.
    pub place: Option<Place>,
    /// Since when it is known, in microseconds since 1970.
    pub registered_at: Timestamp,
    /// When any of this last changed.
    pub changed_at: Timestamp,
}

impl State {
    pub(super) fn view(&self) -> View {
        View {
            lifecycle: self.lifecycle,
            draining: self.draining,
            health: self.health,
            components: self.components.clone(),
            message: self.message.clone(),
            manifest: self.manifest.clone(),
            place: self.place.clone(),
            registered_at: self.registered_at,
            changed_at: self.changed_at,
        }
    }

    pub(super) const fn is_registered(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Registered | Lifecycle::Active)
    }

    fn learn(&mut self, changed: &HealthChanged) {
        self.health = Some(changed.status);
        self.components.clone_from(&changed.components);
        self.message.clone_from(&changed.message);
        if changed.status == Health::Healthy {
            self.lifecycle = Lifecycle::Active;
        }
    }

    fn forget_health(&mut self) {
        self.health = None;
        self.components = BTreeMap::new();
        self.message = None;
    }
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    state.changed_at = match event {
        Event::Registered(registered) => {
            state.lifecycle = Lifecycle::Registered;
            state.draining = false;
            state.manifest.clone_from(&registered.manifest);
            state.place = Some(registered.place.clone());
            state.registered_at = registered.at;
            state.forget_health();
            registered.at
        }
        Event::Moved(moved) => {
            state.place = Some(moved.place.clone());
            state.forget_health();
            moved.at
        }
        Event::HealthChanged(changed) => {
            state.learn(changed);
            changed.at
        }
        Event::Deregistered(left) => {
            state.lifecycle = Lifecycle::Inactive;
            state.draining = true;
            left.at
        }
        Event::Drained(emptied) => {
            state.draining = false;
            emptied.at
        }
    };
    state
}
