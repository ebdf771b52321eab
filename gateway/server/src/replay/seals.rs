//! What personal data a replay opens: with the platform's key and the store's keys all that isn't
//! erased, and without either nothing.
//!
//! Opening happens inside serde, which can't wait for a key. So each event is read once to see whose
//! keys it needs, and folded once they are here.

use std::collections::BTreeSet;
use std::sync::Arc;

use coppice_core::sensitive::{Sealed, Vault};
use coppice_core::{StoredEvent, SubjectId, TenantId};
use coppice_persistence::Store;
use coppice_runtime::personal::{KeyFault, Keys, Place, Wants};
use coppice_runtime::{KeyRing, PlatformKeys, SystemClock};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::{PersonalData, ReplayError};
use crate::verification::Replay;

/// Keys in memory. An event has the data of one subject, seldom of a few.
const KEYS_MAX: usize = 1_000;

/// How often an event is read for the keys that it misses: each time all that it missed are loaded.
const ROUNDS_MAX: usize = 3;

/// The vault of a replay.
pub(super) struct Seals {
    place: Place,
    /// What it takes to open anything.
    means: Option<(Arc<dyn Store>, PlatformKeys)>,
    /// Made once somebody's data was met.
    ring: OnceCell<KeyRing>,
    met: Mutex<Met>,
}

#[derive(Default)]
struct Met {
    /// Whose keys are not here yet.
    missing: BTreeSet<SubjectId>,
    opened: bool,
    closed: bool,
}

impl Seals {
    pub(super) fn new(
        tenant: &TenantId,
        store: Option<&Arc<dyn Store>>,
        platform: Option<&PlatformKeys>,
    ) -> Arc<Self> {
        Arc::new(Self {
            place: Place { tenant: tenant.clone(), epoch: None },
            means: store.cloned().zip(platform.cloned()),
            ring: OnceCell::new(),
            met: Mutex::default(),
        })
    }

    pub(super) fn vault(self: &Arc<Self>) -> Arc<dyn Vault> {
        Arc::clone(self) as Arc<dyn Vault>
    }

    /// What was met so far.
    pub(super) fn met(&self) -> PersonalData {
        let met = self.met.lock();
        match (met.closed, met.opened) {
            (true, _) => PersonalData::Closed,
            (false, true) => PersonalData::Shown,
            (false, false) => PersonalData::None,
        }
    }

    /// Loads the keys that an event needs.
    ///
    /// # Errors
    /// [`ReplayError`], where the store can't be read.
    pub(super) async fn prepare(
        self: &Arc<Self>,
        fold: &dyn Replay,
        event: &StoredEvent,
    ) -> Result<(), ReplayError> {
        let Some((store, platform)) = &self.means else { return Ok(()) };
        for _ in 0..ROUNDS_MAX {
            // What doesn't read is found by the fold.
            drop(fold.read(event, &self.vault()));
            let subjects = std::mem::take(&mut self.met.lock().missing);
            if subjects.is_empty() {
                return Ok(());
            }
            let open = || async {
                let (store, clock) = (Arc::clone(store), Arc::new(SystemClock));
                KeyRing::open(store, clock, Some(platform.clone()), KEYS_MAX).await
            };
            let ring = self.ring.get_or_try_init(open).await?;
            if ring.is_locked() {
                // It is not the key that they are wrapped under.
                return Ok(());
            }
            let wants = Wants { subjects, make: false };
            ring.load(&self.place, &wants).await.map_err(ReplayError::Keys)?;
        }
        Ok(())
    }
}

impl Vault for Seals {
    fn seal(&self, _: &SubjectId, _: &[u8]) -> Result<Sealed, String> {
        Err("nothing is written here".to_owned())
    }

    fn open(&self, subject: &SubjectId, sealed: &Sealed) -> Result<Option<Vec<u8>>, String> {
        let opened = match self.ring.get() {
            Some(ring) => ring.open(&self.place, subject, sealed),
            None if self.means.is_some() => Err(KeyFault::NotLoaded),
            None => Err(KeyFault::Locked),
        };
        let mut met = self.met.lock();
        match opened {
            Ok(Some(plain)) => {
                met.opened = true;
                Ok(Some(plain))
            }
            Ok(None) | Err(KeyFault::Erased) => Ok(None),
            Err(KeyFault::NotLoaded) => {
                met.missing.insert(subject.clone());
                Ok(None)
            }
            Err(KeyFault::NoKey | KeyFault::Locked) => {
                met.closed = true;
                Ok(None)
            }
            Err(KeyFault::Broken(problem)) => Err(problem),
        }
    }
}
