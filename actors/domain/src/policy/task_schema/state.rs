//! The versions of a task's schema.

use coppice_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Event;

/// Versions before the latest that are kept by name: as many as anybody looks back at. What falls
/// out stands in the journal.
pub(super) const EARLIER_MAX: usize = 20;

/// The latest version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// Its number, from 1.
    pub version: u64,
    /// `sha256:` and the hash of its text.
    pub hash: Box<str>,
    /// The schema, as canonical JSON text.
    pub schema: Box<str>,
    /// Who registered it, with which request.
    pub by: Box<str>,
    /// When, in microseconds since 1970.
    pub registered_at: Timestamp,
}

/// A version that was the latest once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its number.
    pub version: u64,
    /// `sha256:` and the hash of its text.
    pub hash: Box<str>,
    /// When it was registered, in microseconds since 1970.
    pub registered_at: Timestamp,
}

/// The state, which is also what a reader sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The latest version; none before the first.
    pub latest: Option<Latest>,
    /// Those before it, latest first.
    pub earlier: Vec<Earlier>,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The version that stands.
    pub version: u64,
    /// `sha256:` and the hash of its text.
    pub hash: Box<str>,
    /// Whether it is a new one: the same content again is none.
    pub changed: bool,
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Registered(registered) => {
            let latest = Latest {
                version: registered.version,
                hash: registered.hash.clone(),
                schema: registered.schema.clone(),
                by: registered.by.clone(),
                registered_at: registered.at,
            };
            if let Some(before) = state.latest.replace(latest) {
                let Latest { version, hash, registered_at, .. } = before;
                state.earlier.insert(0, Earlier { version, hash, registered_at });
                state.earlier.truncate(EARLIER_MAX);
            }
        }
    }
    state
}
