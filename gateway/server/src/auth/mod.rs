//! Who calls: bearer API keys, looked up by prefix and believed for a while.
//!
//! **Invariants:** a key's text is never kept, only its SHA-256 (but by a stream, in memory, for as
//! long as its caller follows); every candidate row is compared in
//! constant time; once [`Auth::revoke`] has returned, this process refuses the key in every request
//! that arrives, even where a look-up was under way. Another process learns of it within the
//! cache's TTL.
//!
//! The path of a known key takes no await, one hash and one read of a map.

mod cache;
mod key;
mod lapse;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use coppice_core::hash::sha256;
use coppice_core::{Hash, TenantId, Timestamp};
use coppice_persistence::{ApiKeyRow, Directory, StoreError};
use coppice_runtime::Clock;
use subtle::ConstantTimeEq;
use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::config::AuthConfig;
use cache::{Cache, Cached};

pub use key::{ApiKey, KeyMode, MalformedKey};

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Reading entities.
    EntitiesRead,
    /// Commanding entities.
    EntitiesWrite,
    /// Deleting entities.
    EntitiesDelete,
    /// Looking into the node.
    InspectRead,
    /// Deciding about dead letters.
    InspectWrite,
    /// Erasing subjects.
    SubjectsWrite,
    /// Reading the node's metrics.
    MetricsRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] = [
        Self::EntitiesRead,
        Self::EntitiesWrite,
        Self::EntitiesDelete,
        Self::InspectRead,
        Self::InspectWrite,
        Self::SubjectsWrite,
        Self::MetricsRead,
    ];

    /// The scope as it is stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EntitiesRead => "entities:read",
            Self::EntitiesWrite => "entities:write",
            Self::EntitiesDelete => "entities:delete",
            Self::InspectRead => "inspect:read",
            Self::InspectWrite => "inspect:write",
            Self::SubjectsWrite => "subjects:write",
            Self::MetricsRead => "metrics:read",
        }
    }
}

/// The scope that holds all others.
pub const SCOPE_ALL: &str = "*";

/// The caller, once its key is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Whose key it is.
    pub tenant: TenantId,
    /// Which key.
    pub key_id: Uuid,
    /// What it allows; names that this build doesn't know stay in it and allow nothing here.
    scopes: Box<str>,
}

impl Principal {
    /// Whether the key allows something.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.split(' ').any(|held| held == SCOPE_ALL || held == scope.name())
    }
}

/// Why a key counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// No such key, or not a key at all.
    Unknown,
    /// It was valid until its time was over.
    Expired,
    /// Its owner took it back.
    Revoked,
}

/// Why a request has no principal.
#[derive(Debug, Error)]
pub enum AuthError {
    /// No `Authorization` header, or not one bearer token.
    #[error("no API key was given")]
    Missing,
    /// The key counts for nothing.
    #[error("the API key is not valid")]
    Invalid(Invalid),
    /// The key doesn't allow this.
    #[error("the API key lacks the scope {}", .0.name())]
    ScopeMissing(Scope),
    /// Too many look-ups were under way until the deadline.
    #[error("the API key was not looked up in time")]
    Busy,
    /// The keys can't be read.
    #[error("the API keys can not be read")]
    Store(#[source] StoreError),
}

/// Verifies API keys.
pub struct Auth {
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    cache: Cache,
    lookups: Semaphore,
    /// Counts what was taken back, for whoever stays.
    revocations: watch::Sender<u64>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Auth {
    /// Against the keys of a directory.
    #[must_use]
    pub fn new(directory: Arc<dyn Directory>, clock: Arc<dyn Clock>, config: &AuthConfig) -> Self {
        Self {
            directory,
            clock,
            cache: Cache::new(
                Duration::from_secs(config.cache_ttl_s),
                Duration::from_millis(config.refused_ttl_ms),
                config.cache_entries_max,
            ),
            lookups: Semaphore::new(config.lookups_max),
            revocations: watch::Sender::new(0),
        }
    }

    /// The caller of a request, if its key allows `scope`.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        now: Instant,
        deadline: Instant,
    ) -> Result<Arc<Principal>, AuthError> {
        let token = bearer(headers).ok_or(AuthError::Missing)?;
        if token.len() != ApiKey::LENGTH {
            return Err(AuthError::Invalid(Invalid::Unknown));
        }
        let hash = sha256(token);
        let principal = match self.cache.get(&hash, now) {
            Some(Cached::Known(principal)) => principal,
            Some(Cached::Refused(invalid)) => return Err(AuthError::Invalid(invalid)),
            // Boxed: it happens once per key and would weigh on every request's future.
            None => Box::pin(self.look_up(token, hash, now, deadline)).await?,
        };
        if principal.may(scope) { Ok(principal) } else { Err(AuthError::ScopeMissing(scope)) }
    }

