//! API keys as their tenant manages them.
//!
//! **Invariants:** a key never grants a scope that whoever makes it doesn't hold, rotation included;
//! a key's text is in the one answer that makes it and nowhere else, so a repeat under the same
//! idempotency key gets everything but the text; another tenant's key is as one that isn't there.

use std::time::Duration;

use coppice_api::api_key::ApiKeyState;
use coppice_core::hash::{Hasher, sha256};
use coppice_core::{CommandId, Hash, TenantId, Timestamp};
use coppice_persistence::{ApiKeyRow, StoreError};
use thiserror::Error;
use uuid::Uuid;

use super::{ApiKey, Auth, KeyMode, Principal};

/// What becomes of keys in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifecycle {
    pub(super) rotation_grace: Duration,
    pub(super) purge_after: Duration,
    pub(super) keys_per_tenant_max: u32,
}

/// A key that is wanted, checked but for its scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedKey {
    /// What its owner calls it.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// The tenant's user that it belongs to.
    pub user: Option<String>,
    /// What it is to allow.
    pub scopes: Vec<String>,
    /// How long it is to be valid.
    pub lifetime: Option<Duration>,
    /// What it is for.
    pub mode: KeyMode,
}

/// What an idempotency key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    id: Uuid,
    hash: Hash,
}

impl Intent {
    /// Of a tenant's request with a key: to make what the bytes say.
    #[must_use]
    pub fn new(tenant: &TenantId, route: &str, key: &str, wanted: &[u8]) -> Self {
        let id = CommandId::from_idempotency_key(tenant, route, key).0;
        let hash = Hasher::new("coppice.api_key.intent.v1").text(key).bytes(wanted).finish();
        Self { id, hash }
    }
}

/// A key that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// What is stored of it.
    pub row: ApiKeyRow,
    /// Its text; `None` where an earlier request made it.
    pub key: Option<ApiKey>,
}

