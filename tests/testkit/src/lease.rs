//! A lease that a test takes away.

use std::collections::BTreeMap;
use std::sync::Arc;

use coppice_core::{Epoch, ShardId};
use coppice_runtime::Lease;
use parking_lot::Mutex;

/// Ownership of shards as a test wants it. Clones are the same lease.
///
/// Two ways to lose a shard are told apart. *Revoked*: the holder sees at once that it owns the
/// shard no longer. *Frozen*: what the holder sees stays as it is, whatever becomes of the lease,
/// until [`TestLease::thaw`]: a node that can't know yet, which only the store's fence stops.
#[derive(Debug, Clone)]
pub struct TestLease {
    state: Arc<Mutex<State>>,
    count: u16,
}

#[derive(Debug)]
struct State {
    epochs: BTreeMap<ShardId, Epoch>,
    frozen: Option<BTreeMap<ShardId, Epoch>>,
    /// After this many more questions every shard is revoked.
    questions_left: Option<u64>,
    asked: u64,
}

impl TestLease {
    /// Of all shards `0..count`, each under the same epoch.
    #[must_use]
    pub fn of_all(count: u16, epoch: Epoch) -> Self {
        Self::new(count, (0..count).map(|shard| (ShardId(shard), epoch)).collect())
    }

    /// Of `count` shards, of which these are owned, such as a store's claim granted them.
    #[must_use]
    pub fn new(count: u16, epochs: BTreeMap<ShardId, Epoch>) -> Self {
        let state = State { epochs, frozen: None, questions_left: None, asked: 0 };
        Self { state: Arc::new(Mutex::new(state)), count }
    }

    /// Takes one shard away.
    pub fn revoke(&self, shard: ShardId) {
        self.state.lock().epochs.remove(&shard);
    }

    /// Takes every shard away.
    pub fn revoke_all(&self) {
        self.state.lock().epochs.clear();
    }

    /// Takes every shard away once the lease has been asked `questions` more times: a lease that
    /// runs out between two checks of one command.
    pub fn revoke_all_after(&self, questions: u64) {
        self.state.lock().questions_left = Some(questions);
    }

    /// Gives a shard, or gives it another epoch.
    pub fn set_epoch(&self, shard: ShardId, epoch: Epoch) {
        self.state.lock().epochs.insert(shard, epoch);
    }

    /// Replaces all that is owned, as a new claim does.
    pub fn grant(&self, epochs: BTreeMap<ShardId, Epoch>) {
        self.state.lock().epochs = epochs;
    }

    /// The holder goes on seeing what it sees now.
    pub fn freeze(&self) {
        let mut state = self.state.lock();
        state.frozen = Some(state.epochs.clone());
    }

    /// The holder sees again what is.
    pub fn thaw(&self) {
        self.state.lock().frozen = None;
    }

    /// How often the holder has asked.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.state.lock().asked
    }
}

impl Lease for TestLease {
    fn shard_count(&self) -> u16 {
        self.count
    }

    fn epoch(&self, shard: ShardId) -> Option<Epoch> {
        let mut state = self.state.lock();
        state.asked += 1;
        match state.questions_left {
            Some(0) => {
                state.epochs.clear();
                state.questions_left = None;
            }
            Some(left) => state.questions_left = Some(left - 1),
            None => {}
        }
        state.frozen.as_ref().unwrap_or(&state.epochs).get(&shard).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: ShardId = ShardId(1);

    #[test]
    fn a_revoked_shard_is_seen_at_once_and_a_frozen_holder_sees_it_later() {
        let lease = TestLease::of_all(2, Epoch(1));
        lease.freeze();
        lease.revoke(SHARD);
        assert_eq!(lease.epoch(SHARD), Some(Epoch(1)));
        lease.thaw();
        assert_eq!(lease.epoch(SHARD), None);
        lease.set_epoch(SHARD, Epoch(3));
        assert_eq!(lease.epoch(SHARD), Some(Epoch(3)));
    }

    #[test]
    fn a_lease_can_run_out_between_two_questions() {
        let lease = TestLease::of_all(2, Epoch(1));
        lease.revoke_all_after(1);
        assert_eq!(lease.epoch(SHARD), Some(Epoch(1)));
        assert_eq!(lease.epoch(SHARD), None);
        assert_eq!(lease.asked(), 2);
    }
}
