//! What becomes of what a version of a plugin is told.

use coppice_core::canonical::to_canonical_json;
use coppice_core::{Decision, Json, Timestamp};
use serde_json::Value;

use super::command::{Command, Register, ReportHealth};
use super::error::{MANIFEST_BYTES_MAX, PluginVersionError, URL_BYTES_MAX};
use super::event::{Emptied, Event, HealthChanged, Left, Moved, Place, Registered};
use super::state::{State, View, evolve};

/// The longest text that is kept of a report, in bytes; the rest is cut off, for a report must not
/// be refused for its words.
const TEXT_BYTES_MAX: usize = 1_000;

/// Parts of a plugin that are kept of a report.
const COMPONENTS_MAX: usize = 100;

pub(super) fn decide(
    state: &State,
    command: &Command,
    id: &str,
    now: Timestamp,
) -> Result<Decision<Event, View>, PluginVersionError> {
    let event = match command {
        Command::Register(register) => registered(state, register, id, now)?,
        Command::ReportHealth(report) => {
            state.is_registered().then_some(()).ok_or(PluginVersionError::NotRegistered)?;
            health_changed(state, report, now)
        }
        Command::Deregister(deregister) => {
            let left = Left { by: clipped(&deregister.by), at: now };
            state.is_registered().then_some(Event::Deregistered(left))
        }
        Command::Drained(drained) => {
            let emptied = Emptied { left: drained.left, at: now };
            state.draining.then_some(Event::Drained(emptied))
        }
    };
    let reply = match &event {
        Some(event) => evolve(state.clone(), event).view(),
        None => state.view(),
    };
    Ok(Decision { events: event.into_iter().collect(), reply })
}

fn registered(
    state: &State,
    register: &Register,
    id: &str,
    now: Timestamp,
) -> Result<Option<Event>, PluginVersionError> {
    let part = |name: &str| register.manifest.get(name).and_then(Value::as_str);
    let named = part("name").zip(part("version"));
    let is_its_own = named.is_some_and(|(name, version)| id == format!("{name}@{version}"));
    let manifest = to_canonical_json(&register.manifest).unwrap_or_default();
    if !is_its_own || manifest.len() > MANIFEST_BYTES_MAX {
        return Err(PluginVersionError::Manifest);
    }
    let manifest = Json::parse(manifest).map_err(|_| PluginVersionError::Manifest)?;
    if let Place::Http(url) = &register.place {
        let known = ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme));
        if !known || url.len() > URL_BYTES_MAX {
            return Err(PluginVersionError::Place);
        }
    }
    if let Some(place) = &state.place {
        if state.manifest != manifest {
            return Err(PluginVersionError::ManifestChanged);
        }
        if matches!(place, Place::InProcess) != matches!(register.place, Place::InProcess) {
            return Err(PluginVersionError::PlaceChanged);
        }
    }
    let (place, by, at) = (register.place.clone(), clipped(&register.by), now);
    if !state.is_registered() {
        return Ok(Some(Event::Registered(Registered { manifest, place, by, at })));
    }
    let has_moved = state.place.as_ref() != Some(&place);
    Ok(has_moved.then_some(Event::Moved(Moved { place, by, at })))
}

/// Nothing where it is as it was: a plugin that is well is asked twice a minute, for ever.
fn health_changed(state: &State, report: &ReportHealth, now: Timestamp) -> Option<Event> {
    let components = report.components.iter().take(COMPONENTS_MAX);
    let changed = HealthChanged {
        status: report.status,
        components: components.map(|(name, health)| (clipped(name), *health)).collect(),
        message: report.message.as_deref().map(clipped),
        at: now,
    };
    let is_new = state.health != Some(changed.status)
        || state.components != changed.components
        || state.message != changed.message;
    is_new.then_some(Event::HealthChanged(changed))
}

fn clipped(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].into()
}

#[cfg(test)]
mod tests;
