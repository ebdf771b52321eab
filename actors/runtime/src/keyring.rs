//! The keys of subjects: made here, kept in the store wrapped under the platform's key, and held in
//! memory for as long as they are used.
//!
//! Each subject of a tenant has one AES-256-GCM key for ever. It is made the first time that
//! something is sealed for it and is durable before it is used; once it is destroyed, the subject
//! never gets another, so that no command in flight can undo an erasure.
//!
//! **Invariants:** a key leaves this process only wrapped; none is printed; what is in memory is
//! good for one ownership of the shards, within which every erasure comes through this ring.

mod cache;
mod cipher;

use std::fmt;
use std::sync::Arc;

use coppice_core::sensitive::Sealed;
use coppice_core::{SubjectId, TenantId};
use coppice_persistence::{Destroyed, Store, StoreError, SubjectKeyRow};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tracing::{error, info, warn};
use uuid::Uuid;

pub use self::cipher::{MalformedPlatformKey, PlatformKey};

use self::cache::{Cache, Entry};
use self::cipher::{SubjectKey, fresh};
use crate::answer::Failure;
use crate::clock::Clock;
use crate::personal::{KeyFault, Keys, Place, Wants};

/// Keys that are wrapped anew between two looks at the store.
const REWRAP_PAGE: usize = 500;

/// What subject keys are wrapped under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformKeys {
    /// What new ones are wrapped under.
    pub current: PlatformKey,
    /// What old ones may still be wrapped under, after a rotation.
    pub previous: Option<PlatformKey>,
}

impl PlatformKeys {
    fn named(&self, name: &str) -> Option<&PlatformKey> {
        let known = std::iter::once(&self.current).chain(self.previous.as_ref());
        known.into_iter().find(|key| key.name() == name)
    }
}

/// The keys of subjects. Without a platform key it erases and does nothing else.
pub struct KeyRing {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    platform: Option<PlatformKeys>,
    cache: Mutex<Cache>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("locked", &self.platform.is_none()).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// On a store's keys, of which up to `keys_max` stay in memory. Where none of them is wrapped
    /// under a key that is given, that is the wrong one: the ring stays locked, or new keys would be
    /// wrapped under what nobody keeps.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        platform: Option<PlatformKeys>,
        keys_max: usize,
    ) -> Result<Self, StoreError> {
        let outer = store.outer_keys().await?;
        let platform = platform.filter(|platform| {
            let strange = outer.iter().filter(|name| platform.named(name).is_none()).count();
            let fits = strange == 0 || strange < outer.len();
            if !fits {
                error!("the platform key is not the one that keys are wrapped under");
            } else if strange > 0 {
                warn!(strange, "some keys are wrapped under a platform key that is not given");
            }
            fits
        });
        Ok(Self { store, clock, platform, cache: Mutex::new(Cache::new(keys_max)) })
    }

    /// Wraps what is wrapped under the previous platform key under the current one; how many were.
    /// Once it has ended, the previous one can be thrown away, and with it every older copy of
    /// these keys becomes worthless.
    ///
    /// # Errors
    /// [`StoreError`]; what is done is done.
    pub async fn rewrap(&self) -> Result<u64, StoreError> {
        let Some(platform) = &self.platform else { return Ok(0) };
        let Some(previous) = platform.previous.as_ref() else { return Ok(0) };
        if previous.name() == platform.current.name() {
            return Ok(0);
        }
        let mut rewrapped = 0;
        loop {
            let rows = self.store.keys_wrapped_under(previous.name(), REWRAP_PAGE).await?;
            let mut moved = 0;
            for row in &rows {
                let Some(key) = unwrapped(platform, row) else { continue };
                let wrapped = platform.current.wrap(&key, &row.tenant, &row.subject);
                moved += u64::from(self.store.rewrap_subject_key(row, &wrapped).await?);
            }
            rewrapped += moved;
            if moved == 0 {
                if !rows.is_empty() {
                    error!(keys = rows.len(), "keys can't be unwrapped and stay as they are");
                }
                break;
            }
        }
        if rewrapped > 0 {
            info!(rewrapped, "keys are wrapped under the current platform key");
        }
        Ok(rewrapped)
    }

    /// Whether nothing can be sealed or opened, for want of a platform key that fits.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.platform.is_none()
    }

    /// Whether the store has keys of subjects, which only a platform key opens.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_needed(&self) -> Result<bool, StoreError> {
        Ok(!self.store.outer_keys().await?.is_empty())
    }

    fn look(&self, at: &Place, subject: &SubjectId) -> Result<Arc<SubjectKey>, KeyFault> {
        if self.platform.is_none() {
            return Err(KeyFault::Locked);
        }
        match self.cache.lock().get(at, subject) {
            None => Err(KeyFault::NotLoaded),
            Some(Entry::Live(key)) => Ok(key),
            Some(Entry::Erased) => Err(KeyFault::Erased),
            Some(Entry::Absent) => Err(KeyFault::NoKey),
            Some(Entry::Locked) => Err(KeyFault::Locked),
        }
    }

    async fn fetch(&self, at: &Place, wants: &Wants) -> Result<(), Failure> {
        let Some(platform) = &self.platform else { return Err(Failure::PersonalDataLocked) };
        let erasures = self.cache.lock().erasures();
        let subjects: Vec<_> = wants.subjects.iter().cloned().collect();
        let rows = self.store.subject_keys(&at.tenant, &subjects).await;
        let rows = rows.map_err(|error| failure(&at.tenant, &error))?;
        for subject in subjects {
            let row = rows.iter().find(|row| row.subject == subject).cloned();
            let row = match row {
                None if wants.make => Some(self.make(platform, at, subject.clone()).await?),
                found => found,
            };
            let entry = row.map_or(Entry::Absent, |row| entry_of(platform, &row));
            self.cache.lock().insert(at, subject, entry, erasures);
        }
        Ok(())
    }

    async fn make(
        &self,
        platform: &PlatformKeys,
        at: &Place,
        subject: SubjectId,
    ) -> Result<SubjectKeyRow, Failure> {
        let key = SubjectKey::new(format!("key_{}", Uuid::now_v7().simple()).into(), fresh());
        let row = SubjectKeyRow {
            tenant: at.tenant.clone(),
            key_id: key.id().into(),
            wrapped: Some(platform.current.wrap(&key, &at.tenant, &subject)),
            subject,
            created_at: self.clock.now(),
            destroyed: None,
        };
        let standing = self.store.put_subject_key(&row).await;
        standing.map_err(|error| failure(&at.tenant, &error))
    }
}

