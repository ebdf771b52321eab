//! The actors below a child, so that a successor starts only when they are gone too.
//!
//! A dying actor signals kill to its descendants and doesn't wait for them. Whoever is to be
//! replaced is therefore watched from inside: `Tracked` keeps here what the actor has linked, a
//! nested supervisor the children it has. **Invariant:** kills go out in the order of actor ids;
//! ractor's own, from a hash map, then finds everyone signalled. Only whom an outsider kills while
//! idle takes its descendants along in ractor's order.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ractor::{ActorCell, ActorId};
use tokio::sync::{oneshot, watch};

use crate::task;

/// Resolves when a child and all below it have ended.
pub(crate) type Gone = watch::Receiver<()>;

/// What is left of an actor that didn't stop by itself: its state, for whoever drops it.
pub(crate) type Remains = Box<dyn Any + Send>;

#[derive(Debug, Default)]
struct Members {
    remains: Option<oneshot::Receiver<Remains>>,
    linked: BTreeMap<ActorId, ActorCell>,
    supervised: BTreeMap<u64, Gone>,
}

/// What lives below one incarnation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subtree(Arc<Mutex<Members>>);

impl Subtree {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn link(&self, cell: ActorCell) {
        self.members().linked.insert(cell.get_id(), cell);
    }

    pub(crate) fn unlink(&self, id: ActorId) {
        self.members().linked.remove(&id);
    }

    /// The actor's state will come here.
    pub(crate) fn expect(&self, remains: oneshot::Receiver<Remains>) {
        self.members().remains = Some(remains);
    }

    /// A supervisor's child, by its number.
    pub(crate) fn supervise(&self, number: u64, gone: Gone) {
        self.members().supervised.insert(number, gone);
    }

    pub(crate) fn release(&self, number: u64) {
        self.members().supervised.remove(&number);
    }

    /// Kills an actor and all below it.
    pub(crate) fn kill(&self, top: &ActorCell) {
        let below = Self::below(top);
        top.kill();
        self.fell(below);
    }

    /// Kills all below an actor that is about to end by itself.
    pub(crate) fn kill_below(&self, top: &ActorCell) {
        self.fell(Self::below(top));
    }

    fn fell(&self, below: BTreeMap<ActorId, ActorCell>) {
        below.values().for_each(ActorCell::kill);
        self.members().linked.extend(below);
    }

    /// Whom an actor has linked, at any depth.
    fn below(top: &ActorCell) -> BTreeMap<ActorId, ActorCell> {
        let mut below = BTreeMap::new();
        let mut ahead = vec![top.clone()];
        while let Some(cell) = ahead.pop() {
            for child in cell.get_children() {
                if below.insert(child.get_id(), child.clone()).is_none() {
                    ahead.push(child);
                }
            }
        }
        below
    }

    /// Waits until all of them have ended. Only for whoever has seen the top end: nobody joins any
    /// more.
    pub(crate) async fn gone(&self) {
        let Members { remains, linked, supervised } = std::mem::take(&mut *self.members());
        if let Some(remains) = remains
            && let Ok(remains) = remains.await
        {
            // In a task of its own: dropping a caller's state may panic.
            let (done, dropped) = oneshot::channel::<()>();
            task::spawn(async move {
                let _done = done;
                drop(remains);
            });
            drop(dropped.await);
        }
        for cell in linked.values() {
            let owner = cell.try_get_supervisor();
            let is_handed_over = owner.is_some_and(|owner| {
                !linked.contains_key(&owner.get_id())
                    && owner.get_status() < ractor::ActorStatus::Stopping
            });
            if !is_handed_over {
                cell.kill();
                // Without a limit there is none to run out.
                drop(cell.wait(None).await);
            }
        }
        for mut gone in supervised.into_values() {
            // The sender is dropped, never used.
            while gone.changed().await.is_ok() {}
        }
    }
}
