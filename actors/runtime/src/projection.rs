//! Read models as folds: an event names the document that it touches and what it says there, and
//! the document takes it in.
//!
//! **Invariant:** an entity's deletion is told in a way of its own, which no read model can forget:
//! what it shows of an entity that is gone is its own decision.

mod page;

use std::fmt;
use std::sync::Arc;

use coppice_core::StoredEvent;
pub use coppice_persistence::DocumentRef;
use coppice_persistence::FollowedEvent;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

pub(crate) use self::page::{Folded, Page, place_of};

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

/// The document that an event touches and what it says there; `None` where the event is none of a
/// projection's business.
pub type Touched<S> = Result<Option<(DocumentRef, S)>, Undigestible>;

/// A read model. Pure: the same events give the same documents, so it can be made again.
pub trait Projection: Send + Sync + 'static {
    /// A document. It is kept as JSON.
    type Document: Serialize + DeserializeOwned + Clone + Send;

    /// What an event says to its document: whatever of it `fold` needs.
    type Said: Send;

    /// The subscription's name; it keeps its offset under it.
    fn name(&self) -> &'static str;

    /// The read model that it writes.
    fn model(&self) -> &'static str;

    /// What happens behind an event that it can't digest.
    fn park_policy(&self) -> ParkPolicy;

    /// Reads an event, once.
    ///
    /// # Errors
    /// [`Undigestible`]: the event is parked.
    fn read(&self, event: &StoredEvent) -> Touched<Self::Said>;

    /// Reads the deletion of an entity.
    ///
    /// A deletion is an event of the shell's and not of the kind: it comes this way and never by
    /// [`Projection::read`], with a payload that says nothing, and it is its entity's last.
    ///
    /// # Errors
    /// [`Undigestible`]: the event is parked.
    fn read_deletion(&self, deletion: &StoredEvent) -> Touched<Self::Said>;

    /// The document after it was told; `None` removes it.
    ///
    /// It is written once for all that a page of events says to it. A document that doesn't
    /// serialize, which one of plain data does, parks all of them.
    ///
    /// # Errors
    /// [`Undigestible`]: the event is parked, and the document is what it was.
    fn fold(
        &self,
        before: Before<Self::Document>,
        said: Self::Said,
    ) -> Result<Option<Self::Document>, Undigestible>;
}

/// A document as an event meets it.
#[derive(Debug, Clone)]
pub struct Before<D>(Result<Option<D>, Undigestible>);

impl<D> Before<D> {
    /// The document, if there is one. Whoever replaces or removes it whatever it is need not ask.
    ///
    /// # Errors
    /// [`Undigestible`], where what is stored doesn't read.
    pub fn read(self) -> Result<Option<D>, Undigestible> {
        self.0
    }
}

/// A projection as its subscription has it, whatever its documents are.
#[derive(Clone)]
pub struct AnyProjection(Arc<dyn Paged>);

impl fmt::Debug for AnyProjection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyProjection").field(&self.name()).finish()
    }
}

impl AnyProjection {
    /// Of any projection.
    #[must_use]
    pub fn new(projection: impl Projection) -> Self {
        Self(Arc::new(projection))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn model(&self) -> &'static str {
        self.0.model()
    }

    pub(crate) fn park_policy(&self) -> ParkPolicy {
        self.0.park_policy()
    }

    /// Reads a page of events: what they touch is known then, and can be fetched at once.
    pub(crate) fn read<'a>(&'a self, events: &'a [FollowedEvent]) -> Box<dyn Page + 'a> {
        self.0.read_page(events)
    }
}

trait Paged: Send + Sync {
    fn name(&self) -> &'static str;
    fn model(&self) -> &'static str;
    fn park_policy(&self) -> ParkPolicy;
    fn read_page<'a>(&'a self, events: &'a [FollowedEvent]) -> Box<dyn Page + 'a>;
}

impl<P: Projection> Paged for P {
    fn name(&self) -> &'static str {
        Projection::name(self)
    }

    fn model(&self) -> &'static str {
        Projection::model(self)
    }

    fn park_policy(&self) -> ParkPolicy {
        Projection::park_policy(self)
    }

    fn read_page<'a>(&'a self, events: &'a [FollowedEvent]) -> Box<dyn Page + 'a> {
        Box::new(page::read(self, events))
    }
}
