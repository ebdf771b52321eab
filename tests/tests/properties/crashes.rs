//! Any interleaving of crashes, faults and commands equals the commands without crashes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use coppice_runtime::task::spawn;
use coppice_runtime::{Answer, Failure, Outcome, RuntimeOptions, View};
use coppice_testkit::{
    Action, Checker, Completion, Faults, History, MemoryStore, Op, Point, Random, Times,
    VirtualClock, read_whole_journal,
};
use coppice_tests::node::{Caller, add, id, route, tenant, value};
use coppice_tests::running::run;
use tokio::sync::watch;
use tokio::time::Instant;

const COUNTERS: [&str; 3] = ["a", "b", "c"];
const SEEDS: u64 = 1_000;
const CLIENTS: u32 = 5;
const OPERATIONS: u32 = 9;
/// So often a client tries one command before the run counts as stuck.
const TRIES_MAX: u32 = 300;

/// The node that is alive; `None` while there is none.
type Alive = watch::Receiver<Option<Caller>>;

struct Client {
    number: u32,
    alive: Alive,
    history: History,
    random: Random,
}

fn added(answer: &Result<Answer, Failure>) -> Completion {
    match answer {
        Ok(answer) => Completion::Ok { sequence: answer.sequence, value: value(&answer.reply) },
        Err(failure) => failed(failure),
    }
}

fn shown(view: &Result<View, Failure>) -> Completion {
    match view {
        Ok(view) => Completion::Ok { sequence: view.sequence, value: value(&view.state) },
        Err(failure) => failed(failure),
    }
}

fn failed(failure: &Failure) -> Completion {
    match failure {
        Failure::Rejected { .. } => Completion::Rejected,
        other if other.outcome() == Outcome::NotApplied => Completion::NotApplied,
        _ => Completion::Unknown,
    }
}

impl Client {
    /// One try against the node that is alive. What a dead one still says reaches nobody.
    async fn attempt(&mut self, counter: &str, op: &Op) -> Completion {
        let ready = self.alive.wait_for(Option::is_some).await.unwrap().clone();
        let caller = ready.unwrap();
        self.alive.mark_unchanged();
        let recorded = self.history.invoke(self.number, counter, op.clone());
        let deadline = Instant::now() + Duration::from_secs(2);
        let asking = async {
            match op {
                Op::Add { n, idempotency_key } => {
                    let mut request = add(counter, *n, Some(idempotency_key));
                    request.deadline = deadline;
                    added(&caller.0.ask("counter", request).await)
                }
                Op::Read => {
                    let reading = caller.0.view("counter", tenant(), id(counter), deadline);
                    shown(&reading.await)
                }
            }
        };
        let completion = tokio::select! {
            biased;
            _ = self.alive.changed() => Completion::Unknown,
            completion = asking => completion,
        };
        self.history.complete(recorded, completion);
        completion
    }

