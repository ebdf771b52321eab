//! What clients do: they add to counters, set alarms, poison profiles, and try again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coppice_core::{CommandId, CorrelationId, EntityKind, Sequence, StreamKey};
use coppice_runtime::{Answer, Failure, Outcome, Request, View};
use coppice_testkit::{Completion, History, Op, Random};
use coppice_tests::node::{id, route, tenant, value};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::nodes::{Board, Door, below};
use crate::sim::Sim;

pub(crate) const COUNTERS: [&str; 3] = ["c0", "c1", "c2"];
pub(crate) const ALARMS: [&str; 3] = ["a0", "a1", "a2"];
pub(crate) const PROFILES: [&str; 2] = ["p0", "p1"];

/// Far longer than any disturbance: whoever waits as long was forgotten.
const PATIENCE: Duration = Duration::from_secs(60);
/// So often a client tries one command before the run counts as stuck.
pub(crate) const TRIES_MAX: u32 = 2_000;

/// What is known of a command to an alarm or a profile.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) may_have_happened: bool,
}

/// The commands to alarms and profiles, by stream.
pub(crate) type AskedOf = Arc<Mutex<BTreeMap<StreamKey, BTreeMap<CommandId, Asked>>>>;

pub(crate) struct Client {
    pub(crate) sim: Arc<Sim>,
    pub(crate) number: u32,
    pub(crate) board: Board,
    pub(crate) history: History,
    pub(crate) asked: AskedOf,
    pub(crate) random: Random,
}

/// A command to be tried, perhaps several times.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) kind: &'static str,
    pub(crate) entity: &'static str,
    pub(crate) name: &'static str,
    pub(crate) body: String,
    pub(crate) key: String,
    pub(crate) is_keyed: bool,
}

impl Command {
    pub(crate) fn stream(&self) -> StreamKey {
        stream(self.kind, self.entity)
    }

    pub(crate) fn id(&self) -> CommandId {
        let route = match self.kind {
            "counter" => route(self.entity),
            kind => format!("POST {kind}/{}/{}", self.entity, self.name),
        };
        CommandId::from_idempotency_key(&tenant(), &route, &self.key)
    }

    pub(crate) fn request(&self, deadline: Instant) -> Request {
        let command_id = self.id();
        Request {
            tenant: tenant(),
            id: id(self.entity),
            command: self.name.to_owned(),
            body: Bytes::from(self.body.clone()),
            command_id,
            keyed: self.is_keyed,
            correlation: CorrelationId(command_id.0),
            trace: None,
            sender: None,
            expected: None,
            begins: false,
            deadline,
        }
    }
}

pub(crate) fn stream(kind: &str, entity: &str) -> StreamKey {
    let kind = EntityKind::new(kind).expect("the simulation uses valid kinds");
    StreamKey::new(tenant(), kind, id(entity))
}

pub(crate) fn failed(failure: &Failure) -> Completion {
    match failure {
        Failure::Rejected { .. } => Completion::Rejected,
        other if other.outcome() == Outcome::NotApplied => Completion::NotApplied,
        _ => Completion::Unknown,
    }
}

