//! Tenants and their API keys.

use async_trait::async_trait;
use coppice_core::{Hash, TenantId, Timestamp};
use uuid::Uuid;

use crate::error::StoreError;

/// An API key as it is stored; the key itself is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Names the key in lists and revocations.
    pub id: Uuid,
    /// Whose key.
    pub tenant: TenantId,
    /// The first eight characters of the random part; not unique.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: Hash,
    /// Space-separated scopes.
    pub scopes: String,
    /// What its owner calls it.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// The tenant's user that it belongs to; `None` for a service.
    pub user: Option<String>,
    /// Whether its text begins with `sk_live_`, else with `sk_test_`.
    pub live: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being valid.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last seen, as far as that was noted.
    pub last_used_at: Option<Timestamp>,
    /// The key that was made in its place.
    pub replaced_by: Option<Uuid>,
    /// What the request with an idempotency key that made it asked for.
    pub intent: Option<Hash>,
}

impl ApiKeyRow {
    /// A live key that has nothing but what it must have, made at a time.
    #[must_use]
    pub const fn new(
        id: Uuid,
        tenant: TenantId,
        prefix: String,
        hash: Hash,
        scopes: String,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            tenant,
            prefix,
            hash,
            scopes,
            name: String::new(),
            description: String::new(),
            user: None,
            live: true,
            created_at,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
            replaced_by: None,
            intent: None,
        }
    }

    /// Whether it may be used at a time.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires| now < expires)
    }
}

/// Tenants and their API keys.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Whether any tenant exists.
    async fn has_tenants(&self) -> Result<bool, StoreError>;

    /// Whether this tenant exists.
    async fn has_tenant(&self, tenant: &TenantId) -> Result<bool, StoreError>;

    /// Adds a tenant (left as it is where it exists) and a key (ignored where its id exists), in
    /// one transaction.
    async fn add_tenant(
        &self,
        tenant: &TenantId,
        name: &str,
        key: &ApiKeyRow,
    ) -> Result<(), StoreError>;

    /// Every key with this prefix, whatever its state.
    async fn api_keys(&self, prefix: &str) -> Result<Vec<ApiKeyRow>, StoreError>;

    /// A tenant's key, whatever its state.
    async fn api_key(&self, tenant: &TenantId, id: Uuid) -> Result<Option<ApiKeyRow>, StoreError>;

    /// A tenant's keys by their ids, from behind one of them.
    async fn api_keys_of(
        &self,
        tenant: &TenantId,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<ApiKeyRow>, StoreError>;

    /// Adds a key where its id is new and its tenant has fewer than `keys_max`, and the tenant where
    /// it is new; false where the key was not added.
    async fn add_api_key(&self, key: &ApiKeyRow, keys_max: u32) -> Result<bool, StoreError>;

    /// Adds a key in place of a valid one of the same tenant that has no successor yet, which stays
    /// valid until a time at most; false where nothing was done. Of several successors with one id
    /// exactly one is added.
    async fn rotate_api_key(
        &self,
        old: Uuid,
        successor: &ApiKeyRow,
        until: Timestamp,
        keys_max: u32,
    ) -> Result<bool, StoreError>;

    /// Notes when keys were last seen; an older time changes nothing.
    async fn note_api_keys(&self, seen: &[(Uuid, Timestamp)]) -> Result<(), StoreError>;

    /// Removes keys that were revoked or had expired before a time, so many at most; how many.
    async fn purge_api_keys(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError>;

    /// Revokes a key at a time; false where the tenant has no such key.
    async fn revoke_api_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
}
