//! Tails the journal for a projection.
//!
//! **Invariants:** documents and offset move in one transaction, so every event takes effect once;
//! events of one entity are folded in their order; an event that can't be digested is parked with
//! its reason and never skipped silently, and its entity goes on by the projection's stated policy
//! while all others go on. So is an event that can't be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use coppice_core::envelope::TOMBSTONE;
use coppice_core::{Position, Sequence, StoredEvent, StreamId};
use coppice_persistence::{
    DocumentChange, FollowedEvent, JournalRead, ParkedEvent, Progress, Store, StoreError,
};
use coppice_supervisors::StopSignal;
use tokio::sync::watch;
use tracing::{error, warn};
use uuid::Uuid;

use crate::clock::Clock;
use crate::horizon::Horizon;
use crate::options::RuntimeOptions;
use crate::projection::{DocumentRef, ParkPolicy, Projection, Undigestible};

/// How long a subscription waits for a commit before it looks by itself: other nodes' commits ring
/// no bell here.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A projection and its place in the journal.
pub struct Subscription {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    commits: watch::Receiver<u64>,
    projection: Arc<dyn Projection>,
    horizon: Arc<Horizon>,
    page: usize,
    bytes_max: usize,
    retry_max: Duration,
    linger: Duration,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("name", &self.projection.name())
            .finish_non_exhaustive()
    }
}

impl Subscription {
    /// A subscription that is woken by `commits`.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        commits: watch::Receiver<u64>,
        projection: Arc<dyn Projection>,
        options: &RuntimeOptions,
    ) -> Self {
        Self {
            store,
            clock,
            commits,
            projection,
            horizon: Arc::default(),
            page: options.read_page,
            bytes_max: options.catch_up_bytes_max,
            retry_max: options.store_retry_max,
            linger: options.projection_linger,
        }
    }

    /// Says on a horizon how far the read model is, and hurries where somebody waits there.
    #[must_use]
    pub fn seen_from(self, horizon: Arc<Horizon>) -> Self {
        Self { horizon, ..self }
    }

    /// Follows the journal until `stopping` says so.
    pub async fn run(mut self, stopping: StopSignal) {
        while !stopping.is_raised() {
            self.commits.mark_unchanged();
            let wait = match self.step().await {
                Ok(true) => continue,
                Ok(false) => LOOK_EVERY,
                Err(error) => {
                    warn!(subscription = self.projection.name(), %error, "subscription waits");
                    self.retry_max
                }
            };
            tokio::select! {
                biased;
                () = stopping.raised() => return,
                () = self.horizon.wanted() => continue,
                _ = self.commits.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
            // More commits follow soon: one step for all of them, unless somebody waits for this.
            tokio::select! {
                biased;
                () = stopping.raised() => return,
                () = self.horizon.wanted() => {}
                () = tokio::time::sleep(self.linger) => {}
            }
        }
    }

    /// Digests one page; false where there was nothing new.
    ///
    /// # Errors
    /// The store's; nothing was written.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        let name = self.projection.name();
        let from = self.store.offset(name).await?;
        self.horizon.move_to(from);
        let read = JournalRead {
            scope: None,
            after: from,
            after_sequence: Sequence(0),
            events_max: self.page,
            bytes_max: u64::try_from(self.bytes_max).unwrap_or(u64::MAX),
            span: u64::MAX,
        };
        let piece = self.store.follow(&read).await?;
        if piece.place == from {
            return Ok(false);
        }
        let step = self.digest(from, piece.place, &piece.events).await?;
        // Where another reader of the same name was faster, its step stands and ours is dropped.
        if self.store.advance(name, &step).await? {
            self.horizon.move_to(step.to);
        }
        Ok(true)
    }

    async fn digest(
        &self,
        from: Position,
        to: Position,
        events: &[FollowedEvent],
    ) -> Result<Progress, StoreError> {
        let mut held = self.held_streams(events).await?;
        let mut documents: BTreeMap<DocumentRef, Option<String>> = BTreeMap::new();
        let mut parked = Vec::new();
        for event in events {
            let (position, stream) = place_of(event);
            let digested = match event {
                _ if held.contains(&stream) => {
                    Err(Undigestible("held behind an earlier event of its entity".to_owned()))
                }
                Ok(event) => self.fold(&mut documents, event).await?,
                Err(unreadable) => Err(Undigestible(unreadable.problem.to_string())),
            };
            if let Err(Undigestible(reason)) = digested {
                let subscription = self.projection.name();
                error!(subscription, position = position.0, reason, "event parked");
                if self.projection.park_policy() == ParkPolicy::Hold {
                    held.insert(stream);
                }
                let parked_at = self.clock.now();
                parked.push(ParkedEvent { position, stream, reason: reason.into(), parked_at });
            }
        }
        let changes = documents
            .into_iter()
            .map(|(document, body)| DocumentChange {
                model: self.projection.model().into(),
                tenant: document.tenant,
                id: document.id,
                body: body.map(Into::into),
            })
            .collect();
        Ok(Progress { from, to, changes, parked, released: Vec::new() })
    }

    async fn held_streams(
        &self,
        events: &[FollowedEvent],
    ) -> Result<BTreeSet<StreamId>, StoreError> {
        if self.projection.park_policy() == ParkPolicy::GoOn {
            return Ok(BTreeSet::new());
        }
        let name = self.projection.name();
        if self.store.parked(name, Position(0), 1).await?.is_empty() {
            return Ok(BTreeSet::new());
        }
        let streams: BTreeSet<StreamId> = events.iter().map(|event| place_of(event).1).collect();
        let streams: Vec<StreamId> = streams.into_iter().collect();
        Ok(self.store.parked_streams(name, &streams).await?.into_iter().collect())
    }

    /// Folds an event into its document; the outer error is the store's, the inner one parks.
    async fn fold(
        &self,
        documents: &mut BTreeMap<DocumentRef, Option<String>>,
        event: &StoredEvent,
    ) -> Result<Result<(), Undigestible>, StoreError> {
        let is_deletion = &*event.record.body.event_type == TOMBSTONE;
        let touched = unpanicked(|| match is_deletion {
            true => self.projection.document_of_deleted(event),
            false => self.projection.document(event),
        });
        let document = match touched {
            Ok(Some(document)) => document,
            Ok(None) => return Ok(Ok(())),
            Err(reason) => return Ok(Err(reason)),
        };
        let before = match documents.get(&document) {
            Some(body) => body.clone(),
            None => {
                let model = self.projection.model();
                self.store.document(model, &document.tenant, &document.id).await?
            }
        };
        let folded = unpanicked(|| match is_deletion {
            true => self.projection.fold_deletion(before.as_deref(), event),
            false => self.projection.fold(before.as_deref(), event),
        });
        match folded {
            Ok(after) => {
                documents.insert(document, after);
                Ok(Ok(()))
            }
            Err(reason) => Ok(Err(reason)),
        }
    }
}

/// Where an event stands, and in which stream: in none, where that doesn't read either.
fn place_of(event: &FollowedEvent) -> (Position, StreamId) {
    match event {
        Ok(event) => (event.position, event.key.stream()),
        Err(event) => (event.position, event.stream.unwrap_or(StreamId(Uuid::nil()))),
    }
}

/// A panic in a projection parks the event like any other refusal to digest it.
fn unpanicked<T>(work: impl FnOnce() -> Result<T, Undigestible>) -> Result<T, Undigestible> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Undigestible("the projection panicked".to_owned())))
}
