//! Tenants and their API keys.

use async_trait::async_trait;
use coppice_core::{TenantId, Timestamp};
use coppice_persistence::{ApiKeyRow, Directory, StoreError};
use uuid::Uuid;

use super::MemoryStore;
use super::faults::Point;

#[async_trait]
impl Directory for MemoryStore {
    async fn has_tenants(&self) -> Result<bool, StoreError> {
        self.faults.pass(Point::Directory, "looking for tenants").await?;
        Ok(!self.database.lock().tenants.is_empty())
    }

    async fn add_tenant(
        &self,
        tenant: &TenantId,
        name: &str,
        key: &ApiKeyRow,
    ) -> Result<(), StoreError> {
        self.faults.pass(Point::Directory, "adding a tenant").await?;
        let mut database = self.database.lock();
        database.tenants.entry(tenant.clone()).or_insert_with(|| name.to_owned());
        database.api_keys.entry(key.id).or_insert_with(|| key.clone());
        Ok(())
    }

    async fn api_keys(&self, prefix: &str) -> Result<Vec<ApiKeyRow>, StoreError> {
        self.faults.pass(Point::Directory, "reading API keys").await?;
        let database = self.database.lock();
        Ok(database.api_keys.values().filter(|key| key.prefix == prefix).cloned().collect())
    }

    async fn revoke_api_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.faults.pass(Point::Directory, "revoking an API key").await?;
        let mut database = self.database.lock();
        match database.api_keys.get_mut(&id) {
            Some(key) if key.tenant == *tenant => {
                // The first revocation stands: the key was dead from then on.
                key.revoked_at.get_or_insert(at);
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }
}