/// Why there is no new key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The caller would grant what it doesn't hold.
    #[error("the caller lacks the scope {0}, so it can not grant it")]
    ScopeNotHeld(String),
    /// The tenant has no such key.
    #[error("there is no such API key")]
    NotFound,
    /// The key can't be rotated any more.
    #[error("the API key is {0}, not active")]
    NotActive(&'static str),
    /// The tenant has as many as it may.
    #[error("the tenant has {0} API keys, which is as many as it may")]
    Full(u32),
    /// The idempotency key was used for another key.
    #[error("the idempotency key was used for another API key")]
    Reused,
    /// The operating system gave no randomness.
    #[error("no random bytes for an API key")]
    Random(#[source] getrandom::Error),
    /// The keys can't be read or written.
    #[error("the API keys can not be reached")]
    Store(#[source] StoreError),
}

/// Where a key is in its life.
#[must_use]
pub fn state_of(row: &ApiKeyRow, now: Timestamp) -> ApiKeyState {
    if row.revoked_at.is_some() {
        ApiKeyState::Revoked
    } else if !row.is_valid_at(now) {
        ApiKeyState::Expired
    } else if row.replaced_by.is_some() {
        ApiKeyState::Rotating
    } else {
        ApiKeyState::Active
    }
}

const fn name_of(state: ApiKeyState) -> &'static str {
    match state {
        ApiKeyState::Active => "active",
        ApiKeyState::Rotating => "rotating",
        ApiKeyState::Revoked => "revoked",
        ApiKeyState::Expired => "expired",
    }
}

impl Auth {
    /// The time of day, by which states are told.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A tenant's keys by their ids, from behind one of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys_of(
        &self,
        tenant: &TenantId,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<ApiKeyRow>, StoreError> {
        self.directory.api_keys_of(tenant, after, limit).await
    }

    /// Makes a key for the caller's tenant.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn create_key(
        &self,
        caller: &Principal,
        wanted: &WantedKey,
        intent: Option<Intent>,
    ) -> Result<MadeKey, KeyError> {
        refuse_more(caller, wanted.scopes.iter().map(String::as_str))?;
        let key = ApiKey::generate(wanted.mode).map_err(KeyError::Random)?;
        let now = self.clock.now();
        let id = intent.map_or_else(Uuid::now_v7, |intent| intent.id);
        let (prefix, scopes) = (key.prefix().to_owned(), wanted.scopes.join(" "));
        let row = ApiKeyRow {
            name: wanted.name.clone(),
            description: wanted.description.clone(),
            user: wanted.user.clone(),
            live: wanted.mode == KeyMode::Live,
            expires_at: wanted.lifetime.map(|lifetime| later(now, lifetime)),
            intent: intent.map(|intent| intent.hash),
            ..ApiKeyRow::new(id, caller.tenant.clone(), prefix, key.hash(), scopes, now)
        };
        let keys_max = self.lifecycle.keys_per_tenant_max;
        if self.directory.add_api_key(&row, keys_max).await.map_err(KeyError::Store)? {
            return Ok(MadeKey { row, key: Some(key) });
        }
        match self.directory.api_key(&caller.tenant, id).await.map_err(KeyError::Store)? {
            Some(there) if there.intent == row.intent => Ok(MadeKey { row: there, key: None }),
            Some(_) => Err(KeyError::Reused),
            None => Err(KeyError::Full(keys_max)),
        }
    }

    /// Makes a key in place of one of the caller's tenant, which stays valid for the grace period.
    /// The new one is valid for as long as the old one was meant to be.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn rotate_key(
        &self,
        caller: &Principal,
        id: Uuid,
        intent: Option<Intent>,
    ) -> Result<MadeKey, KeyError> {
        let tenant = &caller.tenant;
        let found = self.directory.api_key(tenant, id).await.map_err(KeyError::Store)?;
        let old = found.ok_or(KeyError::NotFound)?;
        refuse_more(caller, old.scopes.split(' '))?;
        let now = self.clock.now();
        if state_of(&old, now) != ApiKeyState::Active {
            return self.rotated_before(old, intent).await;
        }
        let mode = if old.live { KeyMode::Live } else { KeyMode::Test };
        let key = ApiKey::generate(mode).map_err(KeyError::Random)?;
        let row = ApiKeyRow {
            id: successor_of(id),
            prefix: key.prefix().to_owned(),
            hash: key.hash(),
            created_at: now,
            expires_at: old.expires_at.map(|expires| moved(old.created_at, expires, now)),
            last_used_at: None,
            intent: intent.map(|intent| intent.hash),
            ..old
        };
        let until = later(now, self.lifecycle.rotation_grace);
        let keys_max = self.lifecycle.keys_per_tenant_max;
        let rotated = self.directory.rotate_api_key(id, &row, until, keys_max).await;
        // It may be valid for less than it is believed; where the outcome isn't known, too.
        self.cache.forget(id);
        if rotated.map_err(KeyError::Store)? {
            return Ok(MadeKey { row, key: Some(key) });
        }
        let found = self.directory.api_key(tenant, id).await.map_err(KeyError::Store)?;
        let old = found.ok_or(KeyError::NotFound)?;
        if state_of(&old, now) == ApiKeyState::Active {
            return Err(KeyError::Full(keys_max));
        }
        self.rotated_before(old, intent).await
    }

    /// The successor that the same request made before, if it did.
    async fn rotated_before(
        &self,
        old: ApiKeyRow,
        intent: Option<Intent>,
    ) -> Result<MadeKey, KeyError> {
        if let (Some(successor), Some(intent)) = (old.replaced_by, intent) {
            let found = self.directory.api_key(&old.tenant, successor).await;
            if let Some(row) = found.map_err(KeyError::Store)?
                && row.intent == Some(intent.hash)
            {
                return Ok(MadeKey { row, key: None });
            }
        }
        Err(KeyError::NotActive(name_of(state_of(&old, self.clock.now()))))
    }
}

/// Each key has one successor, whoever makes it.
fn successor_of(id: Uuid) -> Uuid {
    sha256(&[b"coppice.api_key.successor.v1", id.as_bytes().as_slice()].concat()).to_uuid()
}

fn refuse_more<'a>(
    caller: &Principal,
    scopes: impl Iterator<Item = &'a str>,
) -> Result<(), KeyError> {
    let mut more = scopes.filter(|scope| !scope.is_empty() && !caller.holds(scope));
    more.next().map_or(Ok(()), |scope| Err(KeyError::ScopeNotHeld(scope.to_owned())))
}

pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add_micros(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}

/// The end of a life as long as another, from a later beginning.
fn moved(began: Timestamp, ends: Timestamp, begins: Timestamp) -> Timestamp {
    begins.saturating_add_micros(ends.as_micros().saturating_sub(began.as_micros()))
}
