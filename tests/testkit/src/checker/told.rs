//! Adds that entities sent to counters, beside those of the clients.

use std::collections::BTreeMap;

use coppice_core::CommandId;

use super::violation::Violation;
use super::{Checker, Entry};

/// What an entity sent to a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// How much to add.
    pub n: i64,
    /// Whether the sender recorded that it was done: then it must be there; else it may be.
    pub is_settled: bool,
}

impl Checker {
    /// Expects adds that entities sent, each with its counter and the command's id.
    #[must_use]
    pub fn told(mut self, told: impl IntoIterator<Item = (String, CommandId, Told)>) -> Self {
        for (counter, command, told) in told {
            self.told.entry(counter).or_default().insert(command, told);
        }
        self
    }

    /// Every add that its sender knows to have been done is in the journal. That it is there once,
    /// and as it was sent, is checked with the clients' adds.
    ///
    /// # Errors
    /// [`Violation::Untold`].
    pub fn check_told(&self) -> Result<(), Violation> {
        for (counter, told) in &self.told {
            let places = self.places(counter);
            let lost = told.iter().find(|(id, told)| told.is_settled && !places.contains_key(id));
            if let Some((command, _)) = lost {
                return Err(Violation::Untold { counter: counter.clone(), command: *command });
            }
        }
        Ok(())
    }

    pub(super) fn told_to(&self, counter: &str, command: CommandId) -> Option<Told> {
        self.told.get(counter)?.get(&command).copied()
    }

    /// What those adds that are in the journal come to.
    pub(super) fn told_in<'a>(
        &'a self,
        counter: &str,
        places: &'a BTreeMap<CommandId, Entry>,
    ) -> impl Iterator<Item = i128> {
        let told = self.told.get(counter).into_iter().flatten();
        told.filter(|(id, _)| places.contains_key(id)).map(|(_, told)| i128::from(told.n))
    }
}

pub(super) fn check_entry(counter: &str, told: Told, entry: &Entry) -> Result<(), Violation> {
    if told.n == entry.n {
        return Ok(());
    }
    Err(Violation::ToldOther {
        counter: counter.to_owned(),
        command: entry.causation,
        told: told.n,
        found: entry.n,
    })
}
