//! Shard ownership as rows. The database's clock decides when a lease ends.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use coppice_core::{Epoch, ShardId};

use super::db::{Db, reading, writing};
use super::{SqlStore, postgres};
use crate::error::StoreError;
use crate::store::{ClaimOutcome, Leases, ShardClaim};

/// A row of `shards`: shard, epoch, owner, when it expires.
type ShardTuple = (i64, i64, String, Option<i64>);

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Whom a claimant has to wait for: the holder whose lease ends last.
fn holder(claim: &ShardClaim, now: i64, held: &[ShardTuple]) -> Option<ClaimOutcome> {
    held.iter()
        .filter(|(_, _, owner, expires_at)| {
            let own = claim.succeed_own && *owner == claim.owner;
            !own && expires_at.is_none_or(|at| at > now)
        })
        .max_by_key(|(.., expires_at)| expires_at.unwrap_or(i64::MAX))
        .map(|(_, _, owner, expires_at)| ClaimOutcome::Held {
            owner: owner.clone(),
            remaining: expires_at.map(|at| Duration::from_micros((at - now).cast_unsigned())),
        })
}

fn granted(claim: &ShardClaim, held: &[ShardTuple]) -> BTreeMap<ShardId, Epoch> {
    let before: BTreeMap<i64, i64> =
        held.iter().map(|(shard, epoch, ..)| (*shard, *epoch)).collect();
    (0..claim.count)
        .map(|shard| {
            let epoch = before.get(&i64::from(shard)).copied().unwrap_or(0);
            (ShardId(shard), Epoch::from_i64(epoch).next())
        })
        .collect()
}

/// One claim in a transaction of either database; `$lock` orders it against appends.
macro_rules! claim_in {
    ($pool:expr, $begin:expr, $lock:expr, $now:expr, $claim:expr) => {{
        let claim = $claim;
        let mut transaction = $pool.begin_with($begin).await?;
        if let Some(lock) = $lock {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind::<i64>(lock)
                .execute(&mut *transaction)
                .await?;
        }
        let now: i64 = sqlx::query_scalar($now).fetch_one(&mut *transaction).await?;
        let held: Vec<ShardTuple> =
            sqlx::query_as("SELECT shard, epoch, owner, expires_at FROM shards")
                .fetch_all(&mut *transaction)
                .await?;
        if let Some(outcome) = holder(claim, now, &held) {
            transaction.rollback().await?;
            return Ok(outcome);
        }
        let epochs = granted(claim, &held);
        let expires_at = claim.duration.map(|duration| now.saturating_add(micros(duration)));
        for (shard, epoch) in &epochs {
            sqlx::query(
                "INSERT INTO shards (shard, epoch, owner, expires_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (shard) DO UPDATE SET epoch = excluded.epoch, \
                 owner = excluded.owner, expires_at = excluded.expires_at",
            )
            .bind(i64::from(shard.0))
            .bind(epoch.to_i64())
            .bind(claim.owner.clone())
            .bind(expires_at)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(ClaimOutcome::Granted(epochs))
    }};
}

impl SqlStore {
    async fn claim_shards(&self, claim: &ShardClaim) -> Result<ClaimOutcome, sqlx::Error> {
        let now = self.journal.now();
        match &self.journal {
            Db::Sqlite { write, .. } => {
                claim_in!(write, "BEGIN IMMEDIATE", None::<i64>, now, claim)
            }
            Db::Postgres(pool) => {
                claim_in!(pool, "BEGIN", Some(postgres::APPEND_LOCK), now, claim)
            }
        }
    }
}

impl SqlStore {
    /// A node other than `node` whose lease has not run out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn in_use_by(&self, node: &str) -> Result<Option<String>, StoreError> {
        let text = format!(
            "SELECT owner FROM shards WHERE owner <> $1 AND expires_at > ({}) LIMIT 1",
            self.journal.now()
        );
        reading!(&self.journal, "looking for leases", pool => {
            sqlx::query_scalar(sqlx::AssertSqlSafe(text)).bind(node).fetch_optional(pool).await
        })
    }
}

/// How far [`SqlStore::fence`] moves epochs: a node raises them by one with every start or takeover,
/// and none starts a million times from one copy to the next.
const EPOCHS_APART: i64 = 1 << 20;

impl SqlStore {
    /// Ends every lease and moves all epochs far on. For a database that goes on from a copy: what
    /// the owners of the original hold, or come to hold later, is then no epoch of the copy.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and [`StoreError::Full`].
    pub async fn fence(&self) -> Result<(), StoreError> {
        let text = "UPDATE shards SET epoch = epoch + $1, owner = 'nobody', expires_at = 0";
        writing!(&self.journal, "moving the epochs on", pool => {
            sqlx::query(text).bind(EPOCHS_APART).execute(pool).await.map(drop)
        })
    }
}

#[async_trait]
impl Leases for SqlStore {
    async fn claim(&self, claim: &ShardClaim) -> Result<ClaimOutcome, StoreError> {
        if claim.count == 0 {
            return Err(StoreError::Invalid("a claim of no shards"));
        }
        // The number of shards is part of where an entity belongs.
        let known: i64 = reading!(&self.journal, "counting shards", pool => {
            sqlx::query_scalar("SELECT COUNT(*) FROM shards").fetch_one(pool).await
        })?;
        if known != 0 && known != i64::from(claim.count) {
            return Err(StoreError::Invalid("the database has another number of shards"));
        }
        let outcome = self.claim_shards(claim).await;
        match &self.journal {
            Db::Sqlite { .. } => outcome.map_err(|e| super::sqlite::classify("claiming shards", e)),
            Db::Postgres(_) => outcome.map_err(|e| postgres::classify("claiming shards", e)),
        }
    }

    async fn renew(
        &self,
        owner: &str,
        epochs: &BTreeMap<ShardId, Epoch>,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        let held: Vec<(i64, i64)> = reading!(&self.journal, "reading a lease", pool => {
            sqlx::query_as("SELECT shard, epoch FROM shards WHERE owner = $1")
                .bind(owner)
                .fetch_all(pool)
                .await
        })?;
        let held: BTreeMap<i64, i64> = held.into_iter().collect();
        let lost = |(shard, epoch): (&ShardId, &Epoch)| {
            held.get(&i64::from(shard.0)) != Some(&epoch.to_i64())
        };
        if epochs.iter().any(lost) {
            return Ok(false);
        }
        // All shards are claimed together: if another took them since, none is the owner's now.
        let text = format!(
            "UPDATE shards SET expires_at = ({}) + $1 WHERE owner = $2",
            self.journal.now()
        );
        let extended = writing!(&self.journal, "renewing a lease", pool => {
            sqlx::query(sqlx::AssertSqlSafe(text))
                .bind(micros(duration))
                .bind(owner)
                .execute(pool)
                .await
                .map(|result| result.rows_affected())
        })?;
        Ok(extended >= epochs.len() as u64)
    }

    async fn release(&self, owner: &str) -> Result<(), StoreError> {
        let text = "UPDATE shards SET expires_at = 0 WHERE owner = $1";
        writing!(&self.journal, "releasing a lease", pool => {
            sqlx::query(text).bind(owner).execute(pool).await.map(drop)
        })
    }
}