fn poke_body(name: &str, key: &str) -> String {
    match name {
        "name" | "brittle" => format!(r#"{{"subject":"person","name":"{key}"}}"#),
        _ => "{}".to_owned(),
    }
}

/// Whether whoever asked was cut off, since the writer fell meanwhile or wasn't there when the node
/// stopped. It shows at once: who waits until the deadline was forgotten all the same.
fn is_cut_off(door: &Door, shocks: u64, deadline: Instant) -> bool {
    (door.shocks() > shocks || door.is_shaken()) && Instant::now() < deadline
}

/// What came of one try.
enum Told<T> {
    Answer(Result<T, Failure>),
    /// The node ended before it answered.
    Nothing,
}

impl Client {
    pub(crate) async fn run(mut self, operations: u64) {
        for operation in 0..operations {
            let up_to = if self.random.chance(150) { 2_000 } else { 20 };
            sleep(Duration::from_micros(self.random.below(up_to * 1_000))).await;
            let key = format!("{}-{operation}", self.number);
            match self.random.below(100) {
                0..38 => self.add(&key).await,
                38..45 => self.transfer(&key).await,
                45..55 => self.read().await,
                55..78 => self.set(&key).await,
                78..83 => self.clear(&key).await,
                83..90 => self.burst(&key).await,
                _ => self.poke(&key).await,
            }
            if self.sim.verdict().is_err() {
                return;
            }
        }
    }

    async fn add(&mut self, key: &str) {
        let counter = self.one_of(&COUNTERS);
        let n = i64::try_from(self.random.below(200)).unwrap_or_default() - 100;
        let is_keyed = self.random.chance(700);
        let gives_up = self.random.chance(100);
        for attempt in 0..TRIES_MAX {
            // Without a key every try is another command.
            let key = if is_keyed { key.to_owned() } else { format!("{key}-{attempt}") };
            let completion = self.try_add(counter, n, &key, is_keyed).await;
            let is_over = match completion {
                Completion::Ok { .. } => true,
                Completion::Unknown => !is_keyed || gives_up,
                Completion::NotApplied | Completion::Rejected => gives_up,
            };
            if is_over {
                // A client may ask again though it knows.
                if is_keyed && self.random.chance(250) {
                    self.try_add(counter, n, &key, true).await;
                }
                return;
            }
            self.pause().await;
            if self.sim.verdict().is_err() {
                return;
            }
        }
        self.sim.blame(format!("{key} on {counter} is never acknowledged"));
    }

    async fn try_add(
        &mut self,
        counter: &'static str,
        n: i64,
        key: &str,
        is_keyed: bool,
    ) -> Completion {
        let command = Command {
            kind: "counter",
            entity: counter,
            name: "add",
            body: format!("{{\"n\":{n}}}"),
            key: key.to_owned(),
            is_keyed,
        };
        let op = Op::Add { n, idempotency_key: key.to_owned() };
        let recorded = self.history.invoke(self.number, counter, op);
        let completion = match self.ask(&command).await {
            Told::Answer(Ok(answer)) => {
                Completion::Ok { sequence: answer.sequence, value: value(&answer.reply) }
            }
            Told::Answer(Err(failure)) => failed(&failure),
            Told::Nothing => Completion::Unknown,
        };
        self.history.complete(recorded, completion);
        completion
    }

    async fn read(&mut self) {
        let counter = self.one_of(&COUNTERS);
        let recorded = self.history.invoke(self.number, counter, Op::Read);
        let completion = match self.view("counter", counter).await {
            Told::Answer(Ok(view)) => {
                Completion::Ok { sequence: view.sequence, value: value(&view.state) }
            }
            Told::Answer(Err(failure)) => failed(&failure),
            Told::Nothing => Completion::Unknown,
        };
        self.history.complete(recorded, completion);
    }

    async fn set(&mut self, key: &str) {
        let timer = self.random.below(3);
        let longest = if self.random.chance(200) { 9_000 } else { 600 };
        let in_ms = self.random.below(longest);
        let mut body = format!(r#"{{"timer":"t{timer}","in_ms":{in_ms}"#);
        if self.random.chance(300) {
            body.push_str(r#","mode":"at_most_once""#);
        }
        if self.random.chance(200) {
            body.push_str(&format!(r#","grace_ms":{}"#, self.random.below(1_500)));
        }
        if self.random.chance(600) {
            let counter = self.one_of(&COUNTERS);
            body.push_str(&format!(r#","counter":"{counter}""#));
        }
        body.push('}');
        self.tell("alarm", "set", body, key).await;
    }

    async fn clear(&mut self, key: &str) {
        let body = format!(r#"{{"timer":"t{}"}}"#, self.random.below(3));
        self.tell("alarm", "clear", body, key).await;
    }

    /// Good and bad commands to a profile; the bad ones crash it.
    async fn poke(&mut self, key: &str) {
        let name = match self.random.below(10) {
            0..3 => "touch",
            3..5 => "name",
            5 => "settle",
            6 => "crash",
            7 => "crash_in_evolve",
            _ => "brittle",
        };
        self.tell("profile", name, poke_body(name, key), key).await;
    }

    /// Several commands to one profile at once, a bad one among them: what was decided before the
    /// crash is on its way while the next life is wanted.
    async fn burst(&mut self, key: &str) {
        let entity = self.one_of(&PROFILES);
        let door = self.door().await;
        let size = 2 + self.random.below(4);
        let commands: Vec<_> = (0..size)
            .map(|part| {
                let name = match self.random.below(6) {
                    0 => "crash",
                    1 => "crash_in_evolve",
                    2 => "touch",
                    _ => "name",
                };
                let key = format!("{key}-burst-{part}");
                let (body, is_keyed) = (poke_body(name, &key), self.random.chance(500));
                Command { kind: "profile", entity, name, body, key, is_keyed }
            })
            .collect();
        let deadline = (Instant::now() + PATIENCE, true);
        let asked = commands.iter().map(|command| self.ask_at(&door, deadline, command));
        let told = join_all(asked).await;
        commands.iter().zip(&told).for_each(|(command, told)| self.note_asked(command, told));
    }

    /// Tries a command until it is answered or was tried a few times.
    async fn tell(&mut self, kind: &'static str, name: &'static str, body: String, key: &str) {
        let entity = match kind {
            "alarm" => self.one_of(&ALARMS),
            _ => self.one_of(&PROFILES),
        };
        let is_keyed = self.random.chance(600);
        let tries = 1 + self.random.below(6);
        for attempt in 0..tries {
            let key = if is_keyed { key.to_owned() } else { format!("{key}-{attempt}") };
            let body = body.clone();
            let command = Command { kind, entity, name, body, key, is_keyed };
            let told = self.ask(&command).await;
            let is_over = match &told {
                Told::Answer(Ok(_)) => true,
                Told::Answer(Err(failure)) => failed(failure) == Completion::Rejected,
                Told::Nothing => !is_keyed,
            };
            self.note_asked(&command, &told);
            if is_over {
                return;
            }
            self.pause().await;
        }
    }

    fn note_asked(&self, command: &Command, told: &Told<Answer>) {
        let mut asked = self.asked.lock();
        let asked = asked.entry(command.stream()).or_default().entry(command.id()).or_default();
        match told {
            Told::Answer(Ok(answer)) => {
                if command.name.starts_with("crash") {
                    self.sim.blame(format!("{command:?} was answered with {answer:?}"));
                }
                asked.may_have_happened = true;
            }
            Told::Answer(Err(failure)) if failed(failure) != Completion::Unknown => {}
            Told::Answer(Err(_)) | Told::Nothing => asked.may_have_happened = true,
        }
    }

    fn one_of(&mut self, names: &[&'static str]) -> &'static str {
        names[below(&mut self.random, names.len() as u64)]
    }

    pub(crate) async fn pause(&mut self) {
        sleep(Duration::from_micros(self.random.below(40_000))).await;
    }

    /// A node that is alive: mostly the owner.
    pub(crate) async fn door(&mut self) -> Door {
        let takes_the_other = self.random.chance(100);
        let roster = self.board.ready().await;
        let place = if takes_the_other { 1 - roster.owner } else { roster.owner };
        let [first, second] = roster.doors;
        let (wanted, other) = if place == 0 { (first, second) } else { (second, first) };
        match wanted.or(other) {
            Some(door) => door,
            None => std::future::pending().await,
        }
    }

    /// Mostly patient; a few deadlines are met only with luck.
    fn deadline(&mut self) -> (Instant, bool) {
        let is_patient = !self.random.chance(60);
        let patience = match is_patient {
            true => PATIENCE,
            false => Duration::from_millis(self.random.below(30)),
        };
        (Instant::now() + patience, is_patient)
    }

    async fn ask(&mut self, command: &Command) -> Told<Answer> {
        let door = self.door().await;
        let deadline = self.deadline();
        self.ask_at(&door, deadline, command).await
    }

    async fn ask_at(
        &self,
        door: &Door,
        (deadline, is_patient): (Instant, bool),
        command: &Command,
    ) -> Told<Answer> {
        let (number, name, entity) = (self.number, command.name, command.entity);
        let node = door.node;
        let key = &command.key;
        self.sim.note(format_args!("client {number} asks node {node}: {name} {entity} {key}"));
        let shocks = door.shocks();
        let asking = door.registry.ask(command.kind, command.request(deadline));
        let told = tokio::select! {
            biased;
            () = door.ended() => Told::Nothing,
            told = asking => Told::Answer(told),
        };
        let Told::Answer(answer) = &told else {
            self.sim.note(format_args!("client {number} hears nothing"));
            return told;
        };
        self.sim.note(format_args!("client {number} hears {answer:?}"));
        match answer {
            Ok(answer) => self.check_answer(command, answer),
            Err(failure) => {
                let is_cut_off = is_cut_off(door, shocks, deadline);
                self.check_failure(command, failure, is_patient && !is_cut_off);
            }
        }
        told
    }

    async fn view(&mut self, kind: &'static str, entity: &'static str) -> Told<View> {
        let door = self.door().await;
        let (deadline, is_patient) = self.deadline();
        let (number, node) = (self.number, door.node);
        self.sim.note(format_args!("client {number} reads {entity} on node {node}"));
        let shocks = door.shocks();
        let told = tokio::select! {
            biased;
            () = door.ended() => return Told::Nothing,
            told = door.registry.view(kind, tenant(), id(entity), deadline) => told,
        };
        self.sim.note(format_args!("client {number} sees {told:?}"));
        match &told {
            Ok(view) if self.sim.books().len(&stream(kind, entity)) < view.sequence.0 => {
                self.sim.blame(format!("{entity} is shown with what is not committed: {view:?}"));
            }
            Err(Failure::TimedOut | Failure::DeadlineExceeded)
                if is_patient && !is_cut_off(&door, shocks, deadline) =>
            {
                self.sim.blame(format!("a read of {entity} was forgotten"));
            }
            Ok(_) | Err(_) => {}
        }
        Told::Answer(told)
    }

    /// What is answered stands in the journal, now.
    pub(crate) fn check_answer(&self, command: &Command, answer: &Answer) {
        if matches!(command.name, "touch") {
            return;
        }
        let Sequence(sequence) = answer.sequence;
        let cause = self.sim.books().cause(&command.stream(), answer.sequence);
        if cause != Some(command.id()) {
            let (entity, key) = (command.entity, &command.key);
            let problem = format!("{key} on {entity} is answered at {sequence}");
            self.sim.blame(format!("{problem}, where the journal has {cause:?}"));
        }
    }

    pub(crate) fn check_failure(&self, command: &Command, failure: &Failure, is_patient: bool) {
        let is_wrong = match failure {
            Failure::TimedOut | Failure::DeadlineExceeded => is_patient,
            Failure::Damaged { .. }
            | Failure::KeyReused
            | Failure::UnknownKind(_)
            | Failure::UnknownCommand(_)
            | Failure::InvalidBody(_)
            | Failure::Undigested
            | Failure::Unlinked
            | Failure::Conflict => true,
            _ => false,
        };
        if is_wrong {
            let (entity, key) = (command.entity, &command.key);
            self.sim.blame(format!("{key} on {entity} got {failure:?}"));
        }
    }
}