    async fn run(mut self) {
        for operation in 0..OPERATIONS {
            let counter = COUNTERS[usize::try_from(self.random.below(3)).unwrap()];
            let pause = self.random.below(12);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if self.random.chance(250) {
                self.attempt(counter, &Op::Read).await;
                continue;
            }
            let n = i64::try_from(self.random.below(200)).unwrap() - 100;
            let op = Op::Add { n, idempotency_key: format!("{}-{operation}", self.number) };
            let mut tries = 0;
            while !matches!(self.attempt(counter, &op).await, Completion::Ok { .. }) {
                tries += 1;
                assert!(tries < TRIES_MAX, "{op:?} on {counter} is never acknowledged");
                let pause = 1 + self.random.below(30);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            // A client may ask again though it knows.
            if self.random.chance(200) {
                self.attempt(counter, &op).await;
            }
        }
    }
}

fn arm(faults: &Faults, random: &mut Random) {
    let mut rare = |most: u64| u16::try_from(random.below(most)).unwrap();
    faults.arm(Point::BeforeAppend, Action::Jitter(Duration::from_millis(6)), Times::Always);
    faults.arm(Point::BeforeAppend, Action::Unavailable, Times::PerMille(rare(250)));
    faults.arm(Point::BeforeAppend, Action::Full, Times::PerMille(rare(150)));
    let answers = Point::AfterAppendBeforeAnswer;
    faults.arm(answers, Action::Jitter(Duration::from_millis(6)), Times::PerMille(500));
    faults.arm(answers, Action::Unavailable, Times::PerMille(rare(250)));
    for point in [Point::Entity, Point::ReadStream, Point::Commands, Point::Snapshot] {
        faults.arm(point, Action::Jitter(Duration::from_millis(3)), Times::PerMille(300));
        faults.arm(point, Action::Unavailable, Times::PerMille(rare(80)));
    }
    faults.arm(Point::SaveSnapshots, Action::Unavailable, Times::PerMille(300));
}

fn options(random: &mut Random) -> RuntimeOptions {
    let mut below = |bound: u64| usize::try_from(random.below(bound)).unwrap();
    RuntimeOptions {
        command_window: below(4),
        snapshot_every: 1 + below(6) as u64,
        drain_batch: 1 + below(5),
        tickets_open_max: 1 + below(6),
        batch_tickets_max: 1 + below(6),
        read_page: 1 + below(4),
        mailbox_capacity: 2 + below(20),
        store_retry_first: Duration::from_millis(1),
        store_retry_max: Duration::from_millis(20),
        ..RuntimeOptions::default()
    }
}

async fn simulate(seed: u64) {
    println!("SIM_SEED={seed}");
    let mut random = Random::seeded(seed);
    let clock = VirtualClock::default();
    let database = MemoryStore::new(Arc::new(clock.clone()));
    let faults = Faults::seeded(seed);
    let store = Arc::new(database.connect(faults.clone()));
    let options = options(&mut random);
    let (dead, alive) = watch::channel(None);
    let history = History::default();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let random = Random::seeded(random.bits());
            let client = Client { number, alive: alive.clone(), history: history.clone(), random };
            spawn(client.run())
        })
        .collect();
    let (mut node, caller) =
        run(store.clone(), Arc::new(clock.clone()), options.clone(), None).await;
    arm(&faults, &mut random);
    dead.send_replace(Some(caller));
    let mut crashes = random.below(8);
    while !clients.iter().all(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(random.below(60))).await;
        if crashes == 0 {
            continue;
        }
        crashes -= 1;
        dead.send_replace(None);
        node.abort();
        clock.jump_back(Duration::from_millis(random.below(1_000)));
        tokio::time::sleep(Duration::from_millis(random.below(8))).await;
        let clock = Arc::new(clock.clone());
        let (next, caller) = run(store.clone(), clock, options.clone(), None).await;
        node = next;
        dead.send_replace(Some(caller));
    }
    for client in clients {
        client.await.unwrap();
    }
    faults.clear();
    let caller = dead.borrow().clone().unwrap();
    check(&database, &caller, &history).await;
    node.abort();
    // What is read back from the journal alone is the same.
    let (node, caller) = run(store, Arc::new(clock), options, None).await;
    check(&database, &caller, &history).await;
    node.abort();
}

async fn check(database: &MemoryStore, caller: &Caller, history: &History) {
    let mut served = BTreeMap::new();
    for counter in COUNTERS {
        let view = caller.read(counter).await.unwrap();
        served.insert(counter.to_owned(), value(&view.state));
    }
    let journal = read_whole_journal(database).await.unwrap();
    let times: Vec<_> =
        journal.iter().map(|at| (at.key.stream(), at.record.body.recorded_at)).collect();
    for (at, (stream, time)) in times.iter().enumerate() {
        let before = times[..at].iter().rev().find(|(other, _)| other == stream);
        assert!(before.is_none_or(|(_, before)| before <= time), "time runs backwards");
    }
    let checker = Checker::new(&tenant(), route, history.attempts(), journal).unwrap();
    let summary = checker.check(&served).unwrap_or_else(|violation| panic!("{violation}"));
    assert_eq!(summary.unknown_applied + summary.unknown_absent + summary.not_applied, 0);
}

#[tokio::test(start_paused = true)]
async fn crashes_and_faults_change_nothing() {
    for seed in 0..SEEDS {
        simulate(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn crashes_and_faults_change_nothing_under_fresh_seeds() {
    let base = uuid::Uuid::new_v4().as_u64_pair().0;
    for offset in 0..20 {
        simulate(base.wrapping_add(offset)).await;
    }
}
