//! Checks what clients saw of counters against the journal.
//!
//! | Check | What must hold |
//! |---|---|
//! | [`Checker::check_streams`] | positions and sequences without gaps, chains valid |
//! | [`Checker::check_acknowledged`] | every acknowledged add is in the journal exactly once, as it was asked and answered; nothing else is but what may be |
//! | [`Checker::check_told`] | every add that an entity sent and knows to have arrived is in the journal |
//! | [`Checker::check_served`] | the fold of the journal is what is served |
//! | [`Checker::check_sums`] | each value is the sum of the distinct acknowledged adds and of those with unknown outcome that are in the journal |
//! | [`Checker::check_linearizable`] | the journal's order of each counter respects real time, and every answer is the value at its sequence |
//!
//! A command is all tries with one idempotency key. It is *acknowledged* where any try was
//! answered; it may have happened where any try is unknown; else it must not have happened.
//! `NotApplied` and `Rejected` speak of their own try only.
//!
//! Adds that entities told each other are in nobody's history: [`Checker::told`] says which are to be
//! there, and they are checked beside the clients'.
//!
//! **Deliberately absent:** search. The journal is a total order per counter, so linearizability
//! needs one sweep over the operations, O(n log n).

mod commands;
mod linear;
#[cfg(test)]
mod tests;
mod told;
mod violation;

use std::collections::BTreeMap;
use std::fmt;

use coppice_core::invariants::check_link;
use coppice_core::{CommandId, Position, Sequence, StoredEvent, StreamHead, StreamId, TenantId};
use coppice_persistence::{Journal, StoreError};
use serde::Deserialize;

use self::commands::{Command, Fate};
pub use self::told::Told;
pub use self::violation::Violation;
use crate::history::{Attempt, Op};

/// The entity kind that is checked.
const KIND: &str = "counter";
/// Its only event.
const ADDED: &str = "counter.added.v1";
/// How many events are read at once.
const PAGE: usize = 1_000;

/// The whole journal, page by page.
///
/// # Errors
/// The store's.
pub async fn read_whole_journal(journal: &dyn Journal) -> Result<Vec<StoredEvent>, StoreError> {
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let after = events.last().map_or(Position(0), |event| event.position);
        let page = journal.read_journal(after, PAGE).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

/// A history and the journal that must bear it out.
#[derive(Debug)]
pub struct Checker {
    attempts: Vec<Attempt>,
    journal: Vec<StoredEvent>,
    /// By counter, then by command.
    commands: BTreeMap<String, BTreeMap<CommandId, Command>>,
    /// By counter, in order of the journal.
    entries: BTreeMap<String, Vec<Entry>>,
    /// By counter, then by command: adds that entities sent.
    told: BTreeMap<String, BTreeMap<CommandId, Told>>,
}

/// One add in the journal.
#[derive(Debug, Clone, Copy)]
struct Entry {
    sequence: Sequence,
    causation: CommandId,
    n: i64,
    /// The fold up to here. Wider than a counter, so that it can't overflow by itself.
    value: i128,
}

#[derive(Deserialize)]
struct Added {
    n: i64,
}

/// What was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Adds that were acknowledged, each once.
    pub acknowledged: usize,
    /// Adds whose outcome stayed unknown and that are in the journal.
    pub unknown_applied: usize,
    /// Adds whose outcome stayed unknown and that never happened.
    pub unknown_absent: usize,
    /// Adds that were refused or not applied.
    pub not_applied: usize,
    /// Tries, reads included.
    pub attempts: usize,
    /// Events in the journal.
    pub events: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, unknown_applied, unknown_absent, not_applied, attempts, events } =
            self;
        write!(
            f,
            "{acknowledged} adds acknowledged, {unknown_applied} unknown and applied, \
             {unknown_absent} unknown and absent, {not_applied} not applied; {attempts} tries, \
             {events} events"
        )
    }
}

