//! Linked commands: transfers between two counters, which happen as a whole or not at all.

use std::collections::BTreeMap;

use coppice_core::{CommandId, StreamKey};
use coppice_runtime::{Answer, Failure};
use coppice_testkit::{Completion, Op, OpId};
use coppice_tests::node::value;
use tokio::time::{Duration, Instant};

use crate::clients::{COUNTERS, Client, Command, TRIES_MAX, failed};
use crate::nodes::below;

/// A part holds its entity up until the others have come, so a group's patience is short.
const PATIENCE: Duration = Duration::from_secs(5);

/// Each part with the other one.
#[derive(Debug, Default)]
pub(crate) struct Links(BTreeMap<(StreamKey, CommandId), (StreamKey, CommandId)>);

impl Links {
    fn tie(&mut self, [one, other]: [(StreamKey, CommandId); 2]) {
        self.0.insert(one.clone(), other.clone());
        self.0.insert(other, one);
    }

    /// Whom a part is tied to, if it is one.
    pub(crate) fn partner(&self, part: &(StreamKey, CommandId)) -> Option<(StreamKey, CommandId)> {
        self.0.get(part).cloned()
    }
}

fn part(counter: &'static str, n: i64, key: &str) -> Command {
    Command {
        kind: "counter",
        entity: counter,
        name: "add",
        body: format!("{{\"n\":{n}}}"),
        key: key.to_owned(),
        is_keyed: true,
    }
}

impl Client {
    /// Moves something from one counter to another, again and again until all of it is
    /// acknowledged.
    pub(crate) async fn transfer(&mut self, key: &str) {
        let from = below(&mut self.random, 3);
        let to = (from + 1 + below(&mut self.random, 2)) % 3;
        let n = 1 + i64::try_from(self.random.below(100)).unwrap_or_default();
        let parts = [part(COUNTERS[from], -n, key), part(COUNTERS[to], n, key)];
        self.sim.links().tie([0, 1].map(|at| (parts[at].stream(), parts[at].id())));
        let gives_up = self.random.chance(100);
        for _ in 0..TRIES_MAX {
            let completions = self.try_transfer(&parts).await;
            let is_done = |completion: &Completion| matches!(completion, Completion::Ok { .. });
            if completions.iter().all(is_done) || gives_up {
                return;
            }
            self.pause().await;
            if self.sim.verdict().is_err() {
                return;
            }
        }
        self.sim.blame(format!("the transfer {key} is never acknowledged"));
    }

    async fn try_transfer(&mut self, parts: &[Command; 2]) -> [Completion; 2] {
        let recorded: [OpId; 2] = [0, 1].map(|at| {
            let (part, key) = (&parts[at], parts[at].key.clone());
            let op = Op::Add { n: amount(part), idempotency_key: key };
            self.history.invoke(self.number, part.entity, op)
        });
        let completions = match self.ask_linked(parts).await {
            Some(answers) => [0, 1].map(|at| match &answers[at] {
                Ok(answer) => {
                    let (sequence, value) = (answer.sequence, value(&answer.reply));
                    Completion::Ok { sequence, value }
                }
                Err(failure) => failed(failure),
            }),
            None => [Completion::Unknown; 2],
        };
        for (op, completion) in recorded.into_iter().zip(completions) {
            self.history.complete(op, completion);
        }
        completions
    }

    /// Nothing where the node ended before it answered.
    async fn ask_linked(&mut self, parts: &[Command; 2]) -> Option<Vec<Result<Answer, Failure>>> {
        let door = self.door().await;
        let (number, node, key) = (self.number, door.node, &parts[0].key);
        let [from, to] = [0, 1].map(|at| parts[at].entity);
        self.sim.note(format_args!("client {number} asks node {node}: {from} to {to} {key}"));
        let deadline = Instant::now() + PATIENCE;
        let requests = parts.iter().map(|part| (part.kind, part.request(deadline))).collect();
        let answers = tokio::select! {
            biased;
            () = door.ended() => {
                self.sim.note(format_args!("client {number} hears nothing"));
                return None;
            }
            answers = door.registry.ask_linked(requests) => answers,
        };
        self.sim.note(format_args!("client {number} hears {answers:?}"));
        for (part, answer) in parts.iter().zip(&answers) {
            match answer {
                Ok(answer) => self.check_answer(part, answer),
                Err(Failure::Unlinked) => {}
                Err(failure) => self.check_failure(part, failure, false),
            }
        }
        // Any other failure speaks of its own try only.
        if answers.iter().any(Result::is_ok) && answers.contains(&Err(Failure::Unlinked)) {
            self.sim.blame(format!("half of {key} is done and half is said not to be"));
        }
        Some(answers)
    }
}

fn amount(part: &Command) -> i64 {
    let body: serde_json::Value = serde_json::from_str(&part.body).unwrap_or_default();
    body["n"].as_i64().unwrap_or_default()
}
