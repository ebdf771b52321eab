//! Tenants and their API keys.

use std::collections::btree_map::Entry;
use std::ops::Bound;

use async_trait::async_trait;
use coppice_core::{TenantId, Timestamp};
use coppice_persistence::{ApiKeyRow, Directory, StoreError};
use uuid::Uuid;

use super::MemoryStore;
use super::database::Database;
use super::faults::Point;

#[async_trait]
impl Directory for MemoryStore {
    async fn has_tenants(&self) -> Result<bool, StoreError> {
        self.faults.pass(Point::Directory, "looking for tenants").await?;
        Ok(!self.database.lock().tenants.is_empty())
    }

    async fn has_tenant(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        self.faults.pass(Point::Directory, "looking for a tenant").await?;
        Ok(self.database.lock().tenants.contains_key(tenant))
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

    async fn api_key(&self, tenant: &TenantId, id: Uuid) -> Result<Option<ApiKeyRow>, StoreError> {
        self.faults.pass(Point::Directory, "reading an API key").await?;
        let database = self.database.lock();
        Ok(database.api_keys.get(&id).filter(|key| key.tenant == *tenant).cloned())
    }

    async fn api_keys_of(
        &self,
        tenant: &TenantId,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<ApiKeyRow>, StoreError> {
        self.faults.pass(Point::Directory, "listing API keys").await?;
        let database = self.database.lock();
        let behind = database.api_keys.range((Bound::Excluded(after), Bound::Unbounded));
        let theirs = behind.map(|(_, key)| key).filter(|key| key.tenant == *tenant);
        Ok(theirs.take(limit).cloned().collect())
    }

    async fn add_api_key(&self, key: &ApiKeyRow, keys_max: u32) -> Result<bool, StoreError> {
        self.faults.pass(Point::Directory, "adding an API key").await?;
        let mut database = self.database.lock();
        let name = key.tenant.to_string();
        database.tenants.entry(key.tenant.clone()).or_insert(name);
        let room = database.has_room(&key.tenant, keys_max);
        match database.api_keys.entry(key.id) {
            Entry::Vacant(place) if room => {
                place.insert(key.clone());
                Ok(true)
            }
            Entry::Vacant(_) | Entry::Occupied(_) => Ok(false),
        }
    }

    async fn rotate_api_key(
        &self,
        old: Uuid,
        successor: &ApiKeyRow,
        until: Timestamp,
        keys_max: u32,
    ) -> Result<bool, StoreError> {
        self.faults.pass(Point::Directory, "rotating an API key").await?;
        let mut database = self.database.lock();
        if !database.has_room(&successor.tenant, keys_max)
            || database.api_keys.contains_key(&successor.id)
        {
            return Ok(false);
        }
        let Some(old) = database.api_keys.get_mut(&old).filter(|old| {
            old.tenant == successor.tenant
                && old.replaced_by.is_none()
                && old.is_valid_at(successor.created_at)
        }) else {
            return Ok(false);
        };
        old.replaced_by = Some(successor.id);
        old.expires_at = Some(old.expires_at.map_or(until, |expires| expires.min(until)));
        database.api_keys.insert(successor.id, successor.clone());
        Ok(true)
    }

    async fn note_api_keys(&self, seen: &[(Uuid, Timestamp)]) -> Result<(), StoreError> {
        self.faults.pass(Point::Directory, "noting the use of API keys").await?;
        let mut database = self.database.lock();
        for (id, at) in seen {
            if let Some(key) = database.api_keys.get_mut(id) {
                key.last_used_at = key.last_used_at.max(Some(*at));
            }
        }
        Ok(())
    }

    async fn purge_api_keys(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.faults.pass(Point::Directory, "purging API keys").await?;
        let mut database = self.database.lock();
        let over = |key: &ApiKeyRow| {
            [key.revoked_at, key.expires_at].iter().flatten().any(|end| *end < before)
        };
        let ended = database.api_keys.values().filter(|key| over(key)).map(|key| key.id);
        let ended: Vec<_> = ended.take(limit).collect();
        for id in &ended {
            database.api_keys.remove(id);
        }
        Ok(ended.len() as u64)
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

impl Database {
    fn has_room(&self, tenant: &TenantId, keys_max: u32) -> bool {
        self.api_keys.values().filter(|key| key.tenant == *tenant).count() < keys_max as usize
    }
}
