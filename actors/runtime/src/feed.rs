//! The journal as it grows, for whoever follows it live.
//!
//! One task tails the journal into a ring of the latest events while anybody follows, so that a
//! commit costs one read however many follow. A follower that is further behind than the ring
//! reaches reads the journal itself until it has caught up, of its own scope only; so nothing is
//! dropped for a slow one, and nobody waits for it. Who follows one stream is woken by its events
//! alone, the others by every commit.
//!
//! **Invariants:** a follower meets every event after its place that is in its scope, once and in
//! order of position; without followers nothing is read; never more than `catch_ups_max` read the
//! journal by themselves at a time, and nobody takes more than `catch_up_bytes_max` at once. An
//! event that can't be read is told to those alone who should have met it.

mod watchers;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use coppice_core::{Position, Sequence, StoredEvent, StreamId};
use coppice_persistence::{JournalRead, Store, StoreError, UnreadableEvent};
use coppice_supervisors::StopSignal;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{Notify, Semaphore, watch};
use tracing::{error, warn};

pub use coppice_persistence::EventScope as Scope;

use self::watchers::{Watcher, Watchers};
use crate::options::RuntimeOptions;

/// Events in the ring: a second of a loaded node, so that whoever reads at all is within it.
const EVENTS_MAX: usize = 8_192;

/// Bytes of payload in the ring; where somebody shows them, there is as much text beside
/// them, and some 600 bytes for each event.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Events read from the journal at once.
const PAGE: usize = 500;

/// Places of the journal that are looked at at once for events of a scope: some ten milliseconds of
/// one of the store's connections.
const SPAN: u64 = 10_000;

/// How long the tail waits for a commit before it looks by itself: other nodes' commits ring no
/// bell here.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long it waits after a read that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An event as its followers get it: one for all that are level with the journal. So is what it
/// looks like as text, which is made once, however many show it.
#[derive(Debug)]
pub struct LiveEvent {
    stored: Arc<StoredEvent>,
    text: OnceLock<Option<Box<str>>>,
}

impl LiveEvent {
    const fn new(stored: Arc<StoredEvent>) -> Self {
        Self { stored, text: OnceLock::new() }
    }

    /// As text, by whoever asks first: all must make the same of it. `None` where `made` can't make
    /// one.
    pub fn text(&self, made: impl FnOnce(&StoredEvent) -> Option<String>) -> Option<&str> {
        let text = self.text.get_or_init(|| made(&self.stored).map(String::into_boxed_str));
        text.as_deref()
    }
}

impl Deref for LiveEvent {
    type Target = StoredEvent;

    fn deref(&self) -> &StoredEvent {
        &self.stored
    }
}

/// One place of the ring.
type Entry = Result<Arc<LiveEvent>, Arc<UnreadableEvent>>;

fn place_of(entry: &Entry) -> Position {
    entry.as_ref().map_or_else(|event| event.position, |event| event.position)
}

fn stream_of(entry: &Entry) -> Option<StreamId> {
    match entry {
        Ok(event) => Some(event.key.stream()),
        Err(event) => event.key.as_ref().map(|key| key.stream()).or(event.stream),
    }
}

fn bytes_of(entry: &Entry) -> usize {
    entry.as_ref().map_or(0, |event| event.record.body.payload.len())
}

/// The latest events. Every event after `from` up to the tip is in it.
#[derive(Default)]
struct Ring {
    events: VecDeque<Entry>,
    bytes: usize,
    /// `None` while nobody follows.
    from: Option<Position>,
}

impl Ring {
    fn push(&mut self, entry: Entry) {
        self.bytes += bytes_of(&entry);
        self.events.push_back(entry);
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= bytes_of(&oldest);
            self.from = Some(place_of(&oldest));
        }
    }

    /// What there is after a place; `None` where the ring doesn't reach back to it.
    fn after(&self, place: Position) -> Option<impl Iterator<Item = &Entry>> {
        (place >= self.from?).then(|| {
            let start = self.events.partition_point(|entry| place_of(entry) <= place);
            self.events.range(start..)
        })
    }
}

struct Shared {
    ring: Mutex<Ring>,
    tip: watch::Sender<Position>,
    watchers: Watchers,
    followers: AtomicUsize,
    wanted: Notify,
    catch_ups: Semaphore,
    bytes_max: usize,
    unreadable: AtomicU64,
}

/// Why a follower can't go on.
#[derive(Debug, Error)]
pub enum FollowError {
    /// The store's word; the same may be asked again.
    #[error("the journal can not be read")]
    Store(#[from] StoreError),
    /// The next event of its scope is there and can't be read. It can go on behind it only.
    #[error("{0}")]
    Unreadable(Arc<UnreadableEvent>),
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
    pub fn new(store: Arc<dyn Store>, options: &RuntimeOptions) -> Self {
        let shared = Shared {
            ring: Mutex::default(),
            tip: watch::Sender::new(Position(0)),
            watchers: Watchers::default(),
            followers: AtomicUsize::new(0),
            wanted: Notify::new(),
            catch_ups: Semaphore::new(options.catch_ups_max),
            bytes_max: options.catch_up_bytes_max,
            unreadable: AtomicU64::new(0),
        };
        Self { store, shared: Arc::new(shared) }
    }

    /// How many follow.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.shared.followers.load(Ordering::Relaxed)
    }

