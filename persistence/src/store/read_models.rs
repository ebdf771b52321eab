//! Subscriptions' offsets and parked events, and the documents that projections write.

use async_trait::async_trait;
use coppice_core::{Position, StreamId, TenantId, Timestamp};

use crate::error::StoreError;

/// A document of a read model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentRef {
    /// Whose.
    pub tenant: TenantId,
    /// Its id in the model and tenant.
    pub id: Box<str>,
}

/// A change of one document of a read model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChange {
    /// The read model.
    pub model: Box<str>,
    /// The tenant that the document belongs to.
    pub tenant: TenantId,
    /// The document within model and tenant.
    pub id: Box<str>,
    /// The new body, JSON text; `None` removes the document.
    pub body: Option<Box<str>>,
}

/// An event that a subscription couldn't digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedEvent {
    /// The event's position.
    pub position: Position,
    /// Its stream.
    pub stream: StreamId,
    /// Why it was parked.
    pub reason: Box<str>,
    /// When.
    pub parked_at: Timestamp,
}

/// One step of a subscription: everything in it is written in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The offset that the step starts from; refused where the stored one differs.
    pub from: Position,
    /// The offset after it.
    pub to: Position,
    /// Changes of read models, in order.
    pub changes: Vec<DocumentChange>,
    /// Events parked in this step.
    pub parked: Vec<ParkedEvent>,
    /// Positions of parked events that are done with.
    pub released: Vec<Position>,
}

/// Subscriptions' offsets and parked events, and the documents that projections write.
#[async_trait]
pub trait ReadModels: Send + Sync {
    /// The offset of a subscription: the position of the last event it is done with; 0 at first.
    async fn offset(&self, subscription: &str) -> Result<Position, StoreError>;

    /// Writes a step and its offset in one transaction; false, and nothing written, where the
    /// stored offset is not `from`.
    async fn advance(&self, subscription: &str, step: &Progress) -> Result<bool, StoreError>;

    /// Up to `limit` parked events after a position, in order.
    async fn parked(
        &self,
        subscription: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, StoreError>;

    /// Which of these streams have a parked event in the subscription.
    async fn parked_streams(
        &self,
        subscription: &str,
        streams: &[StreamId],
    ) -> Result<Vec<StreamId>, StoreError>;

    /// One document.
    async fn document(
        &self,
        model: &str,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<String>, StoreError>;

    /// The bodies of many documents of a model, in the order in which they are asked for.
    async fn bodies(
        &self,
        model: &str,
        documents: &[DocumentRef],
    ) -> Result<Vec<Option<String>>, StoreError>;

    /// Up to `limit` documents of a model and tenant with ids after `after`, as (id, body).
    async fn documents(
        &self,
        model: &str,
        tenant: &TenantId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError>;
}
