//! What the stub holds: counters, their events and the answers to keys.

use std::collections::{BTreeMap, HashMap};

use super::Faults;

/// One event as the journal shows it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) position: u64,
    pub(crate) id: String,
    pub(crate) sequence: u64,
    pub(crate) correlation: String,
    pub(crate) n: i64,
}

/// One counter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter {
    pub(crate) events: Vec<Event>,
    pub(crate) sequence: u64,
    pub(crate) value: i64,
    pub(crate) value_before: i64,
}

/// What a command came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Added {
    pub(crate) sequence: u64,
    pub(crate) value: i64,
    pub(crate) repeated: bool,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) faults: Faults,
    pub(crate) counters: BTreeMap<String, Counter>,
    answers: HashMap<(String, String), Added>,
    pub(crate) commands: u64,
    pub(crate) reads: u64,
    position: u64,
}

impl World {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            faults,
            counters: BTreeMap::new(),
            answers: HashMap::new(),
            commands: 0,
            reads: 0,
            position: 0,
        }
    }

    /// Whether it is the turn of a fault that comes with every nth command.
    pub(crate) fn strikes(&self, every: u64) -> bool {
        every > 0 && self.commands.is_multiple_of(every)
    }

    pub(crate) fn misreads(&self, every: u64) -> bool {
        every > 0 && self.reads.is_multiple_of(every)
    }

    /// Does a command, and whatever is wrong with how it does it.
    pub(crate) fn add(&mut self, id: &str, key: Option<&str>, correlation: &str, n: i64) -> Added {
        let forgets = self.strikes(self.faults.forget_key_every);
        let known = key.filter(|_| !forgets).map(|key| (id.to_owned(), key.to_owned()));
        if let Some(added) = known.as_ref().and_then(|known| self.answers.get(known)) {
            return Added { repeated: true, ..*added };
        }
        let added = if self.strikes(self.faults.lose_every) {
            let counter = self.counters.entry(id.to_owned()).or_default();
            Added {
                sequence: counter.sequence + 1,
                value: counter.value.wrapping_add(n),
                repeated: false,
            }
        } else {
            if self.strikes(self.faults.skip_every) {
                self.counters.entry(id.to_owned()).or_default().sequence += 1;
            }
            let added = self.record(id, correlation, n);
            if self.strikes(self.faults.duplicate_every) {
                self.record(id, correlation, n);
            }
            if self.strikes(self.faults.invent_every) {
                self.record(id, "0193499f-5a10-7a33-9b7e-2a1f8e5c6d41", 1);
            }
            if self.strikes(self.faults.reorder_every) {
                self.counters.entry(id.to_owned()).or_default().swap_last();
            }
            added
        };
        if let Some(known) = known {
            self.answers.insert(known, added);
        }
        added
    }

    fn record(&mut self, id: &str, correlation: &str, n: i64) -> Added {
        self.position += 1;
        let counter = self.counters.entry(id.to_owned()).or_default();
        counter.sequence += 1;
        counter.value_before = counter.value;
        counter.value = counter.value.wrapping_add(n);
        counter.events.push(Event {
            position: self.position,
            id: id.to_owned(),
            sequence: counter.sequence,
            correlation: correlation.to_owned(),
            n,
        });
        Added { sequence: counter.sequence, value: counter.value, repeated: false }
    }
}

impl Counter {
    /// The two latest events change places, but for position and sequence.
    fn swap_last(&mut self) {
        let Some(last) = self.events.len().checked_sub(1) else { return };
        let Some(before) = last.checked_sub(1) else { return };
        self.events.swap(before, last);
        let (first, second) = (self.events[before].clone(), self.events[last].clone());
        self.events[before].sequence = second.sequence;
        self.events[before].position = second.position;
        self.events[last].sequence = first.sequence;
        self.events[last].position = first.position;
    }
}
