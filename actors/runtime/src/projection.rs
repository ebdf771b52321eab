//! Read models as folds: an event names the document that it touches and gives its new body.
//!
//! **Invariant:** an entity's deletion is told in a way of its own, which no read model can forget:
//! what it shows of an entity that is gone is its own decision.

use coppice_core::{StoredEvent, TenantId};
use thiserror::Error;

/// What becomes of an entity's later events once one of its events was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkPolicy {
    /// They are digested as if the parked one had not been.
    GoOn,
    /// They are parked behind it, so that the read model stays at the last good point.
    Hold,
}

/// An event that the projection can't digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Undigestible(pub String);

/// The document that an event touches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentRef {
    /// Whose.
    pub tenant: TenantId,
    /// Its id in the model and tenant.
    pub id: Box<str>,
}

/// A read model. Pure: the same events give the same documents, so it can be made again.
pub trait Projection: Send + Sync + 'static {
    /// The subscription's name; it keeps its offset under it.
    fn name(&self) -> &'static str;

    /// The read model that it writes.
    fn model(&self) -> &'static str;

    /// What happens behind an event that it can't digest.
    fn park_policy(&self) -> ParkPolicy;

    /// The document that an event touches; `None` where the event is none of its business.
    ///
    /// # Errors
    /// [`Undigestible`]: the event is parked.
    fn document(&self, event: &StoredEvent) -> Result<Option<DocumentRef>, Undigestible>;

    /// The document's body after the event, JSON text; `None` removes it.
    ///
    /// # Errors
    /// [`Undigestible`]: the event is parked.
    fn fold(&self, body: Option<&str>, event: &StoredEvent)
    -> Result<Option<String>, Undigestible>;

    /// The document that the deletion of an entity touches; `None` where it is none of its business.
    ///
    /// A deletion is an event of the shell's and not of the kind: it comes this way and never by
    /// [`Projection::document`], with a payload that says nothing, and it is its entity's last.
    ///
    /// # Errors
    /// [`Undigestible`]: the event is parked.
    fn document_of_deleted(
        &self,
        deletion: &StoredEvent,
    ) -> Result<Option<DocumentRef>, Undigestible>;

    /// The document's body after the deletion of an entity; `None` removes it.
    ///
    /// # Errors
    /// [`Undigestible`]: the event is parked.
    fn fold_deletion(
        &self,
        body: Option<&str>,
        deletion: &StoredEvent,
    ) -> Result<Option<String>, Undigestible>;
}