impl Checker {
    /// Sorts a history and a journal by counter and command. `route` gives the route that the
    /// server hashes into a command's id, from the counter's id.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] for an event that isn't a counter's, and
    /// [`Violation::KeyUsedTwice`] for a history that uses one key for different adds.
    pub fn new(
        tenant: &TenantId,
        route: impl Fn(&str) -> String,
        attempts: Vec<Attempt>,
        journal: Vec<StoredEvent>,
    ) -> Result<Self, Violation> {
        let commands = commands::by_counter(tenant, route, &attempts)?;
        let mut entries: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for event in &journal {
            if event.key.tenant() == tenant && event.key.kind().as_str() == KIND {
                let of_counter = entries.entry(event.key.id().as_str().to_owned()).or_default();
                let before = of_counter.last().map_or(0, |entry| entry.value);
                of_counter.push(entry(event, before)?);
            }
        }
        Ok(Self { attempts, journal, commands, entries, told: BTreeMap::new() })
    }

    /// All checks, against the values that are served at the end.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check(&self, served: &BTreeMap<String, i64>) -> Result<Summary, Violation> {
        self.check_streams()?;
        self.check_acknowledged()?;
        self.check_told()?;
        self.check_served(served)?;
        self.check_sums(served)?;
        self.check_linearizable()?;
        Ok(self.summary())
    }

    /// Positions are dense from 1, and each stream's events continue each other.
    ///
    /// # Errors
    /// [`Violation::Position`] or [`Violation::Chain`].
    pub fn check_streams(&self) -> Result<(), Violation> {
        let mut heads: BTreeMap<StreamId, StreamHead> = BTreeMap::new();
        let mut expected = Position(1);
        for event in &self.journal {
            if event.position != expected {
                return Err(Violation::Position { expected, found: event.position });
            }
            expected = expected.next();
            let genesis = || StreamHead::genesis(&event.key);
            let head = heads.entry(event.key.stream()).or_insert_with(genesis);
            *head = check_link(*head, &event.record)
                .map_err(|fault| Violation::Chain { stream: event.key.to_string(), fault })?;
        }
        Ok(())
    }

    /// Every acknowledged add is in the journal once, as asked and as answered; one that may have
    /// happened is there at most once; what was never applied and what nobody asked for is not.
    ///
    /// # Errors
    /// [`Violation::Doubled`], [`Violation::NobodyAsked`], [`Violation::Altered`],
    /// [`Violation::AppliedAfterAll`], [`Violation::Lost`], [`Violation::Misplaced`],
    /// [`Violation::Contradicted`] or [`Violation::RefusedAfterAccepted`].
    pub fn check_acknowledged(&self) -> Result<(), Violation> {
        for (counter, entries) in &self.entries {
            self.check_entries(counter, entries)?;
        }
        for (counter, commands) in &self.commands {
            let places = self.places(counter);
            for (id, command) in commands {
                commands::check_answers(counter, command)?;
                let entry = places.get(id);
                if let Some((op, sequence, _)) = command.acknowledged() {
                    let Some(entry) = entry else {
                        return Err(Violation::Lost { counter: counter.clone(), op, sequence });
                    };
                    if entry.sequence != sequence {
                        return Err(Violation::Misplaced {
                            counter: counter.clone(),
                            op,
                            answered: sequence,
                            found: entry.sequence,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn check_entries(&self, counter_id: &str, entries: &[Entry]) -> Result<(), Violation> {
        let commands = self.commands.get(counter_id);
        let mut seen: BTreeMap<CommandId, Sequence> = BTreeMap::new();
        for entry in entries {
            let counter = || counter_id.to_owned();
            if let Some(first) = seen.insert(entry.causation, entry.sequence) {
                return Err(Violation::Doubled {
                    counter: counter(),
                    command: entry.causation,
                    first,
                    second: entry.sequence,
                });
            }
            if let Some(told) = self.told_to(counter_id, entry.causation) {
                told::check_entry(counter_id, told, entry)?;
                continue;
            }
            let Some(command) = commands.and_then(|commands| commands.get(&entry.causation)) else {
                return Err(Violation::NobodyAsked {
                    counter: counter(),
                    sequence: entry.sequence,
                    command: entry.causation,
                });
            };
            if command.n != entry.n {
                return Err(Violation::Altered {
                    counter: counter(),
                    op: command.first(),
                    asked: command.n,
                    found: entry.n,
                });
            }
            if command.fate() == Fate::NotApplied {
                return Err(Violation::AppliedAfterAll {
                    counter: counter(),
                    op: command.first(),
                    sequence: entry.sequence,
                });
            }
        }
        Ok(())
    }

    /// The fold of the journal is what is served, for every counter of either.
    ///
    /// # Errors
    /// [`Violation::NotServed`] or [`Violation::Served`].
    pub fn check_served(&self, served: &BTreeMap<String, i64>) -> Result<(), Violation> {
        if let Some(counter) = self.entries.keys().find(|counter| !served.contains_key(*counter)) {
            return Err(Violation::NotServed { counter: counter.clone() });
        }
        for (counter, value) in served {
            let entries = self.entries.get(counter);
            let folded = entries.and_then(|entries| entries.last()).map_or(0, |last| last.value);
            if folded != i128::from(*value) {
                let counter = counter.clone();
                return Err(Violation::Served { counter, folded, served: *value });
            }
        }
        Ok(())
    }

    /// Each value is the sum of the distinct acknowledged adds, and of those with unknown outcome
    /// that are in the journal.
    ///
    /// # Errors
    /// [`Violation::Sum`].
    pub fn check_sums(&self, served: &BTreeMap<String, i64>) -> Result<(), Violation> {
        for (counter, value) in served {
            let places = self.places(counter);
            let commands = self.commands.get(counter);
            let expected: i128 = commands
                .into_iter()
                .flatten()
                .filter(|(id, command)| match command.fate() {
                    Fate::Acknowledged => true,
                    Fate::Unknown => places.contains_key(id),
                    Fate::NotApplied => false,
                })
                .map(|(_, command)| i128::from(command.n))
                .chain(self.told_in(counter, &places))
                .sum();
            if expected != i128::from(*value) {
                let counter = counter.clone();
                return Err(Violation::Sum { counter, expected, served: *value });
            }
        }
        Ok(())
    }

    /// What the history and the journal hold.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            attempts: self.attempts.len(),
            events: self.journal.len(),
            ..Summary::default()
        };
        for (counter, commands) in &self.commands {
            let places = self.places(counter);
            for (id, command) in commands {
                match command.fate() {
                    Fate::Acknowledged => summary.acknowledged += 1,
                    Fate::Unknown if places.contains_key(id) => summary.unknown_applied += 1,
                    Fate::Unknown => summary.unknown_absent += 1,
                    Fate::NotApplied => summary.not_applied += 1,
                }
            }
        }
        summary
    }

    fn places(&self, counter: &str) -> BTreeMap<CommandId, Entry> {
        let entries = self.entries.get(counter).into_iter().flatten();
        entries.map(|entry| (entry.causation, *entry)).collect()
    }

    fn reads(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.op == Op::Read)
    }
}

fn entry(event: &StoredEvent, before: i128) -> Result<Entry, Violation> {
    let unreadable = |problem: String| Violation::Unreadable {
        stream: event.key.to_string(),
        sequence: event.record.sequence,
        problem,
    };
    let body = &event.record.body;
    if &*body.event_type != ADDED {
        return Err(unreadable(format!("its type is {}", body.event_type)));
    }
    let added: Added =
        serde_json::from_str(&body.payload).map_err(|error| unreadable(error.to_string()))?;
    Ok(Entry {
        sequence: event.record.sequence,
        causation: body.causation,
        n: added.n,
        value: before + i128::from(added.n),
    })
}
