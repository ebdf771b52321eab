//! Counts of tries and dead letters.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use coppice_core::{Epoch, ShardId, TenantId, Timestamp};
use coppice_persistence::{Attempts, DeadLetter, DeadLetters, EntityRow, StoreError, Tried};
use uuid::Uuid;

use super::MemoryStore;
use super::database::Database;
use super::faults::Point;

/// Letters by number, and the number of each id.
#[derive(Debug, Default)]
pub(super) struct Letters {
    by_number: BTreeMap<u64, DeadLetter>,
    numbers: BTreeMap<Uuid, u64>,
    /// The number given last, to a letter that may be gone since.
    last: u64,
}

#[async_trait]
impl Attempts for MemoryStore {
    async fn count_attempts(
        &self,
        messages: &[Tried],
        at: Timestamp,
    ) -> Result<Vec<u32>, StoreError> {
        self.faults.pass(Point::BeforeAttempts, "counting tries").await?;
        let counts = self.database.lock().count_attempts(messages, at);
        self.faults.pass(Point::AfterAttempts, "counting tries").await?;
        Ok(counts)
    }

    async fn drop_attempts(&self, messages: &[Tried]) -> Result<(), StoreError> {
        self.faults.pass(Point::BeforeAttempts, "dropping counts of tries").await?;
        self.database.lock().drop_attempts(messages);
        self.faults.pass(Point::AfterAttempts, "dropping counts of tries").await
    }

    async fn drop_stale_attempts(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        self.faults.pass(Point::BeforeAttempts, "dropping stale counts of tries").await?;
        let dropped = self.database.lock().drop_stale_attempts(before, limit);
        self.faults.pass(Point::AfterAttempts, "dropping stale counts of tries").await?;
        Ok(dropped)
    }
}

#[async_trait]
impl DeadLetters for MemoryStore {
    async fn put_dead_letter(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        self.faults.pass(Point::DeadLetters, "putting a dead letter").await?;
        Ok(self.database.lock().dead_letters.put(letter))
    }

    async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, StoreError> {
        self.faults.pass(Point::DeadLetters, "reading a dead letter").await?;
        let database = self.database.lock();
        let letters = &database.dead_letters;
        Ok(letters.numbers.get(&id).and_then(|number| letters.by_number.get(number)).cloned())
    }

    async fn dead_letters(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.faults.pass(Point::DeadLetters, "reading dead letters").await?;
        let database = self.database.lock();
        Ok(database
            .dead_letters
            .by_number
            .range((Bound::Excluded(after), Bound::Unbounded))
            .map(|(_, letter)| letter)
            .filter(|letter| tenant.is_none_or(|tenant| letter.key.tenant() == tenant))
            .take(limit)
            .cloned()
            .collect())
    }

    async fn remove_dead_letter(
        &self,
        id: Uuid,
        shard: ShardId,
        epoch: Epoch,
    ) -> Result<bool, StoreError> {
        self.faults.pass(Point::DeadLetters, "removing a dead letter").await?;
        let mut database = self.database.lock();
        let owned = database.shards.get(&shard).is_some_and(|shard| shard.epoch == epoch);
        Ok(owned && database.dead_letters.remove(id))
    }
}

impl Letters {
    fn put(&mut self, letter: &DeadLetter) -> bool {
        if self.numbers.contains_key(&letter.id) {
            return false;
        }
        self.last += 1;
        self.numbers.insert(letter.id, self.last);
        self.by_number.insert(self.last, DeadLetter { number: self.last, ..letter.clone() });
        true
    }

    fn remove(&mut self, id: Uuid) -> bool {
        let Some(number) = self.numbers.remove(&id) else { return false };
        self.by_number.remove(&number).is_some()
    }
}

impl Database {
    fn count_attempts(&mut self, messages: &[Tried], at: Timestamp) -> Vec<u32> {
        for tried in messages {
            let fresh = (0, at, tried.epoch);
            let (count, touched_at, epoch) = self.attempts.entry(tried.message).or_insert(fresh);
            *count += 1;
            *touched_at = at;
            *epoch = tried.epoch.max(*epoch);
        }
        messages.iter().map(|tried| self.attempts[&tried.message].0).collect()
    }

    fn drop_attempts(&mut self, messages: &[Tried]) {
        for tried in messages {
            let counted = self.attempts.get(&tried.message);
            if counted.is_some_and(|(_, _, epoch)| *epoch <= tried.epoch) {
                self.attempts.remove(&tried.message);
            }
        }
    }

    fn drop_stale_attempts(&mut self, before: Timestamp, limit: usize) -> u64 {
        let outstanding = |row: &EntityRow| row.owes || row.wake_at.is_some();
        let stale: Vec<_> = self
            .attempts
            .iter()
            .filter(|(message, (_, touched_at, _))| {
                *touched_at < before && !self.row(message.stream).is_some_and(outstanding)
            })
            .map(|(message, _)| *message)
            .take(limit)
            .collect();
        for message in &stale {
            self.attempts.remove(message);
        }
        stale.len() as u64
    }
}
