//! Freeze and kill switches of the real binary: what is stopped starts nothing, also after a
//! SIGKILL, and goes on where it was with nothing lost and nothing doubled.
//!
//! `SIM_SEED` repeats a run's choices.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]
#![expect(clippy::print_stdout, reason = "seeds and numbers belong to the test's output")]

#[path = "freeze/routes.rs"]
mod routes;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coppice_core::StoredEvent;
use coppice_core::control::CONTROL_KIND;
use coppice_persistence::{PostgresOptions, SqlStore, SqliteOptions};
use coppice_testkit::sandbox::OPERATOR_KEY;
use coppice_testkit::{
    Checker, Client, Random, Receiver, Sandbox, Told, binary, postgres, read_whole_journal,
};
use coppice_tests::clients::Clients;
use coppice_tests::node::{route, tenant};
use serde_json::{Value, json};
use tokio::time::sleep;

const ALARMS: u32 = 40;
const TIMERS: u32 = 5;
/// Timers are due within it: some before the freeze, some in it.
const DUE_WITHIN_MS: u64 = 6_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a call may take that was under way when the freeze came.
const SETTLES_WITHIN: Duration = Duration::from_secs(1);
/// How long nothing is heard.
const QUIET: Duration = Duration::from_millis(1_500);

fn seed() -> u64 {
    let seed = match std::env::var("SIM_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
    };
    println!("SIM_SEED={seed}");
    seed
}

/// A frozen system under load, and what is seen of it.
struct Scene {
    sandbox: Sandbox,
    receiver: Receiver,
    tenant: Client,
    operator: Client,
}

impl Scene {
    async fn start(database: Option<&str>) -> Self {
        let receiver = Receiver::start(Duration::from_millis(40), 7).await.unwrap();
        let mut builder =
            Sandbox::builder(binary()).env("COPPICE_EFFECTS__BELL_URL", receiver.url());
        if let Some(url) = database {
            builder = builder.database(url);
        }
        let sandbox = builder.start().await.unwrap();
        let tenant = Client::new(sandbox.url(), sandbox.key());
        let operator = Client::new(sandbox.url(), OPERATOR_KEY);
        Self { sandbox, receiver, tenant, operator }
    }

    async fn set_timers(&self, random: &mut Random) {
        for alarm in 0..ALARMS {
            for timer in 0..TIMERS {
                let body = json!({
                    "timer": format!("t{timer}"),
                    "in_ms": 1 + random.below(DUE_WITHIN_MS),
                    "counter": format!("rung{alarm}"),
                });
                let (path, key) =
                    (format!("/v1/entities/alarm/a{alarm}/set"), format!("{alarm}-{timer}"));
                let set = self.tenant.post(&path, &body, Some(&key)).await.unwrap();
                assert_eq!(set.status.as_u16(), 200, "{set:?}");
            }
        }
    }

    async fn say(&self, path: &str, key: &str) -> Value {
        let body = json!({ "reason": "a test says so" });
        let said = self.operator.post(path, &body, Some(key)).await.unwrap();
        assert_eq!(said.status.as_u16(), 200, "{said:?}");
        said.body
    }

    /// Nothing is sent for a while, from a second after the freeze on.
    async fn is_quiet(&self) {
        let heard = self.receiver.received().len();
        sleep(QUIET).await;
        assert_eq!(self.receiver.received().len(), heard, "something was sent while frozen");
    }

    async fn refuses_commands_and_answers_all_else(&self) {
        let refused = self.tenant.add("refused", 1, None).await.unwrap();
        let found = (refused.status.as_u16(), refused.code(), refused.outcome());
        assert_eq!(found, (503, Some("frozen"), Some("not_applied")), "{refused:?}");
        assert_eq!(refused.retry_after, Some(10));
        let deleted = self.tenant.delete("/v1/entities/alarm/a0").await.unwrap();
        assert_eq!(deleted.code(), Some("frozen"));
        for path in [
            "/health",
            "/v1/entities/alarm/a0",
            "/v1/entities?kind=alarm",
            "/v1/entities/alarm/a0/events",
            "/v1/inspect/tree",
            "/v1/inspect/actors/alarm",
            "/v1/inspect/dead-letters",
        ] {
            let read = self.tenant.get_path(path).await.unwrap();
            assert_eq!(read.status.as_u16(), 200, "{path}: {read:?}");
        }
        let control = self.operator.get_path("/v1/control").await.unwrap().body;
        assert_eq!(control["frozen"]["reason"], "a test says so", "{control}");
    }

