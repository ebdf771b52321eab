//! What this process knows of presented keys, by their SHA-256.
//!
//! **Invariant:** an outcome that was read from the store before a [`Cache::forget`] is not kept
//! after it: each forgetting starts a new generation, and outcomes of an older one are dropped.
//!
//! Verified and refused keys have a map each, so that guessing keys can't push verified ones out.
//! The maps compare hashes in ordinary time: a caller can't choose a key's hash, so the time tells
//! nothing that would help to find a key.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::Hash;
use parking_lot::RwLock;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Invalid, Principal};

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cached {
    Known(Arc<Principal>),
    Refused(Invalid),
}

/// Counts forgettings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

pub(super) struct Cache {
    known_ttl: Duration,
    refused_ttl: Duration,
    entries_max: usize,
    entries: RwLock<Entries>,
}

struct Entries {
    generation: Generation,
    known: HashMap<Hash, Entry<Arc<Principal>>>,
    refused: HashMap<Hash, Entry<Invalid>>,
}

struct Entry<T> {
    value: T,
    until: Instant,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.read();
        f.debug_struct("Cache")
            .field("known", &entries.known.len())
            .field("refused", &entries.refused.len())
            .finish_non_exhaustive()
    }
}

impl Cache {
    pub(super) fn new(known_ttl: Duration, refused_ttl: Duration, entries_max: usize) -> Self {
        let entries =
            Entries { generation: Generation(0), known: HashMap::new(), refused: HashMap::new() };
        Self { known_ttl, refused_ttl, entries_max, entries: RwLock::new(entries) }
    }

    /// What is known of a key at `now`.
    pub(super) fn get(&self, hash: &Hash, now: Instant) -> Option<Cached> {
        let entries = self.entries.read();
        if let Some(entry) = entries.known.get(hash) {
            return (now < entry.until).then(|| Cached::Known(Arc::clone(&entry.value)));
        }
        let entry = entries.refused.get(hash)?;
        (now < entry.until).then_some(Cached::Refused(entry.value))
    }

    /// The generation, to be asked before the store is.
    pub(super) fn generation(&self) -> Generation {
        self.entries.read().generation
    }

    /// Keeps a verified key for the TTL, or for as long as it is valid if that is shorter.
    pub(super) fn keep(
        &self,
        hash: Hash,
        principal: Arc<Principal>,
        now: Instant,
        remaining: Option<Duration>,
        generation: Generation,
    ) {
        let ttl = remaining.map_or(self.known_ttl, |remaining| remaining.min(self.known_ttl));
        let mut entries = self.entries.write();
        if entries.generation == generation {
            entries.refused.remove(&hash);
            let entry = Entry { value: principal, until: now + ttl };
            insert_bounded(&mut entries.known, hash, entry, self.entries_max);
        }
    }

    /// Keeps a refusal for a moment.
    pub(super) fn refuse(
        &self,
        hash: Hash,
        invalid: Invalid,
        now: Instant,
        generation: Generation,
    ) {
        let mut entries = self.entries.write();
        if entries.generation == generation {
            // It was verified before and has expired or been revoked elsewhere since.
            entries.known.remove(&hash);
            let entry = Entry { value: invalid, until: now + self.refused_ttl };
            insert_bounded(&mut entries.refused, hash, entry, self.entries_max);
        }
    }

    /// Forgets a verified key, and whatever is being looked up right now.
    pub(super) fn forget(&self, id: Uuid) {
        let mut entries = self.entries.write();
        entries.generation = Generation(entries.generation.0 + 1);
        entries.known.retain(|_, entry| entry.value.api_key() != Some(id));
    }
}

/// A full map gives up an arbitrary entry: whoever needs it pays one look-up, and nobody can choose
/// whose it is. Looking for one that is over would cost a walk per guess while keys are guessed.
fn insert_bounded<T>(
    map: &mut HashMap<Hash, Entry<T>>,
    hash: Hash,
    entry: Entry<T>,
    entries_max: usize,
) {
    if map.len() >= entries_max
        && !map.contains_key(&hash)
        && let Some(victim) = map.keys().next().copied()
    {
        map.remove(&victim);
    }
    map.insert(hash, entry);
}

#[cfg(test)]
mod tests {
    use coppice_core::TenantId;
    use coppice_core::hash::sha256;

    use super::*;
    use crate::auth::Identity;

    const TTL: Duration = Duration::from_secs(300);
    const MOMENT: Duration = Duration::from_secs(1);

    fn principal(id: u128) -> Arc<Principal> {
        let identity = Identity::ApiKey(Uuid::from_u128(id));
        Arc::new(Principal::new(TenantId::new("t").unwrap(), identity, "*"))
    }

    fn known(cache: &Cache, key: &str, now: Instant) -> bool {
        matches!(cache.get(&sha256(key.as_bytes()), now), Some(Cached::Known(_)))
    }

    fn keep(cache: &Cache, key: &str, id: u128, now: Instant, remaining: Option<Duration>) {
        let hash = sha256(key.as_bytes());
        cache.keep(hash, principal(id), now, remaining, cache.generation());
    }

    #[test]
    fn a_key_is_known_until_its_ttl_or_its_own_end() {
        let cache = Cache::new(TTL, MOMENT, 10);
        let now = Instant::now();
        keep(&cache, "a", 1, now, None);
        keep(&cache, "b", 2, now, Some(Duration::from_secs(5)));
        assert!(known(&cache, "a", now + TTL - MOMENT));
        assert!(!known(&cache, "a", now + TTL));
        assert!(known(&cache, "b", now + Duration::from_secs(4)));
        assert!(!known(&cache, "b", now + Duration::from_secs(5)));
    }

    #[test]
    fn an_outcome_read_before_a_revocation_is_not_kept_after_it() {
        let cache = Cache::new(TTL, MOMENT, 10);
        let now = Instant::now();
        let before = cache.generation();
        cache.forget(Uuid::from_u128(1));
        cache.keep(sha256(b"a"), principal(1), now, None, before);
        assert!(!known(&cache, "a", now));
    }

    #[test]
    fn forgetting_a_key_leaves_the_others() {
        let cache = Cache::new(TTL, MOMENT, 10);
        let now = Instant::now();
        keep(&cache, "a", 1, now, None);
        keep(&cache, "b", 2, now, None);
        cache.forget(Uuid::from_u128(1));
        assert!(!known(&cache, "a", now));
        assert!(known(&cache, "b", now));
    }

    #[test]
    fn the_cache_stays_within_its_bound_and_refusals_do_not_push_keys_out() {
        let cache = Cache::new(TTL, MOMENT, 3);
        let now = Instant::now();
        keep(&cache, "mine", 1, now, None);
        for number in 0_u32..100 {
            let hash = sha256(&number.to_be_bytes());
            cache.refuse(hash, Invalid::Unknown, now, cache.generation());
        }
        assert!(known(&cache, "mine", now));
        assert_eq!(cache.entries.read().refused.len(), 3);
        for number in 0..100 {
            keep(&cache, &format!("k{number}"), number, now, None);
        }
        assert_eq!(cache.entries.read().known.len(), 3);
    }

    #[test]
    fn a_refusal_ends_sooner_than_a_verification() {
        let cache = Cache::new(TTL, MOMENT, 3);
        let now = Instant::now();
        let hash = sha256(b"x");
        cache.refuse(hash, Invalid::Expired, now, cache.generation());
        assert_eq!(cache.get(&hash, now), Some(Cached::Refused(Invalid::Expired)));
        assert_eq!(cache.get(&hash, now + MOMENT), None);
    }
}