    /// Takes a key back; false where the tenant has no such key.
    ///
    /// # Errors
    /// [`StoreError`]; the key may be revoked or not, and this process forgets it in any case.
    pub async fn revoke(&self, tenant: &TenantId, id: Uuid) -> Result<bool, StoreError> {
        let revoked = self.directory.revoke_api_key(tenant, id, self.clock.now()).await;
        self.cache.forget(id);
        self.revocations.send_modify(|count| *count += 1);
        revoked
    }

    async fn look_up(
        &self,
        token: &[u8],
        hash: Hash,
        now: Instant,
        deadline: Instant,
    ) -> Result<Arc<Principal>, AuthError> {
        let unknown = AuthError::Invalid(Invalid::Unknown);
        let text = std::str::from_utf8(token).map_err(|_| AuthError::Invalid(Invalid::Unknown))?;
        let Ok(key) = ApiKey::parse(text) else { return Err(unknown) };
        let Ok(permit) = timeout_at(deadline, self.lookups.acquire()).await else {
            return Err(AuthError::Busy);
        };
        // Before the read: a revocation from here on keeps the outcome out of the cache.
        let generation = self.cache.generation();
        let rows = self.directory.api_keys(key.prefix()).await.map_err(AuthError::Store)?;
        drop(permit);

        let wall = self.clock.now();
        match find(&rows, &hash).map(|row| judge(row, wall)) {
            None => {
                self.cache.refuse(hash, Invalid::Unknown, now, generation);
                Err(unknown)
            }
            Some(Err(invalid)) => {
                self.cache.refuse(hash, invalid, now, generation);
                Err(AuthError::Invalid(invalid))
            }
            Some(Ok((principal, remaining))) => {
                let principal = Arc::new(principal);
                self.cache.keep(hash, Arc::clone(&principal), now, remaining, generation);
                Ok(principal)
            }
        }
    }
}

/// Compares every candidate, so that the time taken tells nothing about which one matched.
fn find<'a>(rows: &'a [ApiKeyRow], hash: &Hash) -> Option<&'a ApiKeyRow> {
    let mut found = None;
    for row in rows {
        if bool::from(row.hash.as_bytes().ct_eq(hash.as_bytes())) {
            found = Some(row);
        }
    }
    found
}

/// The principal of a key and how long it stays valid; `None` for ever.
fn judge(row: &ApiKeyRow, now: Timestamp) -> Result<(Principal, Option<Duration>), Invalid> {
    if row.revoked_at.is_some() {
        return Err(Invalid::Revoked);
    }
    let remaining = match row.expires_at {
        None => None,
        Some(expires) => {
            let micros = expires.as_micros().saturating_sub(now.as_micros());
            match u64::try_from(micros) {
                Ok(micros) if micros > 0 => Some(Duration::from_micros(micros)),
                _ => return Err(Invalid::Expired),
            }
        }
    };
    let principal = Principal {
        tenant: row.tenant.clone(),
        key_id: row.id,
        scopes: row.scopes.as_str().into(),
    };
    Ok((principal, remaining))
}

/// The token of the only `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().map(HeaderValue::as_bytes)?;
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    let one_bearer = scheme.eq_ignore_ascii_case(SCHEME) && values.next().is_none();
    one_bearer.then(|| token.trim_ascii())
}
