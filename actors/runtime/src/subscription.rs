//! Tails the journal for a projection.
//!
//! **Invariants:** documents and offset move in one transaction, so every event takes effect once;
//! events of one entity are folded in their order; an event that can't be digested is parked with
//! its reason and never skipped silently, and its entity goes on by the projection's stated policy
//! while all others go on. So is an event that can't be read.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::{Position, Sequence, StreamId};
use coppice_persistence::{
    DocumentChange, FollowedEvent, JournalRead, ParkedEvent, Progress, Store, StoreError,
};
use coppice_supervisors::StopSignal;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::clock::Clock;
use crate::horizon::Horizon;
use crate::options::RuntimeOptions;
use crate::projection::{AnyProjection, Folded, ParkPolicy, place_of};

/// How long a subscription waits for a commit before it looks by itself: other nodes' commits ring
/// no bell here.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How far a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// There was nothing new.
    Nowhere,
    /// One page, behind which the journal goes on; or none, since another reader was faster.
    APage,
    /// As far as the journal went when the page was read.
    ToTheEnd,
}

/// A projection and its place in the journal.
pub struct Subscription {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    commits: watch::Receiver<u64>,
    projection: AnyProjection,
    horizon: Arc<Horizon>,
    /// Where the step before left off. Not kept over a wait: another reader of the name may have
    /// gone on meanwhile, and what it digested would be digested here in vain.
    at: Option<Position>,
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
        projection: AnyProjection,
        options: &RuntimeOptions,
    ) -> Self {
        Self {
            store,
            clock,
            commits,
            projection,
            horizon: Arc::default(),
            at: None,
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
                Ok(Stepped::APage) => continue,
                Ok(Stepped::ToTheEnd) => None,
                Ok(Stepped::Nowhere) => Some(LOOK_EVERY),
                Err(error) => {
                    warn!(subscription = self.projection.name(), %error, "subscription waits");
                    Some(self.retry_max)
                }
            };
            if let Some(wait) = wait {
                tokio::select! {
                    biased;
                    () = stopping.raised() => return,
                    () = self.horizon.wanted() => continue,
                    _ = self.commits.changed() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
            // More commits follow soon: one step for all of them, unless somebody waits for this.
            self.at = None;
            tokio::select! {
                biased;
                () = stopping.raised() => return,
                () = self.horizon.wanted() => {}
                () = tokio::time::sleep(self.linger) => {}
            }
        }
    }

    /// Digests one page.
    ///
    /// # Errors
    /// The store's; nothing was written.
    pub async fn step(&mut self) -> Result<Stepped, StoreError> {
        let name = self.projection.name();
        // Taken, so that it is read again unless this step says where it stands.
        let from = match self.at.take() {
            Some(at) => at,
            None => self.store.offset(name).await?,
        };
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
            return Ok(Stepped::Nowhere);
        }
        let step = self.digest(from, piece.place, &piece.events).await?;
        // Where another reader of the same name was faster, its step stands and ours is dropped.
        if !self.store.advance(name, &step).await? {
            // Whoever waits is to hear at once how far that other one went.
            return Ok(Stepped::APage);
        }
        self.horizon.move_to(step.to);
        self.at = Some(step.to);
        Ok(if piece.place < piece.end { Stepped::APage } else { Stepped::ToTheEnd })
    }

    async fn digest(
        &self,
        from: Position,
        to: Position,
        events: &[FollowedEvent],
    ) -> Result<Progress, StoreError> {
        let held = self.held_streams(events).await?;
        let (name, model) = (self.projection.name(), self.projection.model());
        let page = self.projection.read(events);
        let bodies = match page.documents() {
            [] => Vec::new(),
            documents => self.store.bodies(model, documents).await?,
        };
        let Folded { changes, parked } = page.fold(bodies, held);
        let parked_at = self.clock.now();
        let parked = parked.into_iter().map(|(position, stream, reason)| {
            error!(subscription = name, position = position.0, %reason, "event parked");
            ParkedEvent { position, stream, reason: reason.0.into(), parked_at }
        });
        let changes = changes.into_iter().map(|(document, body)| DocumentChange {
            model: model.into(),
            tenant: document.tenant,
            id: document.id,
            body: body.map(Into::into),
        });
        let (parked, changes) = (parked.collect(), changes.collect());
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
}
