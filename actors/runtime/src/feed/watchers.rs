//! Followers of one stream each, woken by its events alone.
//!
//! Thousands may wait for the end of a workflow each; woken at every commit they would cost more than
//! the commits.
//!
//! **Invariant:** the tail marks a page's events here after they are in the ring and before the tip
//! says so. So whoever is registered, stands level with the tip and finds no mark has missed nothing
//! up to the tip.

use std::collections::HashMap;
use std::sync::Arc;

use coppice_core::{Position, StreamId};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// One follower's place to be found at.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    bell: Notify,
    /// The first event of its stream since it last looked.
    first: Mutex<Option<Position>>,
}

impl Watcher {
    fn ring(&self, at: Position) {
        self.first.lock().get_or_insert(at);
        self.bell.notify_one();
    }

    /// Returns once there may be something; what came since the last look counts.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Where its stream's next event may be, at the earliest; `None` where nothing came.
    pub(super) fn take(&self) -> Option<Position> {
        self.first.lock().take()
    }

    /// Whether nothing came since it last looked.
    pub(super) fn is_quiet(&self) -> bool {
        self.first.lock().is_none()
    }
}

/// Everyone who follows a single stream.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<HashMap<StreamId, Vec<Arc<Watcher>>>>);

impl Watchers {
    pub(super) fn add(&self, stream: StreamId) -> Arc<Watcher> {
        let watcher = Arc::new(Watcher::default());
        self.0.lock().entry(stream).or_default().push(Arc::clone(&watcher));
        watcher
    }

    pub(super) fn remove(&self, stream: StreamId, watcher: &Arc<Watcher>) {
        let mut watchers = self.0.lock();
        let Some(of_stream) = watchers.get_mut(&stream) else { return };
        of_stream.retain(|other| !Arc::ptr_eq(other, watcher));
        if of_stream.is_empty() {
            watchers.remove(&stream);
        }
    }

    /// Says that there is an event of a stream.
    pub(super) fn ring(&self, events: impl Iterator<Item = (StreamId, Position)>) {
        let watchers = self.0.lock();
        if watchers.is_empty() {
            return;
        }
        for (stream, position) in events {
            let of_stream = watchers.get(&stream).into_iter().flatten();
            of_stream.for_each(|watcher| watcher.ring(position));
        }
    }

    /// Wakes everyone to look from where they stand.
    pub(super) fn ring_all(&self) {
        let watchers = self.0.lock();
        watchers.values().flatten().for_each(|watcher| watcher.ring(Position(0)));
    }
}
