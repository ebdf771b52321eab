//! What a run asked of money and workflows, by the number of the operation.

use std::collections::BTreeMap;

use super::is_of_counter;
use crate::record::{Entry, Operation, Outcome};

/// What the sender knows in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// No try can have done it.
    NotApplied,
    /// A try may have.
    Unknown,
    /// A try was acknowledged.
    Acknowledged,
}

/// One operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) operation: Operation,
    pub(super) amount: i64,
    pub(super) fate: Fate,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Asked {
    by_op: BTreeMap<u64, Wanted>,
}

impl Asked {
    /// Takes the entries that aren't of counters out of a key's. Gives the rest, if any.
    pub(super) fn take(&mut self, mut entries: Vec<Entry>) -> Option<Vec<Entry>> {
        for entry in entries.extract_if(.., |entry| !is_of_counter(entry.operation)) {
            let fate = match entry.outcome {
                Outcome::Acknowledged => Fate::Acknowledged,
                outcome if outcome.may_have_happened() => Fate::Unknown,
                _ => Fate::NotApplied,
            };
            let Entry { op, operation, amount, .. } = entry;
            let wanted = self.by_op.entry(op).or_insert(Wanted { operation, amount, fate });
            wanted.fate = wanted.fate.max(fate);
        }
        (!entries.is_empty()).then_some(entries)
    }

    /// What an operation wanted.
    pub(super) fn get(&self, op: u64) -> Option<&Wanted> {
        self.by_op.get(&op)
    }

    /// Those of one kind, in order of their numbers.
    pub(super) fn of(&self, operation: Operation) -> impl Iterator<Item = (u64, &Wanted)> {
        let of_kind = move |(_, wanted): &(&u64, &Wanted)| wanted.operation == operation;
        self.by_op.iter().filter(of_kind).map(|(op, wanted)| (*op, wanted))
    }

    /// Whether anything of these kinds was asked.
    pub(super) fn any(&self, operations: &[Operation]) -> bool {
        self.by_op.values().any(|wanted| operations.contains(&wanted.operation))
    }
}
