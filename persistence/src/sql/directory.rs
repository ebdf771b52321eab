//! Tenants and API keys.

use async_trait::async_trait;
use coppice_core::{TenantId, Timestamp};
use uuid::Uuid;

use super::db::{Db, reading, writing};
use super::{SqlStore, postgres, rows, sqlite};
use crate::error::StoreError;
use crate::store::{ApiKeyRow, Directory};

type KeyTuple = (Vec<u8>, String, String, Vec<u8>, String, String, i64, Option<i64>, Option<i64>);

macro_rules! add_tenant_in {
    ($pool:expr, $begin:expr, $tenant:expr, $name:expr, $key:expr) => {{
        let (tenant, name, key): (&TenantId, &str, &ApiKeyRow) = ($tenant, $name, $key);
        let mut transaction = $pool.begin_with($begin).await?;
        sqlx::query(
            "INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(tenant.as_str())
        .bind(name)
        .bind(key.created_at.as_micros())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO api_keys (id, tenant, prefix, hash, scopes, description, created_at, \
             expires_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(key.id.as_bytes().as_slice())
        .bind(key.tenant.as_str())
        .bind(key.prefix.as_str())
        .bind(key.hash.0.as_slice())
        .bind(key.scopes.as_str())
        .bind(key.description.as_str())
        .bind(key.created_at.as_micros())
        .bind(key.expires_at.map(Timestamp::as_micros))
        .bind(key.revoked_at.map(Timestamp::as_micros))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }};
}

impl SqlStore {
    async fn add_tenant_rows(
        &self,
        tenant: &TenantId,
        name: &str,
        key: &ApiKeyRow,
    ) -> Result<(), sqlx::Error> {
        match &self.journal {
            Db::Sqlite { write, .. } => {
                add_tenant_in!(write, "BEGIN IMMEDIATE", tenant, name, key)
            }
            Db::Postgres(pool) => add_tenant_in!(pool, "BEGIN", tenant, name, key),
        }
    }
}

#[async_trait]
impl Directory for SqlStore {
    async fn has_tenants(&self) -> Result<bool, StoreError> {
        let found: Option<String> = reading!(&self.journal, "reading tenants", pool => {
            sqlx::query_scalar("SELECT id FROM tenants LIMIT 1").fetch_optional(pool).await
        })?;
        Ok(found.is_some())
    }

    async fn add_tenant(
        &self,
        tenant: &TenantId,
        name: &str,
        key: &ApiKeyRow,
    ) -> Result<(), StoreError> {
        let outcome = self.add_tenant_rows(tenant, name, key).await;
        match &self.journal {
            Db::Sqlite { .. } => outcome.map_err(|e| sqlite::classify("adding a tenant", e)),
            Db::Postgres(_) => outcome.map_err(|e| postgres::classify("adding a tenant", e)),
        }
    }

    async fn api_keys(&self, prefix: &str) -> Result<Vec<ApiKeyRow>, StoreError> {
        let found: Vec<KeyTuple> = reading!(&self.journal, "reading API keys", pool => {
            sqlx::query_as(
                "SELECT id, tenant, prefix, hash, scopes, description, created_at, expires_at, \
                 revoked_at FROM api_keys WHERE prefix = $1 ORDER BY id",
            )
            .bind(prefix)
            .fetch_all(pool)
            .await
        })?;
        found.into_iter().map(api_key).collect()
    }

    async fn revoke_api_key(
        &self,
        tenant: &TenantId,
        id: Uuid,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        // A second revocation keeps the time of the first.
        let text = "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3) \
             WHERE tenant = $1 AND id = $2";
        writing!(&self.journal, "revoking an API key", pool => {
            sqlx::query(text)
                .bind(tenant.as_str())
                .bind(id.as_bytes().as_slice())
                .bind(at.as_micros())
                .execute(pool)
                .await
                .map(|result| result.rows_affected() > 0)
        })
    }
}

fn api_key(row: KeyTuple) -> Result<ApiKeyRow, StoreError> {
    Ok(ApiKeyRow {
        id: rows::uuid("api_keys", &row.0)?,
        tenant: TenantId::new(&row.1).map_err(|error| rows::unreadable("api_keys", error))?,
        prefix: row.2,
        hash: rows::hash("api_keys", &row.3)?,
        scopes: row.4,
        description: row.5,
        created_at: Timestamp::from_micros(row.6),
        expires_at: row.7.map(Timestamp::from_micros),
        revoked_at: row.8.map(Timestamp::from_micros),
    })
}
