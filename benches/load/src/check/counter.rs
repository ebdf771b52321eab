//! One counter: what was asked of it and answered, against its stream.
//!
//! A command is all tries with one number. Where they carried an idempotency key it takes effect once
//! at most; where they didn't, once for each try that was acknowledged and at most once for each that
//! may have happened.
//!
//! Events come one after another and none is kept; what stays is the fold at each sequence.

mod command;
mod order;

use serde::Deserialize;

use self::command::Command;
pub(super) use self::command::Try;
use super::elle::Told;
use super::served::{Event, View};
use super::verdict::{Check, Verdict, Violation};
use super::{COUNTER, Options};
use crate::record::{Entry, op_of};

/// A counter's only event.
const ADDED: &str = "counter.added.v1";

#[derive(Deserialize)]
struct Added {
    n: i64,
}

#[derive(Deserialize)]
struct State {
    value: i64,
}

/// The fold of the stream up to a sequence.
#[derive(Debug, Clone, Copy)]
struct Step {
    sequence: u64,
    value: i64,
}

/// A counter that is being checked.
#[derive(Debug)]
pub(super) struct Counter<'a> {
    entity: String,
    options: &'a Options,
    tries: Vec<Try>,
    /// In order of their numbers.
    commands: Vec<Command>,
    steps: Vec<Step>,
    /// Hash of the last event.
    last_hash: Option<String>,
    verdict: Verdict,
}

impl<'a> Counter<'a> {
    /// A counter with all that the run did with it.
    pub(super) fn new(id: &str, entries: &[Entry], options: &'a Options) -> Self {
        let mut tries: Vec<Try> = entries.iter().map(Try::from).collect();
        tries.sort_unstable_by_key(|a_try| (a_try.op, a_try.attempt));
        let commands = command::commands(&tries);
        Self {
            entity: format!("{COUNTER}/{id}"),
            options,
            tries,
            commands,
            steps: Vec::new(),
            last_hash: None,
            verdict: Verdict::default(),
        }
    }

    fn violated(&mut self, check: Check, op: Option<u64>, told: String, is: String) {
        self.verdict.violated(Violation { check, entity: self.entity.clone(), op, told, is });
    }

    /// Takes in the next event of the stream.
    pub(super) fn event(&mut self, event: &Event) {
        self.link(event);
        let n = match read(event) {
            Ok(n) => n,
            Err(problem) => {
                let told = format!("event {} is a {}", event.sequence, event.event_type);
                return self.violated(Check::Unreadable, None, told, problem);
            }
        };
        let before = self.steps.last().copied().unwrap_or(Step { sequence: 0, value: 0 });
        let Some(value) = before.value.checked_add(n) else {
            let told = format!("event {} adds {n} to {}", event.sequence, before.value);
            return self.violated(Check::Unreadable, None, told, "no counter can".to_owned());
        };
        if event.sequence > before.sequence {
            self.steps.push(Step { sequence: event.sequence, value });
        }
        self.belongs(event, n);
    }

    /// It goes on from the event before it.
    fn link(&mut self, event: &Event) {
        let expected = self.steps.last().map_or(0, |step| step.sequence) + 1;
        self.verdict.examined(Check::Gap, 1);
        self.verdict.examined(Check::Unreadable, 1);
        if event.sequence != expected {
            let is = format!("there is {}", event.sequence);
            self.violated(Check::Gap, None, format!("sequence {expected} is next"), is);
        }
        if let Some(before) = self.last_hash.replace(event.hash.clone()) {
            self.verdict.examined(Check::Chain, 1);
            if before != event.previous_hash {
                let is = format!("event {} names {}", event.sequence, event.previous_hash);
                self.violated(Check::Chain, None, format!("the hash before it is {before}"), is);
            }
        }
    }

    /// Somebody asked for it, in this amount, and not for something that was refused.
    fn belongs(&mut self, event: &Event, n: i64) {
        let sequence = event.sequence;
        let Some(op) = op_of(self.options.run, event.correlation) else {
            // The run's ids are its own: nobody else has any reason to.
            if self.options.alone {
                let told = format!("event {sequence} adds {n} for {}", event.correlation);
                return self.violated(Check::Invented, None, told, "no run's operation".to_owned());
            }
            self.verdict.foreign += 1;
            return;
        };
        self.verdict.examined(Check::Invented, 1);
        let Ok(at) = self.commands.binary_search_by_key(&op, |command| command.op) else {
            let is = "it never asked for that here".to_owned();
            return self.violated(Check::Invented, Some(op), format!("event {sequence}"), is);
        };
        let tries = self.commands[at].tries(&self.tries);
        let asked = tries[0].amount;
        let may_be = command::effects_max(tries);
        let places = self.commands[at].place(sequence);
        self.verdict.examined(Check::Altered, 1);
        self.verdict.examined(Check::Doubled, 1);
        if asked != n {
            let is = format!("event {sequence} adds {n}");
            self.violated(Check::Altered, Some(op), format!("{asked} was to be added"), is);
        }
        if may_be == 0 {
            let told = "every answer said that it was not applied".to_owned();
            self.violated(Check::NotApplied, Some(op), told, format!("it is event {sequence}"));
        } else if places > may_be {
            let told = format!("it may be there {may_be} times");
            let is = format!("event {sequence} makes it {places}");
            self.violated(Check::Doubled, Some(op), told, is);
        }
    }

