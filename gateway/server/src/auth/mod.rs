//! Who calls: one [`Principal`], whether by an API key, looked up by prefix and believed for a
//! while, or by a token ([`token`]).
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
pub mod keys;
mod lapse;
mod principal;
mod scope;
pub mod token;
mod upkeep;
mod uses;

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
use keys::Lifecycle;
use token::Tokens;
use uses::Uses;

pub use key::{ApiKey, KeyMode, MalformedKey};
pub use principal::{Identity, Principal};
pub use scope::{SCOPE_ALL, Scope};

/// Why a key counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// No such key, or not a key at all.
    Unknown,
    /// It was valid until its time was over.
    Expired,
    /// Its owner took it back.
    Revoked,
    /// A token that isn't accepted, for a reason that stays in the log.
    Refused,
}

/// Why a request has no principal.
#[derive(Debug, Error)]
pub enum AuthError {
    /// No `Authorization` header, or not one bearer token.
    #[error("no credential was given")]
    Missing,
    /// The key counts for nothing.
    #[error("the credential is not valid")]
    Invalid(Invalid),
    /// The key doesn't allow this.
    #[error("the caller lacks the scope {}", .0.name())]
    ScopeMissing(Scope),
    /// Too many look-ups were under way until the deadline.
    #[error("the API key was not looked up in time")]
    Busy,
    /// The keys can't be read.
    #[error("the API keys can not be read")]
    Store(#[source] StoreError),
}

/// Verifies credentials.
pub struct Auth {
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    cache: Cache,
    lookups: Semaphore,
    /// Counts what was taken back, for whoever stays.
    revocations: watch::Sender<u64>,
    uses: Uses,
    lifecycle: Lifecycle,
    note_every: Duration,
    tokens: Option<Tokens>,
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
            uses: Uses::new(config.cache_entries_max),
            lifecycle: Lifecycle {
                rotation_grace: Duration::from_secs(config.rotation_grace_s),
                purge_after: Duration::from_secs(config.purge_after_s),
                keys_per_tenant_max: config.keys_per_tenant_max,
            },
            note_every: Duration::from_secs(config.last_used_every_s),
            tokens: None,
        }
    }

    /// Accepts tokens, too.
    #[must_use]
    pub fn tokens(self, tokens: Tokens) -> Self {
        Self { tokens: Some(tokens), ..self }
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
        let principal = if token.len() == ApiKey::LENGTH {
            self.by_key(token, now, deadline).await?
        } else {
            self.by_token(token, now)?
        };
        if principal.may(scope) { Ok(principal) } else { Err(AuthError::ScopeMissing(scope)) }
    }

    async fn by_key(
        &self,
        token: &[u8],
        now: Instant,
        deadline: Instant,
    ) -> Result<Arc<Principal>, AuthError> {
        let hash = sha256(token);
        match self.cache.get(&hash, now) {
            Some(Cached::Known(principal)) => Ok(principal),
            Some(Cached::Refused(invalid)) => Err(AuthError::Invalid(invalid)),
            // Boxed: it happens once per key and would weigh on every request's future.
            None => Box::pin(self.look_up(token, hash, now, deadline)).await,
        }
    }

    /// Whatever hasn't a key's length is a token, or nothing.
    fn by_token(&self, token: &[u8], now: Instant) -> Result<Arc<Principal>, AuthError> {
        let tokens = self.tokens.as_ref().ok_or(AuthError::Invalid(Invalid::Unknown))?;
        tokens.verify(token, now, || self.clock.now())
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
                if let Some(id) = principal.api_key() {
                    self.uses.note(id, wall);
                }
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
    let principal = Principal::new(row.tenant.clone(), Identity::ApiKey(row.id), &row.scopes);
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