fn unwrapped(platform: &PlatformKeys, row: &SubjectKeyRow) -> Option<SubjectKey> {
    let wrapped = row.wrapped.as_ref()?;
    let outer = platform.named(&wrapped.under)?;
    outer.unwrap(wrapped, &row.tenant, &row.subject, &row.key_id)
}

fn entry_of(platform: &PlatformKeys, row: &SubjectKeyRow) -> Entry {
    if row.destroyed.is_some() {
        return Entry::Erased;
    }
    match unwrapped(platform, row) {
        Some(key) => Entry::Live(Arc::new(key)),
        None => {
            error!(key_id = %row.key_id, "a subject's key can't be unwrapped");
            Entry::Locked
        }
    }
}

fn failure(tenant: &TenantId, error: &StoreError) -> Failure {
    match error {
        StoreError::Unavailable { .. } => Failure::StoreUnavailable,
        StoreError::Full => Failure::StoreFull,
        StoreError::Damaged { .. }
        | StoreError::Unreadable { .. }
        | StoreError::TooNew { .. }
        | StoreError::Migration(_)
        | StoreError::Invalid(_) => Failure::Damaged {
            stream: format!("{tenant}, keys of personal data"),
            problem: error.to_string(),
        },
    }
}

impl Keys for KeyRing {
    fn standing(&self, at: &Place, subject: &SubjectId) -> Result<(), KeyFault> {
        match self.look(at, subject) {
            Ok(_) | Err(KeyFault::NoKey) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn seal(&self, at: &Place, subject: &SubjectId, plain: &[u8]) -> Result<Sealed, KeyFault> {
        Ok(self.look(at, subject)?.seal(&at.tenant, subject, plain))
    }

    fn open(
        &self,
        at: &Place,
        subject: &SubjectId,
        sealed: &Sealed,
    ) -> Result<Option<Vec<u8>>, KeyFault> {
        match self.look(at, subject) {
            Ok(key) => key.open(&at.tenant, subject, sealed).map(Some).map_err(KeyFault::Broken),
            Err(KeyFault::Erased) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn load<'a>(&'a self, at: &'a Place, wants: &'a Wants) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.fetch(at, wants))
    }

    fn erase<'a>(
        &'a self,
        at: &'a Place,
        subject: &'a SubjectId,
        end: &'a Destroyed,
    ) -> BoxFuture<'a, Result<Destroyed, Failure>> {
        Box::pin(async move {
            let destroyed = self.store.destroy_subject_key(&at.tenant, subject, end).await;
            // Whatever the store said: what is in memory is not to be used any more.
            self.cache.lock().erased(at, subject, destroyed.is_ok());
            match destroyed {
                Ok(row) => Ok(row.destroyed.unwrap_or_else(|| end.clone())),
                Err(StoreError::Unavailable { .. }) => Err(Failure::TimedOut),
                Err(error) => Err(failure(&at.tenant, &error)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> PlatformKey {
        PlatformKey::parse(&format!("{byte:02x}").repeat(32)).unwrap()
    }

    #[test]
    fn the_current_key_and_the_previous_one_are_found_by_name() {
        let platform = PlatformKeys { current: keys(1), previous: Some(keys(2)) };
        assert!(platform.named(keys(1).name()).is_some());
        assert!(platform.named(keys(2).name()).is_some());
        assert!(platform.named(keys(3).name()).is_none());
    }

    #[test]
    fn a_destroyed_row_is_erased_and_one_under_a_strange_key_is_locked() {
        let (tenant, subject) = (TenantId::new("t").unwrap(), SubjectId::new("s").unwrap());
        let key = SubjectKey::new("key_1".into(), fresh());
        let mut row = SubjectKeyRow {
            wrapped: Some(keys(1).wrap(&key, &tenant, &subject)),
            tenant,
            subject,
            key_id: "key_1".into(),
            created_at: coppice_core::Timestamp::EPOCH,
            destroyed: None,
        };
        let entry = |byte, row: &SubjectKeyRow| {
            entry_of(&PlatformKeys { current: keys(byte), previous: None }, row)
        };
        assert!(matches!(entry(1, &row), Entry::Live(_)));
        assert!(matches!(entry(2, &row), Entry::Locked));
        row.destroyed = Some(Destroyed { at: row.created_at, by: "b".into() });
        row.wrapped = None;
        assert!(matches!(entry(1, &row), Entry::Erased));
    }
}
