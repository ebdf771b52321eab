//! Tenants and API keys.
//!
//! **Invariant:** what the gateway does for a request is one statement each. A request may be given
//! up at any moment, and a transaction that is given up as it begins would stay open on its
//! connection.

use async_trait::async_trait;
use coppice_core::{TenantId, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::db::{Db, limit_of, reading, writing};
use super::{SqlStore, postgres, rows, sqlite};
use crate::error::StoreError;
use crate::store::{ApiKeyRow, Directory};

const TABLE: &str = "api_keys";

const COLUMNS: &str = "id, tenant, prefix, hash, scopes, name, description, user_id, live, \
     created_at, expires_at, revoked_at, last_used_at, replaced_by, intent";

/// [`COLUMNS`], as they are bound.
const VALUES: &str = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15";

/// [`COLUMNS`].
type KeyTuple = (
    Vec<u8>,
    String,
    String,
    Vec<u8>,
    String,
    String,
    String,
    Option<String>,
    bool,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
);

/// The most keys of one statement that notes their use.
const NOTED_MAX: usize = 64;

/// Binds [`COLUMNS`].
macro_rules! bind_key {
    ($query:expr, $key:expr) => {{
        let key: &ApiKeyRow = $key;
        $query
            .bind(key.id.as_bytes().to_vec())
            .bind(key.tenant.as_str().to_owned())
            .bind(key.prefix.clone())
            .bind(key.hash.0.to_vec())
            .bind(key.scopes.clone())
            .bind(key.name.clone())
            .bind(key.description.clone())
            .bind(key.user.clone())
            .bind(key.live)
            .bind(key.created_at.as_micros())
            .bind(key.expires_at.map(Timestamp::as_micros))
            .bind(key.revoked_at.map(Timestamp::as_micros))
            .bind(key.last_used_at.map(Timestamp::as_micros))
            .bind(key.replaced_by.map(|id| id.as_bytes().to_vec()))
            .bind(key.intent.map(|intent| intent.0.to_vec()))
    }};
}

macro_rules! add_tenant_in {
    ($pool:expr, $begin:expr, $tenant:expr, $name:expr, $key:expr) => {{
        let (tenant, name, key): (&TenantId, &str, &ApiKeyRow) = ($tenant, $name, $key);
        let text = format!(
            "INSERT INTO api_keys ({COLUMNS}) VALUES ({VALUES}) ON CONFLICT (id) DO NOTHING"
        );
        let mut transaction = $pool.begin_with($begin).await?;
        sqlx::query(TENANT)
            .bind(tenant.as_str())
            .bind(name)
            .bind(key.created_at.as_micros())
            .execute(&mut *transaction)
            .await?;
        bind_key!(sqlx::query(AssertSqlSafe(text)), key).execute(&mut *transaction).await?;
        transaction.commit().await
    }};
}

const TENANT: &str = "INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3) \
     ON CONFLICT (id) DO NOTHING";

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

    /// A tenant may be named by a token before it has a key.
    async fn ensure_tenant(&self, key: &ApiKeyRow) -> Result<(), StoreError> {
        writing!(&self.journal, "adding a key's tenant", pool => {
            sqlx::query(TENANT)
                .bind(key.tenant.as_str())
                .bind(key.tenant.as_str())
                .bind(key.created_at.as_micros())
                .execute(pool)
                .await
                .map(drop)
        })
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

    async fn has_tenant(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        let found: Option<String> = reading!(&self.journal, "reading a tenant", pool => {
            sqlx::query_scalar("SELECT id FROM tenants WHERE id = $1")
                .bind(tenant.as_str())
                .fetch_optional(pool)
                .await
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
        let text = format!("SELECT {COLUMNS} FROM api_keys WHERE prefix = $1 ORDER BY id");
        let found: Vec<KeyTuple> = reading!(&self.journal, "reading API keys", pool => {
            sqlx::query_as(AssertSqlSafe(text)).bind(prefix).fetch_all(pool).await
        })?;
        found.into_iter().map(api_key).collect()
    }

    async fn api_key(&self, tenant: &TenantId, id: Uuid) -> Result<Option<ApiKeyRow>, StoreError> {
        let text = format!("SELECT {COLUMNS} FROM api_keys WHERE tenant = $1 AND id = $2");
        let found: Option<KeyTuple> = reading!(&self.journal, "reading an API key", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(tenant.as_str())
                .bind(id.as_bytes().as_slice())
                .fetch_optional(pool)
                .await
        })?;
        found.map(api_key).transpose()
    }

    async fn api_keys_of(
        &self,
        tenant: &TenantId,
        after: Uuid,
        limit: usize,
    ) -> Result<Vec<ApiKeyRow>, StoreError> {
        let text = format!(
            "SELECT {COLUMNS} FROM api_keys WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3"
        );
        let found: Vec<KeyTuple> = reading!(&self.journal, "listing API keys", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(tenant.as_str())
                .bind(after.as_bytes().as_slice())
                .bind(limit_of(limit))
                .fetch_all(pool)
                .await
        })?;
        found.into_iter().map(api_key).collect()
    }

    async fn add_api_key(&self, key: &ApiKeyRow, keys_max: u32) -> Result<bool, StoreError> {
        self.ensure_tenant(key).await?;
        let text = format!(
            "INSERT INTO api_keys ({COLUMNS}) SELECT {VALUES} \
             WHERE (SELECT COUNT(*) FROM api_keys k WHERE k.tenant = $2) < $16 \
             ON CONFLICT (id) DO NOTHING"
        );
        writing!(&self.journal, "adding an API key", pool => {
            bind_key!(sqlx::query(AssertSqlSafe(text)), key)
                .bind(i64::from(keys_max))
                .execute(pool)
                .await
                .map(|result| result.rows_affected() > 0)
        })
    }

    async fn rotate_api_key(
        &self,
        old: Uuid,
        successor: &ApiKeyRow,
        until: Timestamp,
        keys_max: u32,
    ) -> Result<bool, StoreError> {
        // The old row goes in again as it will be, so that both are written by one statement. Where
        // another rotation was faster, the successor is there and neither is touched.
        let valid = "FROM api_keys o WHERE o.id = $16 AND o.tenant = $2 AND o.revoked_at IS NULL \
             AND o.replaced_by IS NULL AND (o.expires_at IS NULL OR o.expires_at > $10) \
             AND (SELECT COUNT(*) FROM api_keys k WHERE k.tenant = $2) < $18";
        let text = format!(
            "INSERT INTO api_keys ({COLUMNS}) SELECT {VALUES} {valid} UNION ALL \
             SELECT o.id, o.tenant, o.prefix, o.hash, o.scopes, o.name, o.description, o.user_id, \
             o.live, o.created_at, CASE WHEN o.expires_at < $17 THEN o.expires_at ELSE $17 END, \
             o.revoked_at, o.last_used_at, $1, o.intent {valid} \
             ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, \
             replaced_by = excluded.replaced_by WHERE api_keys.id = $16 \
             AND api_keys.replaced_by IS NULL AND api_keys.revoked_at IS NULL"
        );
        writing!(&self.journal, "rotating an API key", pool => {
            bind_key!(sqlx::query(AssertSqlSafe(text)), successor)
                .bind(old.as_bytes().to_vec())
                .bind(until.as_micros())
                .bind(i64::from(keys_max))
                .execute(pool)
                .await
                .map(|result| result.rows_affected() > 0)
        })
    }

    async fn note_api_keys(&self, seen: &[(Uuid, Timestamp)]) -> Result<(), StoreError> {
        for chunk in seen.chunks(NOTED_MAX) {
            let pairs: Vec<_> =
                (0..chunk.len()).map(|at| format!("(${}, ${})", 2 * at + 1, 2 * at + 2)).collect();
            let text = format!(
                "UPDATE api_keys SET last_used_at = v.column2 FROM (VALUES {}) AS v \
                 WHERE api_keys.id = v.column1 AND (api_keys.last_used_at IS NULL \
                 OR api_keys.last_used_at < v.column2)",
                pairs.join(", ")
            );
            writing!(&self.journal, "noting the use of API keys", pool => {
                let query = sqlx::query(AssertSqlSafe(text));
                let query = chunk.iter().fold(query, |query, (id, at)| {
                    query.bind(id.as_bytes().to_vec()).bind(at.as_micros())
                });
                query.execute(pool).await.map(drop)
            })?;
        }
        Ok(())
    }

    async fn purge_api_keys(&self, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let text = "DELETE FROM api_keys WHERE id IN (SELECT id FROM api_keys \
             WHERE revoked_at < $1 OR expires_at < $1 ORDER BY id LIMIT $2)";
        writing!(&self.journal, "purging API keys", pool => {
            sqlx::query(text)
                .bind(before.as_micros())
                .bind(limit_of(limit))
                .execute(pool)
                .await
                .map(|result| result.rows_affected())
        })
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
        id: rows::uuid(TABLE, &row.0)?,
        tenant: TenantId::new(&row.1).map_err(|error| rows::unreadable(TABLE, error))?,
        prefix: row.2,
        hash: rows::hash(TABLE, &row.3)?,
        scopes: row.4,
        name: row.5,
        description: row.6,
        user: row.7,
        live: row.8,
        created_at: Timestamp::from_micros(row.9),
        expires_at: row.10.map(Timestamp::from_micros),
        revoked_at: row.11.map(Timestamp::from_micros),
        last_used_at: row.12.map(Timestamp::from_micros),
        replaced_by: row.13.map(|id| rows::uuid(TABLE, &id)).transpose()?,
        intent: row.14.map(|intent| rows::hash(TABLE, &intent)).transpose()?,
    })
}
