//! One step of an intent or transfer at a time.
//!
//! Two at once would be right as well, for the entities decide: but the one that comes second would
//! break its group, and every account in it would read its state anew.

use std::collections::HashMap;
use std::sync::Arc;

use coppice_core::TenantId;
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

type Lock = Arc<tokio::sync::Mutex<()>>;
type Key = (TenantId, Box<str>);

/// Who has a turn, and who waits for one. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<Key, Lock>>>);

/// A turn; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    // Dropped first: the seat looks whether anybody else is there.
    _guard: OwnedMutexGuard<()>,
    _seat: Seat,
}

/// Somebody who has a turn or waits for it: the last one leaves nothing behind.
#[derive(Debug)]
struct Seat {
    turns: Turns,
    key: Key,
    lock: Option<Lock>,
}

impl Turns {
    /// Waits for the turn of an id.
    pub(crate) async fn take(&self, tenant: &TenantId, id: &str) -> Turn {
        let seat = self.sit((tenant.clone(), id.into()));
        let lock = seat.lock.clone().unwrap_or_default();
        let guard = lock.lock_owned().await;
        Turn { _guard: guard, _seat: seat }
    }

    fn sit(&self, key: Key) -> Seat {
        let mut held = self.0.lock();
        let lock = Arc::clone(held.entry(key.clone()).or_default());
        Seat { turns: self.clone(), key, lock: Some(lock) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.turns.0.lock();
        drop(self.lock.take());
        if held.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            held.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_one_after_the_other_and_leave_nothing_behind() {
        let (turns, tenant) = (Turns::default(), TenantId::new("t").unwrap());
        let first = turns.take(&tenant, "a").await;
        let other = turns.take(&tenant, "b").await;
        let mut second = Box::pin(turns.take(&tenant, "a"));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        let second = second.await;
        // One that gives up waiting is gone as well.
        let mut third = Box::pin(turns.take(&tenant, "a"));
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(third);
        drop((second, other));
        assert!(turns.0.lock().is_empty());
    }
}
