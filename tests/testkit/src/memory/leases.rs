//! Shard ownership, by the injected clock.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use coppice_core::{Epoch, ShardId, Timestamp};
use coppice_persistence::{ClaimOutcome, Leases, ShardClaim, StoreError};

use super::MemoryStore;
use super::database::{Database, Shard};
use super::faults::Point;

#[async_trait]
impl Leases for MemoryStore {
    async fn claim(&self, claim: &ShardClaim) -> Result<ClaimOutcome, StoreError> {
        self.faults.pass(Point::Leases, "claiming shards").await?;
        if claim.count == 0 {
            return Err(StoreError::Invalid("a claim of no shards"));
        }
        let mut database = self.database.lock();
        // The number of shards is part of where an entity belongs.
        if !database.shards.is_empty() && database.shards.len() != usize::from(claim.count) {
            return Err(StoreError::Invalid("the database has another number of shards"));
        }
        Ok(database.claim(claim, self.clock.now()))
    }

    async fn renew(
        &self,
        owner: &str,
        epochs: &BTreeMap<ShardId, Epoch>,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        self.faults.pass(Point::Leases, "renewing leases").await?;
        let mut database = self.database.lock();
        let held = epochs.iter().all(|(id, epoch)| {
            let shard = database.shards.get(id);
            shard.is_some_and(|shard| shard.owner == owner && shard.epoch == *epoch)
        });
        if held {
            let expires_at = end_of(self.clock.now(), duration);
            for id in epochs.keys() {
                if let Some(shard) = database.shards.get_mut(id) {
                    shard.expires_at = Some(expires_at);
                }
            }
        }
        Ok(held)
    }

    async fn release(&self, owner: &str) -> Result<(), StoreError> {
        self.faults.pass(Point::Leases, "releasing leases").await?;
        let now = self.clock.now();
        for shard in self.database.lock().shards.values_mut() {
            if shard.owner == owner {
                shard.expires_at = Some(now);
            }
        }
        Ok(())
    }
}

impl Database {
    fn claim(&mut self, claim: &ShardClaim, now: Timestamp) -> ClaimOutcome {
        let wanted = (0..claim.count).map(ShardId);
        let in_the_way = wanted.clone().filter_map(|id| self.shards.get(&id)).filter(|shard| {
            let runs = shard.expires_at.is_none_or(|end| end > now);
            runs && !(claim.succeed_own && shard.owner == claim.owner)
        });
        // A lease that never expires is the longest in the way.
        let longest = in_the_way.max_by_key(|shard| (shard.expires_at.is_none(), shard.expires_at));
        if let Some(shard) = longest {
            let remaining = shard.expires_at.map(|end| {
                let micros = end.as_micros().saturating_sub(now.as_micros());
                Duration::from_micros(u64::try_from(micros).unwrap_or(0))
            });
            return ClaimOutcome::Held { owner: shard.owner.clone(), remaining };
        }
        let expires_at = claim.duration.map(|duration| end_of(now, duration));
        let granted = wanted.map(|id| {
            let epoch = self.shards.get(&id).map_or(Epoch(1), |shard| shard.epoch.next());
            self.shards.insert(id, Shard { epoch, owner: claim.owner.clone(), expires_at });
            (id, epoch)
        });
        ClaimOutcome::Granted(granted.collect())
    }
}

fn end_of(now: Timestamp, duration: Duration) -> Timestamp {
    now.saturating_add_micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}
