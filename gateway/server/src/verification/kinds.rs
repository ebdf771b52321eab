//! The kinds as whoever replays journals without serving them needs them: their types erased.
//!
//! **Invariant:** personal data is opened only by the vault that the caller brings. [`blind`] opens
//! nothing, and is enough wherever chains and digests are checked: those are over the sealed bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use coppice_core::canonical::state_digest;
use coppice_core::envelope::TOMBSTONE;
use coppice_core::sensitive::{Sealed, Vault, with_vault};
use coppice_core::{DomainEvent, Entity, Hash, StoredEvent, SubjectId};
use coppice_persistence::{Snapshot, snapshot};
use serde_json::value::{RawValue, to_raw_value};

/// Shows all personal data as erased, so that who verifies needs no keys.
struct Blind;

impl Vault for Blind {
    fn seal(&self, _: &SubjectId, _: &[u8]) -> Result<Sealed, String> {
        Err("nothing is written here".to_owned())
    }

    fn open(&self, _: &SubjectId, _: &Sealed) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

/// A vault that opens nothing.
pub(crate) fn blind() -> Arc<dyn Vault> {
    Arc::new(Blind)
}

/// The replay of one stream. What fails says so for people.
pub(crate) trait Replay: Send {
    /// Whether an event reads in this build.
    fn read(&self, event: &StoredEvent, vault: &Arc<dyn Vault>) -> Result<(), String>;

    /// The next event of the stream.
    fn apply(&mut self, event: &StoredEvent, vault: &Arc<dyn Vault>) -> Result<(), String>;

    /// The digest of the state.
    fn digest(&self) -> Result<Hash, String>;

    /// The digest of a snapshot's state.
    fn snapshot_digest(&self, taken: &Snapshot) -> Result<Hash, String>;

    /// The layout that this build's snapshots have.
    fn layout(&self) -> u32;

    /// The state as its kind shows it.
    fn view(&self) -> Result<Box<RawValue>, String>;
}

struct ReplayOf<K: Entity>(K::State);

impl<K: Entity> ReplayOf<K> {
    /// The event; none where it ends the stream.
    fn decode(event: &StoredEvent, vault: &Arc<dyn Vault>) -> Result<Option<K::Event>, String> {
        let body = &event.record.body;
        if &*body.event_type == TOMBSTONE {
            return Ok(None);
        }
        let decode = || K::Event::decode(&body.event_type, &body.payload);
        with_vault(Arc::clone(vault), decode).map(Some).map_err(|error| error.to_string())
    }
}

impl<K: Entity> Replay for ReplayOf<K> {
    fn read(&self, event: &StoredEvent, vault: &Arc<dyn Vault>) -> Result<(), String> {
        Self::decode(event, vault).map(drop)
    }

    fn apply(&mut self, event: &StoredEvent, vault: &Arc<dyn Vault>) -> Result<(), String> {
        self.0 = match Self::decode(event, vault)? {
            Some(event) => K::evolve(std::mem::take(&mut self.0), &event),
            None => K::State::default(),
        };
        Ok(())
    }

    fn digest(&self) -> Result<Hash, String> {
        state_digest(&self.0).map_err(|error| error.to_string())
    }

    fn snapshot_digest(&self, taken: &Snapshot) -> Result<Hash, String> {
        let state: K::State = with_vault(blind(), || snapshot::decode(&taken.state))
            .map_err(|error| error.to_string())?;
        state_digest(&state).map_err(|error| error.to_string())
    }

    fn layout(&self) -> u32 {
        K::SNAPSHOT_LAYOUT
    }

    fn view(&self) -> Result<Box<RawValue>, String> {
        to_raw_value(&K::view(&self.0)).map_err(|error| error.to_string())
    }
}

/// The kinds whose streams can be replayed.
#[derive(Default)]
pub struct Kinds(BTreeMap<&'static str, fn() -> Box<dyn Replay>>);

impl std::fmt::Debug for Kinds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Kinds {
    /// Adds a kind.
    #[must_use]
    pub fn kind<K: Entity>(mut self) -> Self {
        self.0.insert(K::KIND, || Box::new(ReplayOf::<K>(K::State::default())));
        self
    }

    /// The replay of a stream of this kind, before its first event.
    pub(crate) fn replay(&self, kind: &str) -> Option<Box<dyn Replay>> {
        self.0.get(kind).map(|make| make())
    }

    /// Whether an event reads in this build.
    ///
    /// # Errors
    /// What doesn't read, for people.
    pub(crate) fn read(&self, event: &StoredEvent) -> Result<(), String> {
        let replay = self.replay(event.key.kind().as_str());
        let replay = replay.ok_or_else(|| "its kind is not known to this build".to_owned())?;
        let sequence = event.record.sequence;
        replay.read(event, &blind()).map_err(|problem| format!("event {sequence}: {problem}"))
    }
}
