//! `coppice backup` and `coppice restore`: what was acknowledged before a backup began is in it,
//! and what is not whole is neither taken for a backup nor restored.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "backup/broken.rs"]
mod broken;
#[path = "damage/database.rs"]
mod database;
#[path = "backup/run.rs"]
mod run;

use coppice_persistence::{SqlStore, SqliteOptions};
use coppice_testkit::history::Attempt;
use coppice_testkit::postgres::shared_database;
use coppice_testkit::{
    Checker, Client, Completion, History, Op, Sandbox, binary, read_whole_journal,
};
use coppice_tests::clients::Clients;
use coppice_tests::node::{route, tenant};
use run::{backup, restore};
use sqlx::{Connection, PgConnection};

const CLIENTS: u32 = 16;
const COUNTERS: usize = 8;
/// How many backups are taken while the clients work: what one moment doesn't show another does.
const BACKUPS: u64 = 4;

/// What clients knew when a backup began. Whatever they were told later may be in it or not.
fn known_at(before: &[Attempt], after: Vec<Attempt>) -> Vec<Attempt> {
    let cut = |(at, attempt): (usize, Attempt)| {
        let known = before.get(at).and_then(|attempt| attempt.completed);
        Attempt { completed: known, ..attempt }
    };
    after.into_iter().enumerate().map(cut).collect()
}

/// Serves a restored directory and holds it against what was known.
async fn check(data: &std::path::Path, known: Vec<Attempt>) {
    let mut sandbox = Sandbox::builder(binary()).data(data).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    // Nobody is at work here: they only read.
    let idle = Clients::start(client.clone(), 0, COUNTERS, 0);
    let (_, served) = idle.finish().await;

    // Everything acknowledged is answered again as it was, and does nothing a second time.
    let mut acknowledged = 0;
    for attempt in &known {
        let Op::Add { n, idempotency_key } = &attempt.op else { continue };
        let Some((_, Completion::Ok { sequence, value })) = attempt.completed else { continue };
        let again = client.add(&attempt.counter, *n, Some(idempotency_key)).await.unwrap();
        let told = (again.repeated(), again.sequence(), again.value());
        assert_eq!(told, (Some(true), Some(sequence), Some(value)), "{attempt:?}: {again:?}");
        acknowledged += 1;
    }
    assert!(acknowledged > 0, "the backup began before anything was acknowledged");
    assert!(sandbox.terminate().await.unwrap().success());

    let store = SqlStore::open_sqlite(data, SqliteOptions::default()).await.unwrap();
    let journal = read_whole_journal(&store).await.unwrap();
    store.close().await;
    let checker = Checker::new(&tenant(), route, known, journal).unwrap();
    checker.check(&served).unwrap_or_else(|violation| panic!("{violation}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_everything_that_was_acknowledged_before_it_began() {
    let home = tempfile::tempdir().unwrap();
    // Snapshots with nearly every commit: one that is ahead of the journal in a backup is found.
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_RUNTIME__SNAPSHOT_EVERY", "2")
        .start()
        .await
        .unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let clients = Clients::start(client, CLIENTS, COUNTERS, 7);
    let mut taken = Vec::new();
    for number in 0..BACKUPS {
        clients.progress(400).await;
        let before = clients.history.attempts();
        let to = home.path().join(format!("backup-{number}"));
        let done = backup(sandbox.data(), &to);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.stdout.starts_with("coppice backed up 8 entities, "), "{done:?}");
        let during = answered(&clients.history) - answered_of(&before);
        assert!(during > 0, "the node stood still while the backup was taken");
        taken.push((to, known_at(&before, clients.history.attempts())));
    }
    drop(clients.finish().await);
    drop(sandbox);
    for (number, (from, known)) in taken.into_iter().enumerate() {
        let data = home.path().join(format!("elsewhere-{number}"));
        let done = restore(&from, &data);
        assert_eq!(done.code, Some(0), "{done:?}");
        check(&data, known).await;
    }
}

fn answered(history: &History) -> usize {
    answered_of(&history.attempts())
}

fn answered_of(attempts: &[Attempt]) -> usize {
    attempts.iter().filter(|attempt| attempt.completed.is_some()).count()
}

#[tokio::test]
async fn a_restored_node_is_another_node_under_epochs_that_the_first_never_comes_to() {
    let home = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("a", 1, None).await.unwrap().value(), Some(1));
    let (from, data) = (home.path().join("backup"), home.path().join("data"));
    assert_eq!(backup(sandbox.data(), &from).code, Some(0));
    assert_eq!(restore(&from, &data).code, Some(0));
    assert!(!data.join("node.lock").exists(), "the id of the first is not taken along");

    // The first goes on and is even started again; both serve, for nothing can stop that.
    let mut restored = Sandbox::builder(binary()).data(&data).start().await.unwrap();
    let other = Client::new(restored.url(), restored.key());
    assert_eq!(other.add("a", 10, None).await.unwrap().value(), Some(11));
    assert_eq!(client.add("a", 2, None).await.unwrap().value(), Some(3));
    let mut sandbox = sandbox;
    assert!(restored.terminate().await.unwrap().success());
    sandbox.restart().await.unwrap();
    assert!(sandbox.terminate().await.unwrap().success());

    let text = "SELECT MIN(epoch), MAX(epoch), MIN(owner) FROM shards";
    let mut file = database::open(sandbox.data()).await;
    let first: Shards = sqlx::query_as(text).fetch_one(&mut file).await.unwrap();
    let mut file = database::open(&data).await;
    let second: Shards = sqlx::query_as(text).fetch_one(&mut file).await.unwrap();
    assert!(second.0 - first.1 > 1_000_000, "{second:?} follows {first:?}");
    assert_ne!(first.2, second.2, "they have names of their own");
}

