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
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being valid.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Tenants and their API keys.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Whether any tenant exists.
    async fn has_tenants(&self) -> Result<bool, StoreError>;

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

    /// Revokes a key at a time; false where the tenant has no such key.
    async fn revoke_api_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError>;
}
