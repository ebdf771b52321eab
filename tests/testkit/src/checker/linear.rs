//! Whether the journal's order of each counter respects real time.
//!
//! An operation that was over before another began must not stand after it, and an add must stand
//! after all that was over before it began. Together with the values this is linearizability: put
//! each add at its sequence and each read right after the sequence that it saw.

use std::collections::BTreeMap;

use coppice_core::Sequence;

use super::violation::Violation;
use super::{Checker, Entry};
use crate::history::{Completion, OpId};

/// An operation with its place in the journal's order.
#[derive(Debug, Clone, Copy)]
struct Placed {
    id: OpId,
    invoked: u64,
    /// `None` for an add that happened and whose client was never told.
    completed: Option<u64>,
    sequence: Sequence,
    is_add: bool,
}

impl Checker {
    /// Real time is respected per counter, and every answer is the fold up to its sequence.
    ///
    /// # Errors
    /// [`Violation::Ahead`], [`Violation::Value`] or [`Violation::Stale`].
    pub fn check_linearizable(&self) -> Result<(), Violation> {
        let mut placed: BTreeMap<&str, Vec<Placed>> = BTreeMap::new();
        self.place_reads(&mut placed)?;
        self.place_adds(&mut placed)?;
        placed.into_iter().try_for_each(|(counter, operations)| sweep(counter, operations))
    }

    fn place_reads<'a>(
        &'a self,
        placed: &mut BTreeMap<&'a str, Vec<Placed>>,
    ) -> Result<(), Violation> {
        for read in self.reads() {
            let Some((at, Completion::Ok { sequence, value })) = read.completed else { continue };
            self.check_value(&read.counter, read.id, sequence, value)?;
            placed.entry(&read.counter).or_default().push(Placed {
                id: read.id,
                invoked: read.invoked,
                completed: Some(at),
                sequence,
                is_add: false,
            });
        }
        Ok(())
    }

    fn place_adds<'a>(
        &'a self,
        placed: &mut BTreeMap<&'a str, Vec<Placed>>,
    ) -> Result<(), Violation> {
        for (counter, commands) in &self.commands {
            let places = self.places(counter);
            for (id, command) in commands {
                let answer = command.acknowledged();
                if let Some((op, sequence, value)) = answer {
                    self.check_value(counter, op, sequence, value)?;
                }
                let told = answer.map(|(_, sequence, _)| sequence);
                let sequence = told.or_else(|| places.get(id).map(|entry| entry.sequence));
                let (Some(sequence), Some(invoked)) = (sequence, command.invoked()) else {
                    continue;
                };
                placed.entry(counter).or_default().push(Placed {
                    id: answer.map_or_else(|| command.first(), |(op, ..)| op),
                    invoked,
                    completed: command.completed(),
                    sequence,
                    is_add: true,
                });
            }
        }
        Ok(())
    }

    fn check_value(
        &self,
        counter: &str,
        op: OpId,
        sequence: Sequence,
        answered: i64,
    ) -> Result<(), Violation> {
        let folded = match sequence {
            Sequence(0) => 0,
            _ => match self.entry_at(counter, sequence) {
                Some(entry) => entry.value,
                None => return Err(Violation::Ahead { counter: counter.to_owned(), op, sequence }),
            },
        };
        if folded == i128::from(answered) {
            return Ok(());
        }
        Err(Violation::Value { counter: counter.to_owned(), op, sequence, answered, folded })
    }

    fn entry_at(&self, counter: &str, sequence: Sequence) -> Option<&Entry> {
        let entries = self.entries.get(counter)?;
        let at = usize::try_from(sequence.0).ok()?.checked_sub(1)?;
        entries.get(at).filter(|entry| entry.sequence == sequence)
    }
}

/// One sweep in order of invocation, beside the completions in their order: `furthest` is the
/// operation with the highest sequence among those that were over.
fn sweep(counter: &str, mut by_invocation: Vec<Placed>) -> Result<(), Violation> {
    let mut by_completion: Vec<(u64, Placed)> = by_invocation
        .iter()
        .filter_map(|placed| placed.completed.map(|completed| (completed, *placed)))
        .collect();
    by_completion.sort_by_key(|(completed, _)| *completed);
    by_invocation.sort_by_key(|placed| placed.invoked);

    let mut over = by_completion.into_iter().peekable();
    let mut furthest: Option<Placed> = None;
    for later in by_invocation {
        while let Some((_, done)) = over.next_if(|(completed, _)| *completed < later.invoked) {
            if furthest.is_none_or(|furthest| furthest.sequence < done.sequence) {
                furthest = Some(done);
            }
        }
        let Some(earlier) = furthest else { continue };
        let in_order = match later.is_add {
            true => earlier.sequence < later.sequence,
            false => earlier.sequence <= later.sequence,
        };
        if !in_order {
            return Err(Violation::Stale {
                counter: counter.to_owned(),
                earlier: earlier.id,
                earlier_at: earlier.sequence,
                later: later.id,
                later_at: later.sequence,
            });
        }
    }
    Ok(())
}
