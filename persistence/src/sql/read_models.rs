//! Subscriptions and documents. A step of a subscription is one transaction.

mod documents;

use async_trait::async_trait;
use coppice_core::{Position, StreamId, TenantId, Timestamp};

use super::db::{Db, limit_of, reading};
use super::{SqlStore, postgres, rows, sqlite};
use crate::error::StoreError;
use crate::store::{DocumentRef, ParkedEvent, Progress, ReadModels};

/// One step in a transaction of either database; false where the offset isn't the expected one.
macro_rules! advance_in {
    ($pool:expr, $begin:expr, $change:ident, $subscription:expr, $step:expr) => {{
        let (subscription, step): (&str, &Progress) = ($subscription, $step);
        let mut transaction = $pool.begin_with($begin).await?;
        sqlx::query(
            "INSERT INTO subscriptions (name, position) VALUES ($1, 0) \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(subscription)
        .execute(&mut *transaction)
        .await?;
        let moved =
            sqlx::query("UPDATE subscriptions SET position = $3 WHERE name = $1 AND position = $2")
                .bind(subscription)
                .bind(step.from.to_i64())
                .bind(step.to.to_i64())
                .execute(&mut *transaction)
                .await?;
        if moved.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        documents::$change(&mut transaction, &step.changes).await?;
        for parked in &step.parked {
            sqlx::query(
                "INSERT INTO parked_events (subscription, position, stream, reason, parked_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (subscription, position) DO NOTHING",
            )
            .bind(subscription)
            .bind(parked.position.to_i64())
            .bind(parked.stream.0.as_bytes().as_slice())
            .bind(parked.reason.as_ref())
            .bind(parked.parked_at.as_micros())
            .execute(&mut *transaction)
            .await?;
        }
        for position in &step.released {
            sqlx::query("DELETE FROM parked_events WHERE subscription = $1 AND position = $2")
                .bind(subscription)
                .bind(position.to_i64())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }};
}

impl SqlStore {
    async fn advance_step(&self, subscription: &str, step: &Progress) -> Result<bool, sqlx::Error> {
        match &self.read_side {
            Db::Sqlite { write, .. } => {
                advance_in!(write, "BEGIN IMMEDIATE", change_on_sqlite, subscription, step)
            }
            Db::Postgres(pool) => {
                advance_in!(pool, "BEGIN", change_on_postgres, subscription, step)
            }
        }
    }
}

#[async_trait]
impl ReadModels for SqlStore {
    async fn offset(&self, subscription: &str) -> Result<Position, StoreError> {
        let found: Option<i64> = reading!(&self.read_side, "reading an offset", pool => {
            sqlx::query_scalar("SELECT position FROM subscriptions WHERE name = $1")
                .bind(subscription)
                .fetch_optional(pool)
                .await
        })?;
        Ok(found.map_or(Position(0), Position::from_i64))
    }

    async fn advance(&self, subscription: &str, step: &Progress) -> Result<bool, StoreError> {
        let outcome = self.advance_step(subscription, step).await;
        match &self.read_side {
            Db::Sqlite { .. } => outcome.map_err(|e| sqlite::classify("advancing", e)),
            Db::Postgres(_) => outcome.map_err(|e| postgres::classify("advancing", e)),
        }
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        let found: Vec<(i64, Vec<u8>, String, i64)> = reading!(&self.read_side, "reading parked events", pool => {
            sqlx::query_as(
                "SELECT position, stream, reason, parked_at FROM parked_events \
                 WHERE subscription = $1 AND position > $2 ORDER BY position LIMIT $3",
            )
            .bind(subscription)
            .bind(after.to_i64())
            .bind(limit_of(limit))
            .fetch_all(pool)
            .await
        })?;
        found
            .into_iter()
            .map(|(position, stream, reason, parked_at)| {
                Ok(ParkedEvent {
                    position: Position::from_i64(position),
                    stream: rows::stream("parked_events", &stream)?,
                    reason: reason.into(),
                    parked_at: Timestamp::from_micros(parked_at),
                })
            })
            .collect()
    }

    async fn parked_streams(
        &self,
        subscription: &str,
        streams: &[StreamId],
    ) -> Result<Vec<StreamId>, StoreError> {
        let mut found = Vec::new();
        for stream in streams {
            let held: Option<i64> = reading!(&self.read_side, "reading parked streams", pool => {
                sqlx::query_scalar(
                    "SELECT position FROM parked_events \
                     WHERE subscription = $1 AND stream = $2 LIMIT 1",
                )
                .bind(subscription)
                .bind(stream.0.as_bytes().as_slice())
                .fetch_optional(pool)
                .await
            })?;
            if held.is_some() {
                found.push(*stream);
            }
        }
        Ok(found)
    }

    async fn document(
        &self,
        model: &str,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<String>, StoreError> {
        reading!(&self.read_side, "reading a document", pool => {
            sqlx::query_scalar(
                "SELECT body FROM documents WHERE model = $1 AND tenant = $2 AND id = $3",
            )
            .bind(model)
            .bind(tenant.as_str())
            .bind(id)
            .fetch_optional(pool)
            .await
        })
    }

    async fn bodies(
        &self,
        model: &str,
        asked: &[DocumentRef],
    ) -> Result<Vec<Option<String>>, StoreError> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let during = "reading documents";
        let found = match &self.read_side {
            Db::Sqlite { read, .. } => documents::bodies_on_sqlite(read, model, asked)
                .await
                .map_err(|error| sqlite::classify(during, error)),
            Db::Postgres(pool) => documents::bodies_on_postgres(pool, model, asked)
                .await
                .map_err(|error| postgres::classify(during, error)),
        };
        let mut bodies = vec![None; asked.len()];
        for (place, body) in found? {
            let slot = usize::try_from(place).ok().and_then(|at| bodies.get_mut(at));
            *slot.ok_or(StoreError::Invalid("a document that nobody asked for"))? = Some(body);
        }
        Ok(bodies)
    }

    async fn documents(
        &self,
        model: &str,
        tenant: &TenantId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        reading!(&self.read_side, "reading documents", pool => {
            sqlx::query_as::<_, (String, String)>(
                "SELECT id, body FROM documents WHERE model = $1 AND tenant = $2 AND id > $3 \
                 ORDER BY id LIMIT $4",
            )
            .bind(model)
            .bind(tenant.as_str())
            .bind(after)
            .bind(limit_of(limit))
            .fetch_all(pool)
            .await
        })
    }
}
