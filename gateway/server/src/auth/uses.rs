//! When keys were last seen.
//!
//! **Invariant:** the path of a known key doesn't come here. A use is noted when a key is looked up,
//! which a key in use is once per TTL of the cache; so a noted time is late by that much at most.

use std::collections::HashMap;

use coppice_core::Timestamp;
use parking_lot::Mutex;
use uuid::Uuid;

/// Keys seen since they were last written down.
#[derive(Debug)]
pub(super) struct Uses {
    seen: Mutex<HashMap<Uuid, Timestamp>>,
    keys_max: usize,
}

impl Uses {
    pub(super) fn new(keys_max: usize) -> Self {
        Self { seen: Mutex::default(), keys_max }
    }

    /// Notes a use. Of more keys than may be kept the last ones are left out.
    pub(super) fn note(&self, id: Uuid, at: Timestamp) {
        let mut seen = self.seen.lock();
        if seen.len() < self.keys_max || seen.contains_key(&id) {
            let latest = seen.entry(id).or_insert(at);
            *latest = at.max(*latest);
        }
    }

    /// What was noted, in order.
    pub(super) fn take(&self) -> Vec<(Uuid, Timestamp)> {
        let mut seen: Vec<_> = std::mem::take(&mut *self.seen.lock()).into_iter().collect();
        seen.sort_unstable();
        seen
    }

    /// Gives back what could not be written down.
    pub(super) fn give_back(&self, seen: Vec<(Uuid, Timestamp)>) {
        for (id, at) in seen {
            self.note(id, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_use_stands_and_the_bound_is_kept() {
        let uses = Uses::new(2);
        let (first, second, third) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let at = Timestamp::from_micros;
        for (id, time) in [(second, 5), (first, 9), (first, 7), (third, 1), (second, 6)] {
            uses.note(id, at(time));
        }
        let seen = uses.take();
        assert_eq!(seen, [(first, at(9)), (second, at(6))]);
        uses.note(first, at(12));
        uses.give_back(seen);
        assert_eq!(uses.take(), [(first, at(12)), (second, at(6))]);
        assert_eq!(uses.take(), []);
    }
}
