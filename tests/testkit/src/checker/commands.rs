//! Tries put together to commands, by idempotency key.

use std::collections::BTreeMap;

use coppice_core::{CommandId, Sequence, TenantId};

use super::violation::Violation;
use crate::history::{Attempt, Completion, Op, OpId};

/// All tries of one add, in order of invocation.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) n: i64,
    tries: Vec<Try>,
}

#[derive(Debug, Clone, Copy)]
struct Try {
    id: OpId,
    invoked: u64,
    /// `None` for one whose answer never came.
    completed: Option<u64>,
    completion: Completion,
}

/// What the client knows of a command in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Acknowledged,
    Unknown,
    NotApplied,
}

impl Command {
    pub(super) fn first(&self) -> OpId {
        self.tries[0].id
    }

    pub(super) fn fate(&self) -> Fate {
        let any = |wanted: fn(Completion) -> bool| {
            self.tries.iter().any(|attempt| wanted(attempt.completion))
        };
        if any(|completion| matches!(completion, Completion::Ok { .. })) {
            Fate::Acknowledged
        } else if any(|completion| completion == Completion::Unknown) {
            Fate::Unknown
        } else {
            Fate::NotApplied
        }
    }

    /// The first try that was answered, and the answer.
    pub(super) fn acknowledged(&self) -> Option<(OpId, Sequence, i64)> {
        self.answers().next().map(|(attempt, sequence, value)| (attempt.id, sequence, value))
    }

    /// When the command may first have taken effect: a try that was not applied doesn't count.
    pub(super) fn invoked(&self) -> Option<u64> {
        self.tries
            .iter()
            .filter(|attempt| {
                matches!(attempt.completion, Completion::Ok { .. } | Completion::Unknown)
            })
            .map(|attempt| attempt.invoked)
            .min()
    }

    /// When somebody first knew that it had taken effect.
    pub(super) fn completed(&self) -> Option<u64> {
        self.answers().filter_map(|(attempt, ..)| attempt.completed).min()
    }

    fn answers(&self) -> impl Iterator<Item = (&Try, Sequence, i64)> {
        self.tries.iter().filter_map(|attempt| match attempt.completion {
            Completion::Ok { sequence, value } => Some((attempt, sequence, value)),
            Completion::Rejected | Completion::NotApplied | Completion::Unknown => None,
        })
    }
}

/// Puts tries together, by counter and command id.
pub(super) fn by_counter(
    tenant: &TenantId,
    route: impl Fn(&str) -> String,
    attempts: &[Attempt],
) -> Result<BTreeMap<String, BTreeMap<CommandId, Command>>, Violation> {
    let mut counters: BTreeMap<String, BTreeMap<CommandId, Command>> = BTreeMap::new();
    for attempt in attempts {
        let Op::Add { n, idempotency_key } = &attempt.op else { continue };
        let id = CommandId::from_idempotency_key(tenant, &route(&attempt.counter), idempotency_key);
        let commands = counters.entry(attempt.counter.clone()).or_default();
        let command = commands.entry(id).or_insert(Command { n: *n, tries: Vec::new() });
        if command.n != *n {
            return Err(Violation::KeyUsedTwice {
                counter: attempt.counter.clone(),
                first: command.first(),
                second: attempt.id,
            });
        }
        command.tries.push(Try {
            id: attempt.id,
            invoked: attempt.invoked,
            completed: attempt.completed.map(|(at, _)| at),
            completion: attempt.completed.map_or(Completion::Unknown, |(_, what)| what),
        });
    }
    Ok(counters)
}

/// All answers to one command are the same, and none that began after an answer is a refusal.
pub(super) fn check_answers(counter: &str, command: &Command) -> Result<(), Violation> {
    let Some((first, sequence, value)) = command.acknowledged() else { return Ok(()) };
    let contradicted =
        command.answers().find(|(_, at, answer)| (*at, *answer) != (sequence, value));
    if let Some((second, ..)) = contradicted {
        return Err(Violation::Contradicted {
            counter: counter.to_owned(),
            first,
            second: second.id,
        });
    }
    let accepted = command.completed();
    let refused = command.tries.iter().find(|attempt| {
        attempt.completion == Completion::Rejected
            && accepted.is_some_and(|accepted| accepted < attempt.invoked)
    });
    match refused {
        Some(second) => Err(Violation::RefusedAfterAccepted {
            counter: counter.to_owned(),
            first,
            second: second.id,
        }),
        None => Ok(()),
    }
}
