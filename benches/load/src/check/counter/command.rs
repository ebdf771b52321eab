//! Tries put together to commands, and what their answers say among themselves.

use crate::check::verdict::Check;
use crate::record::{Entry, Nanos, Operation, Outcome};

/// The answer to a read of what isn't there.
const NOT_FOUND: u16 = 404;

/// A try as far as it matters here: half of an [`Entry`], for there may be ten million.
#[derive(Debug, Clone, Copy)]
pub(in crate::check) struct Try {
    pub(in crate::check) op: u64,
    pub(in crate::check) sent: Nanos,
    pub(in crate::check) done: Nanos,
    pub(in crate::check) sequence: u64,
    pub(in crate::check) value: i64,
    pub(in crate::check) amount: i64,
    pub(in crate::check) session: u32,
    pub(in crate::check) attempt: u16,
    pub(in crate::check) outcome: Outcome,
    pub(in crate::check) is_add: bool,
    is_keyed: bool,
    is_repeated: bool,
    is_not_found: bool,
}

impl From<&Entry> for Try {
    fn from(entry: &Entry) -> Self {
        Self {
            op: entry.op,
            sent: entry.sent,
            done: entry.done,
            sequence: entry.sequence,
            value: entry.value,
            amount: entry.amount,
            session: entry.session,
            attempt: entry.attempt,
            outcome: entry.outcome,
            is_add: entry.operation == Operation::Add,
            is_keyed: entry.keyed,
            is_repeated: entry.repeated,
            is_not_found: entry.status == NOT_FOUND,
        }
    }
}

impl Try {
    pub(in crate::check) fn is_acknowledged(&self) -> bool {
        self.outcome == Outcome::Acknowledged
    }

    fn may_be_there(&self) -> bool {
        self.is_acknowledged() || self.outcome.may_have_happened()
    }

    /// What a read saw: its number, the sequence and the value. That nothing is there is the
    /// beginning.
    pub(in crate::check) fn seen(&self) -> Option<(u64, u64, i64)> {
        match self.outcome {
            _ if self.is_add => None,
            Outcome::Acknowledged => Some((self.op, self.sequence, self.value)),
            Outcome::Refused if self.is_not_found => Some((self.op, 0, 0)),
            _ => None,
        }
    }
}

/// One add, and where it stands in the journal.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) op: u64,
    from: usize,
    to: usize,
    /// Where it is for the first time; 0 where it isn't.
    place: u64,
    /// Where it is again: only without keys, or where something is wrong.
    more: Vec<u64>,
}

impl Command {
    /// Its tries, of which there is at least one.
    pub(super) fn tries<'a>(&self, tries: &'a [Try]) -> &'a [Try] {
        &tries[self.from..self.to]
    }

    /// It stands there, too. Says how often it is there now.
    pub(super) fn place(&mut self, sequence: u64) -> usize {
        if self.place == 0 {
            self.place = sequence;
        } else {
            self.more.push(sequence);
        }
        1 + self.more.len()
    }

    /// Where it is, each with its number.
    pub(super) fn places(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let first = (self.place > 0).then_some(self.place);
        first.into_iter().chain(self.more.iter().copied()).map(|sequence| (sequence, self.op))
    }

    /// Where it took effect, and when that may have been: not before the first try that may have
    /// done it, and known from the first answer on.
    pub(super) fn effect(&self, tries: &[Try]) -> Option<(u64, Nanos, Option<Nanos>)> {
        // Without a key each try is an effect of its own, and which is which nobody knows.
        let tries = self.tries(tries);
        if self.place == 0 || !self.more.is_empty() {
            return None;
        }
        let began = tries.iter().filter(|a_try| a_try.may_be_there()).map(|a_try| a_try.sent).min();
        let known = tries.iter().filter(|a_try| a_try.is_acknowledged());
        Some((self.place, began?, known.map(|a_try| a_try.done).min()))
    }
}

