//! A commit's life beyond its writer's: the store may work on it still when the writer falls.
//!
//! **Invariants:** one commit at a time is under way; one whose writer is gone is known as an orphan
//! before any entity that fell with the writer can read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// Where commits are under way. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Airspace(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Held by the commit that is under way.
    place: Arc<tokio::sync::Mutex<()>>,
    under_way: Mutex<bool>,
    orphaned: AtomicBool,
}

impl Airspace {
    /// A commit begins, once the one before it has ended.
    pub(crate) async fn depart(&self) -> Flight {
        let place = Arc::clone(&self.0.place).lock_owned().await;
        *self.0.under_way.lock() = true;
        Flight { airspace: self.clone(), _place: place }
    }

    /// What the writer holds while it waits for its commit: dropped before that has ended, it leaves
    /// an orphan. It must go before the commit's tickets do.
    pub(crate) const fn parent(&self) -> Parent<'_> {
        Parent(self)
    }

    /// Waits for a commit whose writer is gone.
    pub(crate) async fn landed(&self) {
        if self.0.orphaned.load(Ordering::Acquire) {
            self.vacant().await;
        }
    }

    /// Waits for any commit.
    pub(crate) async fn vacant(&self) {
        drop(self.0.place.lock().await);
    }
}

/// A commit that is under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Flight {
    airspace: Airspace,
    _place: OwnedMutexGuard<()>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let shared = &self.airspace.0;
        let mut under_way = shared.under_way.lock();
        *under_way = false;
        shared.orphaned.store(false, Ordering::Release);
    }
}

/// The writer that waits.
#[derive(Debug)]
pub(crate) struct Parent<'a>(&'a Airspace);

impl Drop for Parent<'_> {
    fn drop(&mut self) {
        let shared = &self.0.0;
        let under_way = shared.under_way.lock();
        shared.orphaned.store(*under_way, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_commit_whose_writer_is_gone_is_waited_for_and_no_other() {
        let airspace = Airspace::default();
        let landed = || airspace.landed().now_or_never().is_some();
        let flight = airspace.depart().now_or_never().unwrap();
        let parent = airspace.parent();
        assert!(landed(), "its writer sees to it");
        assert!(airspace.depart().now_or_never().is_none(), "one at a time");
        drop(parent);
        assert!(!landed(), "nobody sees to it");
        drop(flight);
        assert!(landed());
        let flight = airspace.depart().now_or_never().unwrap();
        let parent = airspace.parent();
        drop(flight);
        drop(parent);
        assert!(landed(), "it ended before its writer");
    }
}
