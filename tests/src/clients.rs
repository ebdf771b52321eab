//! Many clients that drive counters over HTTP, survive the server's deaths and record what they
//! were told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coppice_core::Sequence;
use coppice_testkit::client::completion_of;
use coppice_testkit::{Client, Completion, History, Op, Random};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a client waits for the server to come back before it tries again.
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// How long the clients may take to make progress before the test counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a client tries one command before the test counts as hung.
const TRIES_MAX: u32 = 3_000;

/// Clients at work.
#[derive(Debug)]
pub struct Clients {
    /// What they did and were told.
    pub history: History,
    counters: usize,
    acknowledged: Arc<watch::Sender<u64>>,
    stopping: Arc<AtomicBool>,
    server: watch::Sender<Client>,
    tasks: JoinSet<()>,
}

struct Worker {
    number: u32,
    random: Random,
    counters: usize,
    history: History,
    acknowledged: Arc<watch::Sender<u64>>,
    stopping: Arc<AtomicBool>,
    server: watch::Receiver<Client>,
}

impl Clients {
    /// Starts `count` clients on `counters` counters; what they do follows from the seed.
    #[must_use]
    pub fn start(server: Client, count: u32, counters: usize, seed: u64) -> Self {
        let (server, seen) = watch::channel(server);
        let history = History::default();
        let (acknowledged, stopping) = (Arc::new(watch::Sender::new(0)), Arc::default());
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let worker = Worker {
                number,
                random: Random::seeded(seed.wrapping_add(u64::from(number) << 32)),
                counters,
                history: history.clone(),
                acknowledged: Arc::clone(&acknowledged),
                stopping: Arc::clone(&stopping),
                server: seen.clone(),
            };
            tasks.spawn(worker.run());
        }
        Self { history, counters, acknowledged, stopping, server, tasks }
    }

    /// Tells them where the server is now.
    pub fn moved_to(&self, url: &str) {
        self.server.send_modify(|client| *client = client.at(url));
    }

    /// Waits until so many more commands were acknowledged.
    pub async fn progress(&self, by: u64) {
        let target = *self.acknowledged.borrow() + by;
        let mut seen = self.acknowledged.subscribe();
        let waited = timeout(PATIENCE, seen.wait_for(|count| *count >= target)).await;
        waited.expect("the clients get answers").expect("the sender lives as long as we do");
    }

    /// Lets each finish its command, and reads every counter.
    pub async fn finish(mut self) -> (History, BTreeMap<String, i64>) {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no client gives up");
        }
        let client = self.server.borrow().clone();
        let mut served = BTreeMap::new();
        for number in 0..self.counters {
            let counter = name(number);
            let reply = client.get(&counter).await.expect("the server is up at the end");
            if let Some(value) = reply.value() {
                served.insert(counter, value);
            }
        }
        (self.history, served)
    }
}

fn name(number: usize) -> String {
    format!("c{number}")
}

impl Worker {
    async fn run(mut self) {
        let mut count = 0_u64;
        while !self.stopping.load(Ordering::Relaxed) {
            count += 1;
            let counter =
                name(usize::try_from(self.random.below(self.counters as u64)).unwrap_or(0));
            if self.random.chance(100) {
                self.read(&counter).await;
            } else {
                let n = i64::try_from(self.random.below(1_000)).unwrap_or(0) - 300;
                self.add(&counter, n, &format!("{}-{count}", self.number)).await;
            }
        }
    }

    async fn read(&self, counter: &str) {
        let client = self.server.borrow().clone();
        let op = self.history.invoke(self.number, counter, Op::Read);
        let reply = client.get(counter).await;
        let completion = match &reply {
            // A counter that nobody has added to is not there: it stands at nothing.
            Ok(reply) if reply.code() == Some("entity_not_found") => {
                Completion::Ok { sequence: Sequence(0), value: 0 }
            }
            other => completion_of(other),
        };
        self.history.complete(op, completion);
    }

    /// Tries one command until it is acknowledged.
    async fn add(&mut self, counter: &str, n: i64, key: &str) {
        for _ in 0..TRIES_MAX {
            let client = self.server.borrow_and_update().clone();
            let asked = Op::Add { n, idempotency_key: key.to_owned() };
            let op = self.history.invoke(self.number, counter, asked);
            let reply = client.add(counter, n, Some(key)).await;
            let completion = completion_of(&reply);
            self.history.complete(op, completion);
            match completion {
                Completion::Ok { .. } => {
                    self.acknowledged.send_modify(|count| *count += 1);
                    return;
                }
                Completion::Rejected => panic!("an add was refused: {reply:?}"),
                Completion::NotApplied | Completion::Unknown => {
                    drop(timeout(RETRY_AFTER, self.server.changed()).await);
                }
            }
        }
        panic!("client {} never got an answer for {key}", self.number);
    }
}
