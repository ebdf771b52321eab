//! Tails the journal for a projection.
//!
//! **Invariants:** documents and offset move in one transaction, so every event takes effect once;
//! events of one entity are folded in their order; an event that can't be digested is parked with
//! its reason and never skipped silently, and its entity goes on by the projection's stated policy
//! while all others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use coppice_core::{Position, StoredEvent, StreamId};
use coppice_persistence::{DocumentChange, ParkedEvent, Progress, Store, StoreError};
use coppice_supervisors::StopSignal;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::clock::Clock;
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
    page: usize,
    retry_max: Duration,
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
        let (page, retry_max) = (options.read_page, options.store_retry_max);
        Self { store, clock, commits, projection, page, retry_max }
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
                _ = self.commits.changed() => {}
                () = tokio::time::sleep(wait) => {}
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
        let events = self.store.read_journal(from, self.page).await?;
        let Some(last) = events.last() else { return Ok(false) };
        let to = last.position;
        let step = self.digest(from, to, &events).await?;
        // Where another reader of the same name was faster, its step stands and ours is dropped.
        self.store.advance(name, &step).await?;
        Ok(true)
    }

    async fn digest(
        &self,
        from: Position,
        to: Position,
        events: &[StoredEvent],
    ) -> Result<Progress, StoreError> {
        let mut held = self.held_streams(events).await?;
        let mut documents: BTreeMap<DocumentRef, Option<String>> = BTreeMap::new();
        let mut parked = Vec::new();
        for event in events {
            let stream = event.key.stream();
            let digested = if held.contains(&stream) {
                Err(Undigestible("held behind an earlier event of its entity".to_owned()))
            } else {
                self.fold(&mut documents, event).await?
            };
            if let Err(Undigestible(reason)) = digested {
                error!(
                    subscription = self.projection.name(),
                    position = event.position.0,
                    reason,
                    "event parked"
                );
                if self.projection.park_policy() == ParkPolicy::Hold {
                    held.insert(stream);
                }
                parked.push(ParkedEvent {
                    position: event.position,
                    stream,
                    reason: reason.into(),
                    parked_at: self.clock.now(),
                });
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

    async fn held_streams(&self, events: &[StoredEvent]) -> Result<BTreeSet<StreamId>, StoreError> {
        if self.projection.park_policy() == ParkPolicy::GoOn {
            return Ok(BTreeSet::new());
        }
        let name = self.projection.name();
        if self.store.parked(name, Position(0), 1).await?.is_empty() {
            return Ok(BTreeSet::new());
        }
        let streams: BTreeSet<StreamId> = events.iter().map(|event| event.key.stream()).collect();
        let streams: Vec<StreamId> = streams.into_iter().collect();
        Ok(self.store.parked_streams(name, &streams).await?.into_iter().collect())
    }

    /// Folds an event into its document; the outer error is the store's, the inner one parks.
    async fn fold(
        &self,
        documents: &mut BTreeMap<DocumentRef, Option<String>>,
        event: &StoredEvent,
    ) -> Result<Result<(), Undigestible>, StoreError> {
        let document = match unpanicked(|| self.projection.document(event)) {
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
        match unpanicked(|| self.projection.fold(before.as_deref(), event)) {
            Ok(after) => {
                documents.insert(document, after);
                Ok(Ok(()))
            }
            Err(reason) => Ok(Err(reason)),
        }
    }
}

/// A panic in a projection parks the event like any other refusal to digest it.
fn unpanicked<T>(work: impl FnOnce() -> Result<T, Undigestible>) -> Result<T, Undigestible> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Undigestible("the projection panicked".to_owned())))
}
