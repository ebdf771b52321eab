//! SIGKILL at random moments while money is spent over HTTP: what was answered is so, and nothing
//! was done twice.
//!
//! `COPPICE_TEST_KILLS` sets the number of kills of each test (20), `SIM_SEED` repeats a run's
//! choices.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use coppice_persistence::{PostgresOptions, SqlStore, SqliteOptions, Store};
use coppice_testkit::client::Reply;
use coppice_testkit::{Client, Random, Sandbox, binary, conservation, postgres};
use coppice_tests::node::until;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

const CLIENTS: u64 = 12;
const WORKFLOWS: u64 = 3;
/// Shorter than anybody's patience: the process may be dead.
const PAUSE: Duration = Duration::from_millis(20);
const TRIES_MAX: u32 = 3_000;

fn kills() -> u64 {
    std::env::var("COPPICE_TEST_KILLS").map_or(20, |text| text.parse().expect("a number of kills"))
}

fn seed() -> u64 {
    let seed = std::env::var("SIM_SEED").map_or_else(
        |_| u64::from(std::process::id()) ^ uuid::Uuid::now_v7().as_u64_pair().0,
        |text| text.parse().expect("SIM_SEED is a number"),
    );
    println!("SIM_SEED={seed}");
    seed
}

/// An intent as its client knows it.
#[derive(Debug)]
struct Told {
    id: String,
    decision: Value,
    end: Option<Value>,
}

struct Worker {
    number: u64,
    random: Random,
    server: watch::Receiver<Client>,
    answered: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
}

impl Worker {
    /// Posts until there is an answer that says what happened.
    async fn post(&mut self, path: &str, body: &Value, key: Option<&str>) -> Reply {
        for _ in 0..TRIES_MAX {
            let client = self.server.borrow().clone();
            if let Ok(reply) = client.post(path, body, key).await
                && (reply.status.is_success() || reply.status == 422)
            {
                self.answered.fetch_add(1, Ordering::SeqCst);
                return reply;
            }
            let pause = PAUSE + Duration::from_millis(self.random.below(20));
            // Either the server has moved, or it is tried where it was.
            let _moved = timeout(pause, self.server.changed()).await;
        }
        panic!("{path} is never answered")
    }

    async fn run(mut self) -> Vec<Told> {
        let mut told = Vec::new();
        for step in 0_u64.. {
            if self.stopping.load(Ordering::SeqCst) {
                break;
            }
            let key = format!("{}-{step}", self.number);
            let amount = 1 + self.random.below(50);
            let wanted = json!({
                "amount": amount, "asset": "USD", "merchant": "acme", "category": "compute",
                "ttl_seconds": 3600, "workflow_id": format!("w-{}", self.number % WORKFLOWS),
            });
            let created = self.post("/v1/money/intents", &wanted, Some(&key)).await;
            let id = created.body["id"].as_str().unwrap_or_else(|| panic!("{}", created.body));
            let decide = json!({ "intent_id": id });
            let decision = self.post("/v1/money/authorize", &decide, None).await.body;
            let part = json!({ "amount": 1 + self.random.below(amount) });
            let end = match self.random.below(4) {
                0 => Some(("post", json!({}))),
                1 => Some(("post", part)),
                2 => Some(("void", json!({}))),
                _ => None,
            };
            let end = match end.filter(|_| decision["decision"] == "approved") {
                Some((word, body)) => {
                    let path = format!("/v1/money/intents/{id}/{word}");
                    let reply = self.post(&path, &body, None).await;
                    assert_eq!(reply.status, 200, "{}", reply.body);
                    Some(reply.body)
                }
                None => None,
            };
            told.push(Told { id: id.to_owned(), decision, end });
        }
        told
    }
}

async fn open(data: &Path, database: Option<&str>) -> impl Store {
    match database {
        None => SqlStore::open_sqlite(data, SqliteOptions::default()).await.unwrap(),
        Some(url) => SqlStore::open_postgres(url, PostgresOptions::default()).await.unwrap(),
    }
}

