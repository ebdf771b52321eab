//! A page of events for one projection: read first, then folded into documents that are read once
//! and written once, however many of the page's events touch them.
//!
//! **Invariants:** each event is digested or parked, with its reason; one that is parked leaves its
//! document as it was. A panic of a projection's code is a refusal of the event.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use coppice_core::envelope::TOMBSTONE;
use coppice_core::{Position, StreamId};
use coppice_persistence::{DocumentRef, FollowedEvent};
use uuid::Uuid;

use super::{Before, ParkPolicy, Projection, Touched, Undigestible};

/// A page that was read.
pub(crate) trait Page: Send {
    /// The documents that its events touch, each once.
    fn documents(&self) -> &[DocumentRef];

    /// Folds its events into these bodies, in the order of [`Page::documents`]. Events of streams
    /// that are held are parked.
    fn fold(self: Box<Self>, bodies: Vec<Option<String>>, held: BTreeSet<StreamId>) -> Folded;
}

/// What came of a page.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// Documents that have changed, with their bodies; without one they are gone.
    pub(crate) changes: Vec<(DocumentRef, Option<String>)>,
    /// Events that were not digested, and why.
    pub(crate) parked: Vec<(Position, StreamId, Undigestible)>,
}

/// Where an event stands, and in which stream: in none, where that doesn't read either.
pub(crate) fn place_of(event: &FollowedEvent) -> (Position, StreamId) {
    match event {
        Ok(event) => (event.position, event.key.stream()),
        Err(event) => (event.position, event.stream.unwrap_or(StreamId(Uuid::nil()))),
    }
}

/// A document's place in the page, and what an event says to it.
type Read<S> = Result<Option<(usize, S)>, Undigestible>;

/// The page of a projection.
struct ReadPage<'a, P: Projection> {
    projection: &'a P,
    events: &'a [FollowedEvent],
    documents: Vec<DocumentRef>,
    /// For each event.
    read: Vec<Read<P::Said>>,
}

/// Reads each event once.
pub(super) fn read<'a, P: Projection>(
    projection: &'a P,
    events: &'a [FollowedEvent],
) -> impl Page + 'a {
    let mut places: BTreeMap<DocumentRef, usize> = BTreeMap::new();
    let mut documents = Vec::new();
    let read = events.iter().map(|event| {
        let Some((document, said)) = touched(projection, event)? else { return Ok(None) };
        let place = *places.entry(document).or_insert_with_key(|document| {
            documents.push(document.clone());
            documents.len() - 1
        });
        Ok(Some((place, said)))
    });
    let read = read.collect();
    ReadPage { projection, events, documents, read }
}

fn touched<P: Projection>(projection: &P, event: &FollowedEvent) -> Touched<P::Said> {
    let event = event.as_ref().map_err(|event| Undigestible(event.problem.to_string()))?;
    let is_deletion = &*event.record.body.event_type == TOMBSTONE;
    unpanicked(|| match is_deletion {
        true => projection.read_deletion(event),
        false => projection.read(event),
    })
}

/// A document while a page is folded into it.
struct Open<D> {
    /// As it is stored.
    body: Option<String>,
    /// As it is, once an event touched it.
    now: Option<Before<D>>,
    /// The events that are in it.
    taken: Vec<usize>,
}

impl<P: Projection> Page for ReadPage<'_, P> {
    fn documents(&self) -> &[DocumentRef] {
        &self.documents
    }

    fn fold(self: Box<Self>, bodies: Vec<Option<String>>, mut held: BTreeSet<StreamId>) -> Folded {
        let Self { projection, events, documents, read } = *self;
        assert_eq!(bodies.len(), documents.len(), "the store tells of each document");
        let mut bodies = bodies.into_iter();
        let mut open: Vec<Open<P::Document>> = documents
            .iter()
            .map(|_| Open { body: bodies.next().flatten(), now: None, taken: Vec::new() })
            .collect();
        let mut refused: BTreeMap<usize, Undigestible> = BTreeMap::new();
        for (at, (event, read)) in events.iter().zip(read).enumerate() {
            let stream = place_of(event).1;
            let digested = match read {
                _ if held.contains(&stream) => {
                    Err(Undigestible("held behind an earlier event of its entity".to_owned()))
                }
                Ok(None) => Ok(()),
                Ok(Some((place, said))) => open[place].take(projection, at, said),
                Err(reason) => Err(reason),
            };
            if let Err(reason) = digested {
                refused.insert(at, reason);
                if projection.park_policy() == ParkPolicy::Hold {
                    held.insert(stream);
                }
            }
        }
        let mut changes = Vec::new();
        for (document, open) in documents.into_iter().zip(open) {
            let taken = open.taken.clone();
            match open.close() {
                Ok(Some(body)) => changes.push((document, body)),
                Ok(None) => {}
                Err(reason) => refused.extend(taken.into_iter().map(|at| (at, reason.clone()))),
            }
        }
        let parked = refused.into_iter().map(|(at, reason)| {
            let (position, stream) = place_of(&events[at]);
            (position, stream, reason)
        });
        Folded { changes, parked: parked.collect() }
    }
}

impl<D: serde::Serialize + serde::de::DeserializeOwned + Clone> Open<D> {
    /// Takes in what an event says; it stays what it was where that is refused.
    fn take<P: Projection<Document = D>>(
        &mut self,
        projection: &P,
        at: usize,
        said: P::Said,
    ) -> Result<(), Undigestible> {
        let body = self.body.as_deref();
        let now = self.now.get_or_insert_with(|| {
            let read = |body| {
                serde_json::from_str(body)
                    .map_err(|error| Undigestible(format!("its document does not read: {error}")))
            };
            Before(unpanicked(|| body.map(read).transpose()))
        });
        let before = now.clone();
        *now = Before(Ok(unpanicked(|| projection.fold(before, said))?));
        self.taken.push(at);
        Ok(())
    }

    /// Its body, where anything is in it that was not; the inner `None` removes it.
    fn close(self) -> Result<Option<Option<String>>, Undigestible> {
        if self.taken.is_empty() {
            return Ok(None);
        }
        let Some(now) = self.now.map(Before::read).transpose()?.flatten() else {
            return Ok(Some(None));
        };
        let body = unpanicked(|| {
            serde_json::to_string(&now).map_err(|error| Undigestible(error.to_string()))
        })?;
        Ok(Some(Some(body)))
    }
}

/// A panic in a projection parks the event like any other refusal to digest it.
fn unpanicked<T>(work: impl FnOnce() -> Result<T, Undigestible>) -> Result<T, Undigestible> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Undigestible("the projection panicked".to_owned())))
}