    /// The end of the stream, with what was served before it was read; and, where it is wanted, what
    /// was told of each operation, for others to judge.
    pub(super) fn finish(
        mut self,
        view: Option<&View>,
        wants_history: bool,
    ) -> (Verdict, Option<Told>) {
        self.check_served(view);
        self.check_answers();
        self.check_reads();
        order::check(&mut self);
        let verdict = std::mem::take(&mut self.verdict);
        (verdict, wants_history.then(|| self.told()))
    }

    fn check_served(&mut self, view: Option<&View>) {
        self.verdict.examined(Check::Served, 1);
        let Some(view) = view else {
            if let Some(last) = self.steps.last() {
                let told = format!("the journal has {} events", last.sequence);
                self.violated(Check::Served, None, told, "no such entity is served".to_owned());
            }
            return;
        };
        let served = match serde_json::from_str::<State>(view.state.get()) {
            Ok(state) => state.value,
            Err(problem) => {
                let told = format!("the state is {}", view.state.get());
                return self.violated(Check::Unreadable, None, told, problem.to_string());
            }
        };
        let folded = self.value_at(view.sequence);
        if folded != Some(served) {
            let told = match folded {
                Some(value) => format!("the journal folds to {value} at {}", view.sequence),
                None => format!("the journal has no event {}", view.sequence),
            };
            self.violated(Check::Served, None, told, format!("{served} is served"));
        }
    }

    /// The fold at a sequence; none where there is no such event.
    fn value_at(&self, sequence: u64) -> Option<i64> {
        if sequence == 0 {
            return Some(0);
        }
        let at = self.steps.binary_search_by_key(&sequence, |step| step.sequence).ok()?;
        Some(self.steps[at].value)
    }

    fn check_answers(&mut self) {
        for at in 0..self.commands.len() {
            let found = command::judge(&self.commands[at], &self.tries);
            let op = self.commands[at].op;
            self.verdict.examined(Check::NotApplied, u64::from(found.is_not_applied));
            self.verdict.examined(Check::Lost, found.answers.len() as u64);
            self.verdict.examined(Check::Misplaced, found.answers.len() as u64);
            self.verdict.examined(Check::Repetition, found.repetitions);
            self.verdict.unknown_applied += u64::from(found.is_unknown && found.is_there);
            self.verdict.unknown_absent += u64::from(found.is_unknown && !found.is_there);
            for (check, told, is) in found.wrong {
                self.violated(check, Some(op), told, is);
            }
            for (sequence, value) in found.answers {
                self.check_value(op, sequence, value);
            }
        }
    }

    fn check_value(&mut self, op: u64, sequence: u64, answered: i64) {
        self.verdict.examined(Check::WrongValue, 1);
        let folded = self.value_at(sequence);
        if folded != Some(answered) {
            let is = match folded {
                Some(folded) => format!("the journal has {folded} there"),
                None => "the journal has no such event".to_owned(),
            };
            let told = format!("{answered} was answered at {sequence}");
            self.violated(Check::WrongValue, Some(op), told, is);
        }
    }

    fn check_reads(&mut self) {
        let reads: Vec<_> = self.tries.iter().filter_map(Try::seen).collect();
        for (op, sequence, value) in reads {
            self.check_value(op, sequence, value);
        }
    }

    fn told(self) -> Told {
        let order = self.commands.iter().flat_map(Command::places);
        let mut order: Vec<_> = order.collect();
        order.sort_unstable();
        Told { entity: self.entity, order, tries: self.tries }
    }
}

/// How much an event adds.
fn read(event: &Event) -> Result<i64, String> {
    if event.event_type != ADDED {
        return Err(format!("a counter has only {ADDED}"));
    }
    let added: Added = serde_json::from_str(event.data.get()).map_err(|error| error.to_string())?;
    Ok(added.n)
}