async fn fund(client: &Client) {
    let made = async |path: &str, body: Value, key: Option<&str>| {
        let reply = client.post(path, &body, key).await.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
    };
    made("/v1/money/accounts", json!({"asset": "USD"}), None).await;
    for workflow in 0..WORKFLOWS {
        let budget =
            json!({"asset": "USD", "workflow_id": format!("w-{workflow}"), "ceiling": 4000});
        made("/v1/money/accounts", budget, None).await;
    }
    made("/v1/money/transfers", json!({"to": "funding:USD.2", "amount": 10_000}), Some("d")).await;
}

/// What every client was told is what is served.
async fn check_told(client: &Client, told: &[Told]) {
    for Told { id, decision, end } in told {
        let shown = client.get_path(&format!("/v1/money/intents/{id}")).await.unwrap().body;
        assert_eq!(shown["decision"], decision["decision"], "{shown}");
        assert_eq!(shown["reason_code"], decision["reason_code"], "{shown}");
        if let Some(end) = end {
            assert_eq!((&shown["status"], &shown["posted"]), (&end["status"], &end["posted"]));
        }
    }
}

async fn spent_through_kills(database: Option<&str>) {
    let seed = seed();
    let mut random = Random::seeded(seed);
    let mut builder = Sandbox::builder(binary())
        .own_key()
        .env("COPPICE_RUNTIME__SNAPSHOT_EVERY", "50")
        .env("COPPICE_TREASURY__AUTHORIZE_TIMEOUT_MS", "5000")
        .env("COPPICE_TREASURY__VELOCITY_MAX_CENTS", "3000")
        .env("COPPICE_TREASURY__GLOBAL_DAILY_CAP_CENTS", "9000");
    if let Some(url) = database {
        builder = builder.database(url);
    }
    let mut sandbox = builder.start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    fund(&client).await;
    let (server, seen) = watch::channel(client);
    let (answered, stopping) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut workers = JoinSet::new();
    for number in 0..CLIENTS {
        let random = Random::seeded(seed ^ (number << 32));
        let (answered, stopping) = (Arc::clone(&answered), Arc::clone(&stopping));
        let worker = Worker { number, random, server: seen.clone(), answered, stopping };
        workers.spawn(worker.run());
    }
    for _ in 0..kills() {
        let target = answered.load(Ordering::SeqCst) + 1 + random.below(60);
        until("money moves", || answered.load(Ordering::SeqCst) >= target).await;
        sandbox.kill().unwrap();
        sandbox.restart().await.unwrap();
        server.send_modify(|client| *client = client.at(sandbox.url()));
    }
    stopping.store(true, Ordering::SeqCst);
    let told: Vec<Told> = workers.join_all().await.into_iter().flatten().collect();
    check_told(&server.borrow().clone(), &told).await;
    let status = sandbox.terminate().await.expect("it stops when it is told to");
    assert!(status.success(), "{status}\n{}", sandbox.log_tail());

    let store = open(sandbox.data(), database).await;
    let balanced = match conservation::check_store(&store).await.unwrap() {
        Ok(balanced) => balanced,
        Err(unbalanced) => panic!("{unbalanced}\n{}", sandbox.log_tail()),
    };
    drop(store);
    println!("{balanced}; {} intents", told.len());
    let approved = told.iter().filter(|told| told.decision["decision"] == "approved").count();
    assert_eq!((balanced.approved, balanced.denied), (approved, told.len() - approved));
    assert!(approved > 0);
    let verified = sandbox.run("verify", [] as [&str; 0]).unwrap();
    let text = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success(), "verify says {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_about_money_survives_kills_and_is_done_once_on_sqlite() {
    spent_through_kills(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_about_money_survives_kills_and_is_done_once_on_postgresql() {
    let url = postgres::shared_database().unwrap();
    spent_through_kills(Some(&url)).await;
}