/// The lowest epoch, the highest, and an owner.
type Shards = (i64, i64, String);

#[tokio::test]
async fn a_database_that_was_set_back_is_fenced_once_nobody_works_on_it() {
    let url = shared_database().unwrap();
    let mut sandbox = Sandbox::builder(binary()).database(&url).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("a", 1, None).await.unwrap().value(), Some(1));
    let elsewhere = tempfile::tempdir().unwrap();
    let fence = || {
        let data = elsewhere.path().to_str().unwrap();
        run::run(run::command(["fence", "--database", &url, "--data", data]))
    };
    run::fails(&fence(), 1, &["in use"]);
    assert!(sandbox.terminate().await.unwrap().success());

    let text = "SELECT MIN(epoch), MAX(epoch), MIN(owner) FROM shards";
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let before: Shards = sqlx::query_as(text).fetch_one(&mut connection).await.unwrap();
    assert_eq!(fence().stdout, "coppice fenced the store\n");
    let after: Shards = sqlx::query_as(text).fetch_one(&mut connection).await.unwrap();
    assert!(after.0 - before.1 > 1_000_000, "{after:?} follows {before:?}");
    sandbox.restart().await.unwrap();
    let client = client.at(sandbox.url());
    assert_eq!(client.add("a", 1, None).await.unwrap().value(), Some(2));
    let done = run::run(run::command(["backup", "--database", &url, "--to", "nowhere"]));
    run::fails(&done, 1, &["PostgreSQL", "docs/operations.md"]);
}

#[tokio::test]
async fn a_stopped_node_and_one_without_a_read_side_are_backed_up_as_well() {
    let home = tempfile::tempdir().unwrap();
    let mut sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("a", 1, None).await.unwrap().value(), Some(1));
    sandbox.kill().unwrap();
    let killed = home.path().join("killed");
    let done = backup(sandbox.data(), &killed);
    assert_eq!(done.code, Some(0), "{done:?}");
    for name in ["read.db", "read.db-wal", "read.db-shm"] {
        drop(std::fs::remove_file(sandbox.data().join(name)));
    }
    let bare = home.path().join("bare");
    let done = backup(sandbox.data(), &bare);
    assert_eq!(done.code, Some(0), "{done:?}");
    for from in [killed, bare] {
        let data = from.with_extension("data");
        let done = restore(&from, &data);
        assert!(done.stdout.starts_with("coppice restored 1 entities, 1 events, "), "{done:?}");
    }
}

/// A name reads from a restored backup, and not from one that was taken after its erasure.
#[tokio::test]
async fn keys_of_personal_data_go_with_the_backup_and_destroyed_ones_do_not() {
    const KEY: (&str, &str) = (
        "COPPICE_PLATFORM_KEY",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    );
    let home = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::builder(binary()).env(KEY.0, KEY.1).start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = |method: reqwest::Method, base: &str, path: &str| {
        http.request(method, format!("{base}/v1/{path}")).bearer_auth(sandbox.key())
    };
    let body = serde_json::json!({ "subject": "s", "name": "Ada", "email": "ada@example.org" });
    let register = call(reqwest::Method::POST, sandbox.url(), "entities/contact/c/register");
    assert_eq!(register.json(&body).send().await.unwrap().status(), 200);
    let taken = [home.path().join("before"), home.path().join("after")];
    assert_eq!(backup(sandbox.data(), &taken[0]).code, Some(0));
    let erase = call(reqwest::Method::DELETE, sandbox.url(), "subjects/s");
    assert_eq!(erase.send().await.unwrap().status(), 200);
    assert_eq!(backup(sandbox.data(), &taken[1]).code, Some(0));
    for (from, name) in taken.iter().zip([Some("Ada"), None]) {
        let data = from.with_extension("data");
        assert_eq!(restore(from, &data).code, Some(0));
        let restored =
            Sandbox::builder(binary()).data(&data).key(sandbox.key()).env(KEY.0, KEY.1).start();
        let restored = restored.await.unwrap();
        let read = call(reqwest::Method::GET, restored.url(), "entities/contact/c");
        let view: serde_json::Value = read.send().await.unwrap().json().await.unwrap();
        assert_eq!(view["state"]["name"].as_str(), name, "{view}");
    }
}
