//! The journal as it grows, for whoever follows it live.
//!
//! One task tails the journal into a ring of the latest events while anybody follows, so that a
//! commit costs one read however many follow. A follower that is further behind than the ring
//! reaches reads the journal itself until it has caught up; so nothing is dropped for a slow one,
//! and nobody waits for it.
//!
//! **Invariants:** a follower meets every event after its place that is in its scope, once and in
//! order of position; without followers nothing is read.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coppice_core::{EntityId, EntityKind, Position, StoredEvent, TenantId};
use coppice_persistence::{Store, StoreError};
use coppice_supervisors::StopSignal;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tracing::warn;

/// Events in the ring: a second of a loaded node, so that whoever reads at all is within it.
const EVENTS_MAX: usize = 8_192;

/// Bytes of payload in the ring.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Events read from the journal at once.
const PAGE: usize = 500;

/// How long the tail waits for a commit before it looks by itself: other nodes' commits ring no
/// bell here.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long it waits after a read that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Which events a follower wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Whose.
    pub tenant: TenantId,
    /// Of one kind, or of all.
    pub kind: Option<EntityKind>,
    /// Of one entity, or of all.
    pub id: Option<EntityId>,
}

impl Scope {
    fn holds(&self, event: &StoredEvent) -> bool {
        let key = &event.key;
        *key.tenant() == self.tenant
            && self.kind.as_ref().is_none_or(|kind| kind == key.kind())
            && self.id.as_ref().is_none_or(|id| id == key.id())
    }
}

/// The latest events. Every event after `from` up to the tip is in it.
#[derive(Default)]
struct Ring {
    events: VecDeque<Arc<StoredEvent>>,
    bytes: usize,
    /// `None` while nobody follows.
    from: Option<Position>,
}

impl Ring {
    fn push(&mut self, event: StoredEvent) {
        self.bytes += event.record.body.payload.len();
        self.events.push_back(Arc::new(event));
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.record.body.payload.len();
            self.from = Some(oldest.position);
        }
    }

    /// What there is after a place; `None` where the ring doesn't reach back to it.
    fn after(&self, place: Position) -> Option<impl Iterator<Item = &Arc<StoredEvent>>> {
        (place >= self.from?).then(|| {
            let start = self.events.partition_point(|event| event.position <= place);
            self.events.range(start..)
        })
    }
}

struct Shared {
    ring: Mutex<Ring>,
    tip: watch::Sender<Position>,
    followers: AtomicUsize,
    wanted: Notify,
}

/// Lets others follow the journal. Clones are the same feed.
#[derive(Clone)]
pub struct Feed {
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("followers", &self.followers()).finish_non_exhaustive()
    }
}

impl Feed {
    /// Of a journal that nobody follows yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let shared = Shared {
            ring: Mutex::default(),
            tip: watch::Sender::new(Position(0)),
            followers: AtomicUsize::new(0),
            wanted: Notify::new(),
        };
        Self { store, shared: Arc::new(shared) }
    }

    /// How many follow.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.shared.followers.load(Ordering::Relaxed)
    }

    /// Follows from behind a place; from the journal's end where none is given, or one that lies
    /// beyond it.
    ///
    /// # Errors
    /// The store's.
    pub async fn follow(
        &self,
        scope: Scope,
        after: Option<Position>,
    ) -> Result<Follower, StoreError> {
        let end = self.store.last_position().await?;
        self.shared.followers.fetch_add(1, Ordering::AcqRel);
        let follower = Follower {
            tip: self.shared.tip.subscribe(),
            feed: self.clone(),
            scope,
            after: after.map_or(end, |after| after.min(end)),
        };
        self.shared.wanted.notify_one();
        Ok(follower)
    }

    /// Tails the journal until `stopping` says so.
    pub(crate) async fn run(self, mut commits: watch::Receiver<u64>, stopping: StopSignal) {
        while !stopping.is_raised() {
            if self.followers() == 0 {
                *self.shared.ring.lock() = Ring::default();
                tokio::select! {
                    biased;
                    () = stopping.raised() => return,
                    () = self.shared.wanted.notified() => {}
                }
                continue;
            }
            commits.mark_unchanged();
            let wait = match self.step().await {
                Ok(true) => continue,
                Ok(false) => LOOK_EVERY,
                Err(error) => {
                    warn!(%error, "the journal's tail can't be read");
                    RETRY_AFTER
                }
            };
            tokio::select! {
                biased;
                () = stopping.raised() => return,
                _ = commits.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Takes one page into the ring; false where there was nothing new.
    async fn step(&self) -> Result<bool, StoreError> {
        let at = self.shared.ring.lock().from.map(|_| *self.shared.tip.borrow());
        let Some(at) = at else {
            let end = self.store.last_position().await?;
            self.shared.ring.lock().from = Some(end);
            self.shared.tip.send_replace(end);
            return Ok(true);
        };
        let events = self.store.read_journal(at, PAGE).await?;
        let Some(last) = events.last().map(|event| event.position) else { return Ok(false) };
        let mut ring = self.shared.ring.lock();
        events.into_iter().for_each(|event| ring.push(event));
        drop(ring);
        self.shared.tip.send_replace(last);
        Ok(true)
    }
}

/// One that follows. Dropping it ends that.
pub struct Follower {
    feed: Feed,
    scope: Scope,
    after: Position,
    tip: watch::Receiver<Position>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("scope", &self.scope)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.feed.shared.followers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Follower {
    /// The place up to which everything was handed on or is out of scope.
    #[must_use]
    pub const fn place(&self) -> Position {
        self.after
    }

    /// The next events, at least one; waits for them. Nothing is lost where the wait is given up.
    ///
    /// # Errors
    /// The store's; the same may be asked again.
    pub async fn next(&mut self) -> Result<Vec<Arc<StoredEvent>>, StoreError> {
        loop {
            self.tip.mark_unchanged();
            let (found, caught_up) = match self.take_of_ring() {
                Some(found) => (found, true),
                None => self.take_of_journal().await?,
            };
            if !found.is_empty() {
                return Ok(found);
            }
            if caught_up {
                // The feed outlives its followers, which hold it.
                let _tip = self.tip.changed().await;
            }
        }
    }

    fn take_of_ring(&mut self) -> Option<Vec<Arc<StoredEvent>>> {
        let ring = self.feed.shared.ring.lock();
        let mut last = None;
        let mut found = Vec::new();
        for event in ring.after(self.after)? {
            last = Some(event.position);
            if self.scope.holds(event) {
                found.push(Arc::clone(event));
            }
        }
        drop(ring);
        self.after = last.unwrap_or(self.after);
        Some(found)
    }

    /// A page of the journal, and whether it was the last.
    async fn take_of_journal(&mut self) -> Result<(Vec<Arc<StoredEvent>>, bool), StoreError> {
        let page = self.feed.store.read_journal(self.after, PAGE).await?;
        let Some(last) = page.last().map(|event| event.position) else {
            return Ok((Vec::new(), true));
        };
        let of_scope = page.into_iter().filter(|event| self.scope.holds(event)).map(Arc::new);
        let found = of_scope.collect();
        self.after = last;
        Ok((found, false))
    }
}
