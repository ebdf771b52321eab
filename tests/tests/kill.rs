//! SIGKILL at random moments: whatever was acknowledged is there once, and nothing else is.
//!
//! `COPPICE_TEST_KILLS` sets the number of kills of each test (20), `SIM_SEED` repeats a run's
//! choices.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]
#![allow(clippy::print_stdout, reason = "seeds and sums belong to the test's output")]

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use coppice_persistence::{PostgresOptions, SqlStore, SqliteOptions, Store};
use coppice_testkit::postgres::{self, PostgresServer, StopMode};
use coppice_testkit::{Checker, Client, Random, Sandbox, binary, read_whole_journal};
use coppice_tests::clients::Clients;
use coppice_tests::inspection;
use coppice_tests::node::{route, tenant};

const CLIENTS: u32 = 24;
const COUNTERS: usize = 12;

fn kills() -> u64 {
    std::env::var("COPPICE_TEST_KILLS").map_or(20, |text| text.parse().expect("a number of kills"))
}

fn seed() -> u64 {
    let seed = match std::env::var("SIM_SEED") {
        Ok(text) => text.parse().expect("SIM_SEED is a number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
            now.as_secs().wrapping_mul(1_000_003) ^ u64::from(now.subsec_nanos())
        }
    };
    println!("SIM_SEED={seed}");
    seed
}

async fn check(sandbox: &mut Sandbox, clients: Clients, database: Option<&str>) {
    let (history, served) = clients.finish().await;
    let status = sandbox.terminate().await.expect("it stops when it is told to");
    assert!(status.success(), "an orderly stop ends with 0: {status}\n{}", sandbox.log_tail());

    let store = open(sandbox.data(), database).await;
    let journal = read_whole_journal(&store).await.unwrap();
    drop(store);
    let checker = Checker::new(&tenant(), route, history.attempts(), journal).unwrap();
    match checker.check(&served) {
        Ok(summary) => println!("{summary}"),
        Err(violation) => panic!("{violation}\n{}", sandbox.log_tail()),
    }

    let verified = sandbox.run("verify", [] as [&str; 0]).unwrap();
    let text = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success(), "verify says {text}");
}

async fn open(data: &Path, database: Option<&str>) -> impl Store {
    match database {
        None => SqlStore::open_sqlite(data, SqliteOptions::default()).await.unwrap(),
        Some(url) => SqlStore::open_postgres(url, PostgresOptions::default()).await.unwrap(),
    }
}

async fn kill_at_random_moments(database: Option<&str>) {
    let seed = seed();
    let mut random = Random::seeded(seed);
    let mut builder = Sandbox::builder(binary()).own_key();
    // Small windows and frequent snapshots, so that recovery has all of its ways to go.
    for (name, value) in
        [("COMMAND_WINDOW", "8"), ("SNAPSHOT_EVERY", "50"), ("BATCH_TICKETS_MAX", "16")]
    {
        builder = builder.env(format!("COPPICE_RUNTIME__{name}"), value);
    }
    if let Some(url) = database {
        builder = builder.database(url);
    }
    let mut sandbox = builder.start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let clients = Clients::start(client, CLIENTS, COUNTERS, seed);
    for _ in 0..kills() {
        clients.progress(1 + random.below(150)).await;
        sandbox.kill().unwrap();
        sandbox.restart().await.unwrap();
        clients.moved_to(sandbox.url());
    }
    clients.progress(100).await;
    check(&mut sandbox, clients, database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_on_sqlite() {
    kill_at_random_moments(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_on_postgresql() {
    let url = postgres::shared_database().unwrap();
    kill_at_random_moments(Some(&url)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_itself_is_stopped_and_started_under_load() {
    let seed = seed();
    let mut random = Random::seeded(seed);
    let mut server = PostgresServer::start().unwrap();
    let url = server.create_database().unwrap();
    let mut sandbox = Sandbox::builder(binary()).own_key().database(&url).start().await.unwrap();
    let process = sandbox.process_id();
    let client = Client::new(sandbox.url(), sandbox.key());
    let clients = Clients::start(client.clone(), CLIENTS, COUNTERS, seed);
    for _ in 0..kills().div_ceil(4) {
        clients.progress(1 + random.below(150)).await;
        let mode = if random.chance(500) { StopMode::Immediate } else { StopMode::Fast };
        server.stop(mode).unwrap();
        server.start_again().unwrap();
    }
    clients.progress(100).await;
    assert_eq!(sandbox.process_id(), process, "the node lived through all of it");
    // No supervisor had anything to do: a store that is away is waited out where it is missed.
    let look = inspection::tree(&client).await;
    let fallen = inspection::fallen(&look);
    assert!(fallen.is_empty(), "{fallen:?}\n{}", sandbox.log_tail());
    assert!(look["writer"]["store_retries_total"] != 0, "the store was missed: {look}");
    check(&mut sandbox, clients, Some(&url)).await;
}
