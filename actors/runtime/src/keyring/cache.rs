//! Keys in memory: bounded, and of one ownership.

use std::collections::HashMap;
use std::sync::Arc;

use coppice_core::{Epoch, SubjectId, TenantId};

use super::cipher::SubjectKey;
use crate::personal::Place;

/// What is known of a subject's key.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Live(Arc<SubjectKey>),
    Erased,
    /// There is none and never was one.
    Absent,
    /// It is wrapped under a key that isn't given, or doesn't unwrap.
    Locked,
}

type Entries = HashMap<(TenantId, SubjectId), Entry>;

/// Two generations: what is used moves to the young one, and once that holds half of what may be
/// held, the old one goes.
#[derive(Debug)]
pub(super) struct Cache {
    young: Entries,
    old: Entries,
    generation_max: usize,
    /// The ownership that all of it is good for.
    epoch: Option<Epoch>,
    /// Erasures so far: what was read before one may be out of date.
    erasures: u64,
}

impl Cache {
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            young: Entries::new(),
            old: Entries::new(),
            generation_max: (keys_max / 2).max(1),
            epoch: None,
            erasures: 0,
        }
    }

    pub(super) const fn erasures(&self) -> u64 {
        self.erasures
    }

    pub(super) fn get(&mut self, at: &Place, subject: &SubjectId) -> Option<Entry> {
        self.enter(at.epoch);
        let place = (at.tenant.clone(), subject.clone());
        if let Some(entry) = self.young.get(&place) {
            return Some(entry.clone());
        }
        let entry = self.old.remove(&place)?;
        self.keep(place, entry.clone());
        Some(entry)
    }

    /// Takes in what was read while there had been so many erasures; if there were more since, it is
    /// to be read again.
    pub(super) fn insert(&mut self, at: &Place, subject: SubjectId, entry: Entry, erasures: u64) {
        self.enter(at.epoch);
        if self.erasures == erasures {
            self.keep((at.tenant.clone(), subject), entry);
        }
    }

    /// A subject's key is destroyed, or may be.
    pub(super) fn erased(&mut self, at: &Place, subject: &SubjectId, certainly: bool) {
        self.enter(at.epoch);
        self.erasures += 1;
        let place = (at.tenant.clone(), subject.clone());
        self.young.remove(&place);
        self.old.remove(&place);
        if certainly {
            self.keep(place, Entry::Erased);
        }
    }

    fn enter(&mut self, epoch: Option<Epoch>) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.young.clear();
            self.old.clear();
        }
    }

    fn keep(&mut self, place: (TenantId, SubjectId), entry: Entry) {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(place, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64) -> Place {
        Place { tenant: TenantId::new("t").unwrap(), epoch: Some(Epoch(epoch)) }
    }

    fn subject(number: usize) -> SubjectId {
        SubjectId::new(&format!("s{number}")).unwrap()
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::new(8);
        for number in 0..100 {
            cache.insert(&at(1), subject(number), Entry::Absent, 0);
            assert!(cache.get(&at(1), &subject(0)).is_some(), "what is used stays, at {number}");
            assert!(cache.young.len() + cache.old.len() <= 8);
        }
        assert!(cache.get(&at(1), &subject(50)).is_none());
    }

    #[test]
    fn another_ownership_begins_with_nothing() {
        let mut cache = Cache::new(8);
        cache.insert(&at(1), subject(1), Entry::Absent, 0);
        assert!(cache.get(&at(2), &subject(1)).is_none());
        assert!(cache.get(&at(1), &subject(1)).is_none());
    }

    #[test]
    fn what_was_read_before_an_erasure_is_not_taken_in_after_it() {
        let mut cache = Cache::new(8);
        let before = cache.erasures();
        cache.erased(&at(1), &subject(1), true);
        cache.insert(&at(1), subject(1), Entry::Absent, before);
        assert!(matches!(cache.get(&at(1), &subject(1)), Some(Entry::Erased)));
        cache.erased(&at(1), &subject(1), false);
        assert!(cache.get(&at(1), &subject(1)).is_none(), "the store has to say what became of it");
    }
}
