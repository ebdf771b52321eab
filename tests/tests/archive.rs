//! `coppice archive` and `coppice verify --archive`: the journal's past as files, and a chain that
//! goes on from them into the database. What `coppice replay` reads out of them is in `replay`.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coppice_testkit::postgres::shared_database;
use coppice_testkit::{Client, Sandbox, binary};
use coppice_tests::clients::Clients;
use database::{Verdict, damage, verify};
use serde_json::{Value, json};

#[path = "damage/database.rs"]
mod database;
#[path = "archive/replay.rs"]
mod replay;

/// Where a node keeps its journal: a directory, and a database where it isn't embedded.
struct Place<'a> {
    data: &'a Path,
    database: Option<&'a str>,
}

impl Place<'_> {
    fn run(&self, name: &str, arguments: &[&str]) -> Verdict {
        let mut command = Command::new(binary());
        command.arg(name).arg("--data").arg(self.data).args(arguments).stdin(Stdio::null());
        if let Some(url) = self.database {
            command.arg("--database").arg(url);
        }
        let done = command.output().unwrap();
        Verdict {
            code: done.status.code(),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    fn archive(&self, age: &str, to: &Path) -> Verdict {
        self.run("archive", &["--before", age, "--to", to.to_str().unwrap()])
    }

    fn verify(&self, archive: &Path) -> Verdict {
        self.run("verify", &["--archive", archive.to_str().unwrap()])
    }
}

/// The files of an archive, in order.
fn files(archive: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(archive).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What every counter comes to by the files alone.
fn replayed(archive: &Path) -> BTreeMap<String, i64> {
    let mut counters = BTreeMap::new();
    for path in files(archive) {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let event = &line["event"];
            if event.is_null() {
                continue;
            }
            assert_eq!(event["type"], "counter.added.v1");
            let payload: Value = serde_json::from_str(event["payload"].as_str().unwrap()).unwrap();
            let counter = event["id"].as_str().unwrap().to_owned();
            *counters.entry(counter).or_default() += payload["n"].as_i64().unwrap();
        }
    }
    counters
}

async fn goes_on(database: Option<&str>) {
    let mut builder = Sandbox::builder(binary());
    if let Some(url) = database {
        builder = builder.database(url);
    }
    let mut sandbox = builder.start().await.unwrap();
    let data = sandbox.data().to_path_buf();
    let place = Place { data: &data, database };
    let home = tempfile::tempdir().unwrap();
    let archive = home.path().join("archive");
    let clients = Clients::start(Client::new(sandbox.url(), sandbox.key()), 16, 8, 3);
    for round in 1..=3 {
        clients.progress(200).await;
        let young = place.archive("1h", &archive);
        assert!(young.stdout.starts_with("coppice archived 0 batches, 0 events"), "{young:?}");
        assert_eq!(files(&archive).len(), round - 1);
        let done = place.archive("0s", &archive);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_eq!(files(&archive).len(), round, "each goes on where the last one ended");
    }
    let (_, served) = clients.finish().await;
    assert!(sandbox.terminate().await.unwrap().success());
    let verdict = place.verify(&archive);
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    assert!(verdict.stdout.contains("an archive of 3 files"), "{verdict:?}");
    // Nobody writes any more: now all of it is old.
    assert_eq!(place.archive("0s", &archive).code, Some(0));
    assert_eq!(replayed(&archive), served, "the files alone give every state");
    assert_eq!(place.verify(&archive).code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_is_taken_beside_the_node_and_the_chain_goes_on_from_it_on_sqlite() {
    goes_on(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_is_taken_beside_the_node_and_the_chain_goes_on_from_it_on_postgresql() {
    let url = shared_database().unwrap();
    goes_on(Some(&url)).await;
}

/// A stopped node with twelve events, each in a batch of its own, and its archive in two files.
async fn archived(home: &Path) -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let archive = home.join("archive");
    let data = sandbox.data().to_path_buf();
    for _ in 0..2 {
        for _ in 0..6 {
            assert_eq!(client.add("a", 1, None).await.unwrap().status.as_u16(), 200);
        }
        let done = Place { data: &data, database: None }.archive("0s", &archive);
        assert!(done.stdout.starts_with("coppice archived 6 batches, 6 events"), "{done:?}");
    }
    assert!(sandbox.terminate().await.unwrap().success());
    (sandbox, archive)
}

#[tokio::test]
async fn a_damaged_archive_is_found_and_neither_passes_nor_is_gone_on_with() {
    let home = tempfile::tempdir().unwrap();
    let (sandbox, archive) = archived(home.path()).await;
    let place = Place { data: sandbox.data(), database: None };
    let [first, second] = [0, 1].map(|at| files(&archive)[at].clone());
    let whole = std::fs::read_to_string(&first).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without = |at: usize| {
        let mut left = lines.clone();
        left.remove(at);
        left.join("\n") + "\n"
    };
    let swapped = {
        let mut swapped = lines.clone();
        swapped.swap(1, 3);
        swapped.swap(2, 4);
        swapped.join("\n") + "\n"
    };
    let cases: [(String, &str); 9] = [
        (whole.replacen("{\\\"n\\\":1}", "{\\\"n\\\":2}", 1), "event 1 does not match its hash"),
        (whole.replacen("\"position\":1,", "\"position\":2,", 1), "position 2 stands where 1"),
        (whole.replacen("\"format\":1", "\"format\":2", 1), "format 2"),
        (without(0), "a file begins otherwise"),
        (without(2), "position 1 is missing"),
        (without(lines.len() - 1), "the file is cut off"),
        (swapped, "batch 2 does not follow 0"),
        (whole.clone() + "\n", "line 15"),
        (whole.trim_end().to_owned(), "it is cut off"),
    ];
    for (damaged, names) in cases {
        assert_ne!(damaged, whole, "{names}");
        std::fs::write(&first, damaged).unwrap();
        place.verify(&archive).finds(&[names, "batches-00000000000000000001.jsonl"]);
        place.archive("0s", &archive).finds(&[names]);
    }
    std::fs::remove_file(&first).unwrap();
    place.verify(&archive).finds(&["it begins with batch 7, and 1 is missing"]);
    std::fs::write(&first, &whole).unwrap();
    // Two files that are sound and don't follow each other: the first of another journal.
    let elsewhere = tempfile::tempdir().unwrap();
    let (_other, others) = archived(elsewhere.path()).await;
    std::fs::copy(&files(&others)[0], &first).unwrap();
    place.verify(&archive).finds(&["batch 1", "another one in the database"]);
    std::fs::write(&first, &whole).unwrap();
    std::fs::copy(&files(&others)[1], &second).unwrap();
    place.verify(&archive).finds(&["does not continue the hash of the file before it"]);
}

#[tokio::test]
async fn a_journal_that_was_cut_off_is_sound_in_itself_and_found_by_its_archive() {
    let home = tempfile::tempdir().unwrap();
    let (sandbox, archive) = archived(home.path()).await;
    let place = Place { data: sandbox.data(), database: None };
    let cut = [
        "DELETE FROM events WHERE position > 9",
        "DELETE FROM batches WHERE number > 9",
        "UPDATE entities SET sequence = 9, hash = (SELECT hash FROM events WHERE position = 9)",
    ];
    damage(sandbox.data(), None, &cut).await;
    assert_eq!(verify(place.data, place.database).code, Some(0), "nothing in it shows it");
    place.verify(&archive).finds(&["batch 10", "its end is cut off"]);
    place.archive("0s", &archive).finds(&["batch 10"]);
}

#[tokio::test]
async fn personal_data_is_archived_as_it_is_sealed_and_checked_without_its_key() {
    let builder = Sandbox::builder(binary()).env("COPPICE_PLATFORM_KEY", "5a".repeat(32));
    let mut sandbox = builder.start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let person = json!({ "subject": "sub_ada", "name": "Quillfeather", "email": "a@example.com" });
    let registered = client.post("/v1/entities/contact/ada/register", &person, None).await.unwrap();
    assert_eq!(registered.status.as_u16(), 200, "{registered:?}");
    assert!(sandbox.terminate().await.unwrap().success());
    let home = tempfile::tempdir().unwrap();
    let archive = home.path().join("archive");
    let place = Place { data: sandbox.data(), database: None };
    let done = place.archive("0s", &archive);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(place.verify(&archive).code, Some(0));
    let file = std::fs::read_to_string(&files(&archive)[0]).unwrap();
    assert!(file.contains("sub_ada") && !file.contains("Quillfeather"), "{file}");
}

#[tokio::test]
async fn an_archive_of_one_journal_does_not_take_in_another() {
    let home = tempfile::tempdir().unwrap();
    let (_first, archive) = archived(home.path()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (second, _) = archived(elsewhere.path()).await;
    let before = files(&archive);
    let place = Place { data: second.data(), database: None };
    place.archive("0s", &archive).finds(&["batch 1", "another one"]);
    assert_eq!(files(&archive), before);
    let nothing = home.path().join("nothing");
    let done = Place { data: &nothing, database: None }.archive("0s", &home.path().join("b"));
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(!nothing.exists());
}