    /// How many events the tail has met that can't be read.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.shared.unreadable.load(Ordering::Relaxed)
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
        let stream = scope.stream().map(|key| key.stream());
        let follower = Follower {
            watch: stream.map(|stream| (stream, self.shared.watchers.add(stream))),
            is_level: false,
            is_settled: false,
            tip: self.shared.tip.subscribe(),
            feed: self.clone(),
            scope,
            sequence: Sequence(0),
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
            // What was committed before it began is in no ring.
            self.shared.watchers.ring_all();
            self.shared.tip.send_replace(end);
            return Ok(true);
        };
        let piece = self.store.follow(&self.read(None, at, Sequence(0))).await?;
        if piece.place == at {
            return Ok(false);
        }
        piece.events.iter().filter_map(|event| event.as_ref().err()).for_each(|event| {
            let (position, problem) = (event.position.0, &*event.problem);
            error!(position, problem, "an event of the journal can't be read");
            self.shared.unreadable.fetch_add(1, Ordering::Relaxed);
        });
        let mut ring = self.shared.ring.lock();
        let streams: Vec<(StreamId, Position)> = piece
            .events
            .into_iter()
            .filter_map(|event| {
                let event = event.map(|event| Arc::new(LiveEvent::new(event)));
                let entry = event.map_err(Arc::new);
                let of = stream_of(&entry).map(|stream| (stream, place_of(&entry)));
                ring.push(entry);
                of
            })
            .collect();
        drop(ring);
        self.shared.watchers.ring(streams.into_iter());
        self.shared.tip.send_replace(piece.place);
        Ok(true)
    }
}

impl Feed {
    fn read(&self, scope: Option<Scope>, after: Position, after_sequence: Sequence) -> JournalRead {
        let bytes_max = u64::try_from(self.shared.bytes_max).unwrap_or(u64::MAX);
        JournalRead { scope, after, after_sequence, events_max: PAGE, bytes_max, span: SPAN }
    }
}

/// One that follows. Dropping it ends that.
pub struct Follower {
    feed: Feed,
    scope: Scope,
    /// Of a stream: its events were handed on up to here.
    sequence: Sequence,
    after: Position,
    /// Where it follows one stream alone.
    watch: Option<(StreamId, Arc<Watcher>)>,
    /// Whether it has once been where the tip was, so that what its watcher tells is all there is.
    is_level: bool,
    /// Whether it looked at everything that its watcher told it of.
    is_settled: bool,
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
        if let Some((stream, watcher)) = &self.watch {
            self.feed.shared.watchers.remove(*stream, watcher);
        }
        self.feed.shared.followers.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Follower {
    /// The place up to which everything was handed on or is out of scope.
    #[must_use]
    pub fn place(&self) -> Position {
        let tip = *self.tip.borrow();
        match &self.watch {
            Some((_, watcher)) if self.is_settled && watcher.is_quiet() => self.after.max(tip),
            _ => self.after,
        }
    }

    /// The next events, at least one; waits for them. Nothing is lost where the wait is given up.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn next(&mut self) -> Result<Vec<Arc<LiveEvent>>, FollowError> {
        loop {
            self.tip.mark_unchanged();
            self.is_settled = false;
            if let Some((_, watcher)) = &self.watch
                && let Some(first) = watcher.take()
                && self.is_level
            {
                self.after = self.after.max(Position(first.0.saturating_sub(1)));
            }
            let (found, caught_up) = match self.take_of_ring() {
                Some(found) => (found?, true),
                None => self.take_of_journal().await?,
            };
            if let Some(last) = found.last() {
                self.sequence = last.record.sequence;
                return Ok(found);
            }
            if caught_up {
                self.is_level = true;
                self.is_settled = true;
                match &self.watch {
                    Some((_, watcher)) => watcher.rung().await,
                    // The feed outlives its followers, which hold it.
                    None => drop(self.tip.changed().await),
                }
            }
        }
    }

    fn take_of_ring(&mut self) -> Option<Result<Vec<Arc<LiveEvent>>, FollowError>> {
        let shared = Arc::clone(&self.feed.shared);
        let ring = shared.ring.lock();
        let mut place = self.after;
        let (mut found, mut bytes) = (Vec::new(), 0);
        for entry in ring.after(self.after)? {
            match entry {
                Ok(event) if self.scope.holds(&event.key) => {
                    bytes += bytes_of(entry);
                    if !found.is_empty() && bytes > shared.bytes_max {
                        break;
                    }
                    found.push(Arc::clone(event));
                }
                Err(event) if self.scope.misses(event) => {
                    if found.is_empty() {
                        return Some(Err(FollowError::Unreadable(Arc::clone(event))));
                    }
                    break;
                }
                Ok(_) | Err(_) => {}
            }
            place = place_of(entry);
        }
        drop(ring);
        self.after = place;
        Some(Ok(found))
    }

    /// A piece of the journal, and whether it was the last.
    async fn take_of_journal(&mut self) -> Result<(Vec<Arc<LiveEvent>>, bool), FollowError> {
        let read = self.feed.read(Some(self.scope.clone()), self.after, self.sequence);
        // The semaphore is never closed.
        let permit = self.feed.shared.catch_ups.acquire().await.ok();
        let piece = self.feed.store.follow(&read).await?;
        drop(permit);
        let mut found = Vec::new();
        for event in piece.events {
            match event {
                Ok(event) => found.push(Arc::new(LiveEvent::new(event))),
                Err(event) if found.is_empty() => {
                    return Err(FollowError::Unreadable(Arc::new(event)));
                }
                Err(event) => {
                    self.after = Position(event.position.0 - 1);
                    return Ok((found, false));
                }
            }
        }
        self.after = piece.place;
        Ok((found, piece.place >= piece.end))
    }
}