/// The adds among tries, which are in order of their numbers.
pub(super) fn commands(tries: &[Try]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for (at, a_try) in tries.iter().enumerate().filter(|(_, a_try)| a_try.is_add) {
        match commands.last_mut() {
            Some(command) if command.op == a_try.op => command.to = at + 1,
            _ => {
                let (op, from, to) = (a_try.op, at, at + 1);
                commands.push(Command { op, from, to, place: 0, more: Vec::new() });
            }
        }
    }
    commands
}

/// How often a command may stand in the journal.
pub(super) fn effects_max(tries: &[Try]) -> usize {
    let may_be_there = tries.iter().filter(|a_try| a_try.may_be_there()).count();
    if tries[0].is_keyed { may_be_there.min(1) } else { may_be_there }
}

/// What the answers to one command come to.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Sequence and value of each different answer.
    pub(super) answers: Vec<(u64, i64)>,
    /// Answers beyond the first to one key.
    pub(super) repetitions: u64,
    pub(super) is_unknown: bool,
    pub(super) is_not_applied: bool,
    pub(super) is_there: bool,
    pub(super) wrong: Vec<(Check, String, String)>,
}

/// Holds the answers to a command against each other and against where it stands.
pub(super) fn judge(command: &Command, tries: &[Try]) -> Judged {
    let tries = command.tries(tries);
    let acknowledged: Vec<&Try> = tries.iter().filter(|a_try| a_try.is_acknowledged()).collect();
    let mut judged = Judged {
        is_there: command.place > 0,
        is_unknown: acknowledged.is_empty() && effects_max(tries) > 0,
        is_not_applied: effects_max(tries) == 0,
        ..Judged::default()
    };
    let Some(first) = acknowledged.first() else { return judged };
    if tries[0].is_keyed {
        judged.answers.push((first.sequence, first.value));
        judged.repetitions = acknowledged.len() as u64 - 1;
        judged.wrong.extend(contradictions(tries, &acknowledged));
    } else {
        judged.answers.extend(acknowledged.iter().map(|a_try| (a_try.sequence, a_try.value)));
    }
    let places: Vec<u64> = command.places().map(|(sequence, _)| sequence).collect();
    let missing = judged.answers.len().saturating_sub(places.len());
    let strangers = judged.answers.iter().filter(|(sequence, _)| !places.contains(sequence));
    for (nth, (sequence, _)) in strangers.enumerate() {
        let told = format!("it was acknowledged at {sequence}");
        judged.wrong.push(if nth < missing {
            (Check::Lost, told, "it is not in the journal".to_owned())
        } else {
            (Check::Misplaced, told, format!("it stands at {places:?}"))
        });
    }
    judged
}

/// Where one key was answered differently.
fn contradictions(tries: &[Try], acknowledged: &[&Try]) -> Vec<(Check, String, String)> {
    let first = acknowledged[0];
    let mut wrong = Vec::new();
    for again in &acknowledged[1..] {
        if (again.sequence, again.value) != (first.sequence, first.value) {
            let told = format!("try {} was answered {}", first.attempt, answer(first));
            let is = format!("try {} was answered {}", again.attempt, answer(again));
            wrong.push((Check::Repetition, told, is));
        }
    }
    let fresh = acknowledged.iter().filter(|a_try| !a_try.is_repeated).count();
    if fresh > 1 {
        let told = "one key takes effect once".to_owned();
        wrong.push((Check::Repetition, told, format!("{fresh} answers say that they are it")));
    }
    let known = acknowledged.iter().map(|a_try| a_try.done).min().unwrap_or(Nanos::MAX);
    let refused = |a_try: &&Try| a_try.outcome == Outcome::Refused && known < a_try.sent;
    if let Some(refused) = tries.iter().find(refused) {
        let told = format!("try {} was accepted", first.attempt);
        wrong.push((Check::Repetition, told, format!("try {} was refused", refused.attempt)));
    }
    wrong
}

fn answer(a_try: &Try) -> String {
    format!("{} at {}", a_try.value, a_try.sequence)
}