    /// Waits until every ring is recorded, of the bell and of the counter.
    async fn all_are_heard(&self) {
        let deadline = Instant::now() + PATIENCE;
        for alarm in 0..ALARMS {
            let path = format!("/v1/entities/alarm/a{alarm}");
            loop {
                let view = self.tenant.get_path(&path).await.unwrap().body;
                if view["state"]["heard"] == 2 * TIMERS && view["state"]["outstanding"] == 0 {
                    break;
                }
                assert!(Instant::now() < deadline, "{path}: {view}");
                sleep(Duration::from_millis(20)).await;
            }
            let counter = self.tenant.get(&format!("rung{alarm}")).await.unwrap();
            assert_eq!(counter.value(), Some(i64::from(TIMERS)), "{alarm}");
        }
        let mut by_key: BTreeMap<String, u32> = BTreeMap::new();
        for received in self.receiver.received() {
            *by_key.entry(received.key).or_default() += 1;
        }
        assert_eq!(by_key.len(), (ALARMS * TIMERS) as usize, "each ring under a key of its own");
        // Nothing was under way when the process was killed: it was frozen.
        assert!(by_key.values().all(|times| *times == 1), "{by_key:?}");
    }

    async fn restart(&mut self) {
        self.sandbox.kill().unwrap();
        self.sandbox.restart().await.unwrap();
        self.tenant = self.tenant.at(self.sandbox.url());
        self.operator = self.operator.at(self.sandbox.url());
    }
}

async fn freeze_under_load(database: Option<&str>) {
    let seed = seed();
    let mut random = Random::seeded(seed);
    let mut scene = Scene::start(database).await;
    let clients = Clients::start(scene.tenant.clone(), 8, 6, seed);
    scene.set_timers(&mut random).await;
    let deadline = Instant::now() + PATIENCE;
    while scene.receiver.received().len() < 20 {
        assert!(Instant::now() < deadline, "nothing rings");
        sleep(Duration::from_millis(5)).await;
    }

    let frozen = scene.say("/v1/control/freeze", "freeze").await;
    assert_eq!((&frozen["changed"], &frozen["repeated"]), (&json!(true), &json!(false)));
    sleep(SETTLES_WITHIN).await;
    scene.is_quiet().await;
    scene.refuses_commands_and_answers_all_else().await;
    let before = scene.receiver.received().len();
    assert!(before < (ALARMS * TIMERS) as usize, "nothing was left to be held back");

    scene.restart().await;
    clients.moved_to(scene.sandbox.url());
    scene.refuses_commands_and_answers_all_else().await;
    scene.is_quiet().await;
    assert_eq!(scene.receiver.received().len(), before, "a node that starts frozen sent something");

    // Until everything is due.
    sleep(Duration::from_millis(DUE_WITHIN_MS / 2)).await;
    assert_eq!(scene.receiver.received().len(), before);
    let began = Instant::now();
    scene.say("/v1/control/unfreeze", "unfreeze").await;
    scene.all_are_heard().await;
    println!("{before} rings before, all {} {:?} after", ALARMS * TIMERS, began.elapsed());
    clients.progress(50).await;
    check(scene, clients, database).await;
}

/// Every acknowledged command took effect once, and the journal is sound.
async fn check(mut scene: Scene, clients: Clients, database: Option<&str>) {
    let (history, served) = clients.finish().await;
    let status = scene.sandbox.terminate().await.unwrap();
    assert!(status.success(), "{status}\n{}", scene.sandbox.log_tail());
    let store = match database {
        None => SqlStore::open_sqlite(scene.sandbox.data(), SqliteOptions::default()).await,
        Some(url) => SqlStore::open_postgres(url, PostgresOptions::default()).await,
    };
    let store = store.unwrap();
    let journal = read_whole_journal(&store).await.unwrap();
    drop(store);
    let switches = journal.iter().filter(|event| event.key.kind().as_str() == CONTROL_KIND);
    let switches: Vec<_> = switches.collect();
    let types: Vec<&str> = switches.iter().map(|event| &*event.record.body.event_type).collect();
    assert_eq!(types, ["system_control.stopped.v1", "system_control.resumed.v1"]);
    for event in switches {
        let payload: Value = serde_json::from_str(&event.record.body.payload).unwrap();
        assert_eq!(payload["reason"], "a test says so");
        assert!(payload["by"].as_str().unwrap().starts_with("api key "), "{payload}");
    }
    // What the alarms told their counters was counted before; the clients' adds are checked here.
    let is_told = |event: &&StoredEvent| event.key.id().as_str().starts_with("rung");
    let told = journal.iter().filter(is_told).map(|event| {
        let told = Told { n: 1, is_settled: true };
        (event.key.id().to_string(), event.record.body.causation, told)
    });
    let told: Vec<_> = told.collect();
    let mut served = served;
    served.extend((0..ALARMS).map(|alarm| (format!("rung{alarm}"), i64::from(TIMERS))));
    let checker = Checker::new(&tenant(), route, history.attempts(), journal).unwrap();
    println!("{}", checker.told(told).check(&served).unwrap());
    let verified = scene.sandbox.run("verify", [] as [&str; 0]).unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_under_load_starts_nothing_more_and_loses_and_doubles_nothing_on_sqlite() {
    freeze_under_load(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_under_load_starts_nothing_more_and_loses_and_doubles_nothing_on_postgresql() {
    let url = postgres::shared_database().unwrap();
    freeze_under_load(Some(&url)).await;
}
