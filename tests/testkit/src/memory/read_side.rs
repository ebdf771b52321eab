//! Snapshots, subscriptions and read models.

use std::collections::BTreeSet;
use std::ops::Bound;

use async_trait::async_trait;
use coppice_core::{Position, StreamId, StreamKey, TenantId};
use coppice_persistence::{
    DocumentChange, DocumentRef, ParkedEvent, Progress, ReadModels, Snapshot, Snapshots, StoreError,
};

use super::MemoryStore;
use super::database::Database;
use super::faults::Point;

#[async_trait]
impl Snapshots for MemoryStore {
    async fn snapshot(&self, key: &StreamKey) -> Result<Option<Snapshot>, StoreError> {
        self.faults.pass(Point::Snapshot, "reading a snapshot").await?;
        Ok(self.database.lock().snapshots.get(&key.stream()).cloned())
    }

    async fn save_snapshots(&self, snapshots: &[Snapshot]) -> Result<(), StoreError> {
        self.faults.pass(Point::SaveSnapshots, "saving snapshots").await?;
        let mut database = self.database.lock();
        for snapshot in snapshots {
            let id = snapshot.key.stream();
            let stored = database.snapshots.get(&id);
            if stored.is_none_or(|stored| stored.head.sequence <= snapshot.head.sequence) {
                database.snapshots.insert(id, snapshot.clone());
            }
        }
        Ok(())
    }
}

#[async_trait]
impl ReadModels for MemoryStore {
    async fn offset(&self, subscription: &str) -> Result<Position, StoreError> {
        self.faults.pass(Point::ReadModels, "reading an offset").await?;
        Ok(self.database.lock().offset(subscription))
    }

    async fn advance(&self, subscription: &str, step: &Progress) -> Result<bool, StoreError> {
        self.faults.pass(Point::BeforeAdvance, "advancing a subscription").await?;
        let advanced = self.database.lock().advance(subscription, step);
        self.faults.pass(Point::AfterAdvanceBeforeAnswer, "advancing a subscription").await?;
        Ok(advanced)
    }

    async fn parked(
        &self,
        subscription: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        self.faults.pass(Point::ReadModels, "reading parked events").await?;
        let database = self.database.lock();
        let start = Bound::Excluded((subscription.to_owned(), after));
        Ok(database
            .parked
            .range((start, Bound::Unbounded))
            .take_while(|((name, _), _)| name == subscription)
            .take(limit)
            .map(|(_, parked)| parked.clone())
            .collect())
    }

    async fn parked_streams(
        &self,
        subscription: &str,
        streams: &[StreamId],
    ) -> Result<Vec<StreamId>, StoreError> {
        self.faults.pass(Point::ReadModels, "reading parked streams").await?;
        let asked: BTreeSet<_> = streams.iter().copied().collect();
        let parked: BTreeSet<_> = self
            .database
            .lock()
            .parked
            .iter()
            .filter(|((name, _), _)| name == subscription)
            .map(|(_, parked)| parked.stream)
            .filter(|stream| asked.contains(stream))
            .collect();
        Ok(parked.into_iter().collect())
    }

    async fn document(
        &self,
        model: &str,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<String>, StoreError> {
        self.faults.pass(Point::ReadModels, "reading a document").await?;
        let key = (model.to_owned(), tenant.clone(), id.to_owned());
        Ok(self.database.lock().documents.get(&key).cloned())
    }

    async fn bodies(
        &self,
        model: &str,
        documents: &[DocumentRef],
    ) -> Result<Vec<Option<String>>, StoreError> {
        self.faults.pass(Point::ReadModels, "reading documents").await?;
        let database = self.database.lock();
        let body = |of: &DocumentRef| {
            let key = (model.to_owned(), of.tenant.clone(), String::from(&*of.id));
            database.documents.get(&key).cloned()
        };
        Ok(documents.iter().map(body).collect())
    }

    async fn documents(
        &self,
        model: &str,
        tenant: &TenantId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.faults.pass(Point::ReadModels, "reading documents").await?;
        let database = self.database.lock();
        let start = Bound::Excluded((model.to_owned(), tenant.clone(), after.to_owned()));
        Ok(database
            .documents
            .range((start, Bound::Unbounded))
            .take_while(|((of_model, of_tenant, _), _)| of_model == model && of_tenant == tenant)
            .take(limit)
            .map(|((_, _, id), body)| (id.clone(), body.clone()))
            .collect())
    }
}

impl Database {
    fn offset(&self, subscription: &str) -> Position {
        self.offsets.get(subscription).copied().unwrap_or_default()
    }

    fn advance(&mut self, subscription: &str, step: &Progress) -> bool {
        if self.offset(subscription) != step.from {
            return false;
        }
        self.offsets.insert(subscription.to_owned(), step.to);
        for change in &step.changes {
            self.change(change);
        }
        for parked in &step.parked {
            let at = (subscription.to_owned(), parked.position);
            // Parked again, it keeps the reason and the time of the first.
            self.parked.entry(at).or_insert_with(|| parked.clone());
        }
        for position in &step.released {
            self.parked.remove(&(subscription.to_owned(), *position));
        }
        true
    }

    fn change(&mut self, change: &DocumentChange) {
        let key = (String::from(&*change.model), change.tenant.clone(), String::from(&*change.id));
        match &change.body {
            Some(body) => self.documents.insert(key, String::from(&**body)),
            None => self.documents.remove(&key),
        };
    }
}
