//! The real binary: contacts are written, somebody is erased, and all that is on the disk is
//! searched.

use std::path::Path;
use std::process::Command;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use coppice_testkit::client::Reply;
use coppice_testkit::postgres::PostgresServer;
use coppice_testkit::sandbox::SandboxBuilder;
use coppice_testkit::{Client, Sandbox, binary};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::haystack::Haystack;
use crate::world::{ADA, EVE};

const PLATFORM: [u8; 32] = [0x5a; 32];

/// What must be nowhere: names and addresses, whole and in parts.
const PLAIN: [&str; 6] = [ADA[0], ADA[1], EVE[0], EVE[1], "Quillfeather", "thistlewood"];

fn digits(key: [u8; 32]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn builder(data: &Path) -> SandboxBuilder {
    Sandbox::builder(binary())
        .data(data)
        .env("COPPICE_PLATFORM_KEY", digits(PLATFORM))
        .env("COPPICE_RUNTIME__SNAPSHOT_EVERY", "2")
        .env("COPPICE_LOG__LEVEL", "debug")
}

fn client(sandbox: &Sandbox) -> Client {
    Client::new(sandbox.url(), sandbox.key())
}

async fn tell(client: &Client, contact: &str, command: &str, body: &Value, key: &str) -> Reply {
    let path = format!("/v1/entities/contact/{contact}/{command}");
    client.post(&path, body, (!key.is_empty()).then_some(key)).await.unwrap()
}

async fn state(client: &Client, contact: &str) -> Value {
    let reply = client.get_path(&format!("/v1/entities/contact/{contact}")).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200, "{reply:?}");
    reply.body["state"].clone()
}

fn registration(subject: &str, [name, email]: [&str; 2]) -> Value {
    json!({ "subject": subject, "name": name, "email": email })
}

/// Contacts of two people, each with a snapshot, keyed commands and their replies; and commands
/// that are refused with the data in their hands.
async fn write(client: &Client) {
    for (contact, subject, person) in
        [("ada-1", "sub_ada", ADA), ("ada-2", "sub_ada", ADA), ("eve", "sub_eve", EVE)]
    {
        for key in ["k", "k2", ""] {
            let body = registration(subject, person);
            let reply = tell(client, contact, "register", &body, key).await;
            assert_eq!(reply.status.as_u16(), 200, "{reply:?}");
            let called = tell(client, contact, "call", &json!({}), key).await;
            assert_eq!(called.status.as_u16(), 200, "{called:?}");
        }
    }
    let strange = tell(client, "eve", "register", &registration("sub_ada", ADA), "k3").await;
    assert_eq!(strange.code(), Some("contact_of_another"));
    let invalid = json!({ "subject": "sub_ada", "name": ADA[0], "email": [ADA[1]] });
    assert_eq!(tell(client, "ada-1", "register", &invalid, "").await.code(), Some("invalid_body"));
}

/// Erases and looks: the one is erased, the other is not.
async fn erase(client: &Client) {
    let erased = client.delete("/v1/subjects/sub_ada").await.unwrap();
    assert_eq!(erased.status.as_u16(), 200, "{erased:?}");
    shows_erased(client).await;
    let again = tell(client, "ada-1", "register", &registration("sub_ada", ADA), "k").await;
    assert_eq!((again.status.as_u16(), again.repeated()), (200, Some(true)), "{again:?}");
    let anew = tell(client, "ada-3", "register", &registration("sub_ada", ADA), "").await;
    assert_eq!((anew.status.as_u16(), anew.code()), (409, Some("subject_erased")));
}

/// The read model of activity has the contacts' events.
async fn counts(client: &Client) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let found = client.get_path("/v1/activity?kind=contact").await.unwrap();
        if found.body["days"][0]["events"].as_u64() >= Some(9) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{found:?}");
    }
}

async fn shows_erased(client: &Client) {
    for contact in ["ada-1", "ada-2"] {
        let expected = json!({
            "subject": "sub_ada", "name": null, "email": null, "erased": true, "calls": 3,
        });
        assert_eq!(state(client, contact).await, expected);
    }
    shows(client, "eve", EVE).await;
}

async fn shows(client: &Client, contact: &str, [name, email]: [&str; 2]) {
    let state = state(client, contact).await;
    assert_eq!((&state["name"], &state["email"]), (&json!(name), &json!(email)), "{contact}");
}

/// The wrapped key of a subject, and the key itself as whoever has the platform's key gets at it.
struct Key {
    wrapped: Vec<u8>,
    bare: Vec<u8>,
}

impl Key {
    /// Made apart from the house's own code, so that the test doesn't believe what it tests.
    fn of(subject: &str, (id, wrapped): (String, Vec<u8>)) -> Self {
        let bound = ["coppice.v1", "wrapped", "default", subject, &id].join("\0");
        let (nonce, sealed) = wrapped.split_first_chunk::<12>().unwrap();
        let cipher = Aes256Gcm::new_from_slice(&PLATFORM).unwrap();
        let payload = Payload { msg: sealed, aad: bound.as_bytes() };
        let bare = cipher.decrypt(&(*nonce).into(), payload).unwrap();
        assert_eq!((wrapped.len(), bare.len()), (60, 32));
        Self { wrapped, bare }
    }
}

/// The journal is sound, as whoever has no platform key finds it.
#[track_caller]
fn verify(data: &Path, database: Option<&str>) {
    let mut command = Command::new(binary());
    command.arg("verify").arg("--data").arg(data).env_remove("COPPICE_PLATFORM_KEY");
    if let Some(url) = database {
        command.arg("--database").arg(url);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

const KEY: &str =
    "SELECT key_id, wrapped FROM subject_keys WHERE tenant = 'default' AND subject = 'sub_ada'";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn nothing_readable_of_an_erased_person_is_left_on_the_disk_with_sqlite() {
    let home = tempfile::tempdir().unwrap();
    let (data, before) = (home.path().join("data"), tempfile::tempdir().unwrap());
    let mut sandbox = builder(&data).start().await.unwrap();
    write(&client(&sandbox)).await;
    shows(&client(&sandbox), "ada-1", ADA).await;
    counts(&client(&sandbox)).await;
    Haystack::of_files(&[home.path()]).lacks(&PLAIN);
    assert!(
        !Haystack::of_files(&[&data]).finds("contact/20").is_empty(),
        "the read model is there"
    );

    // A copy from before, of a node at rest; then the node goes on.
    assert!(sandbox.terminate().await.unwrap().success());
    copy(&data, before.path());
    sandbox.restart().await.unwrap();
    shows(&client(&sandbox), "ada-1", ADA).await;
    let keys = SqliteConnectOptions::new().filename(data.join("keys.db")).read_only(true);
    let mut keys = SqliteConnection::connect_with(&keys).await.unwrap();
    let key = Key::of("sub_ada", sqlx::query_as(KEY).fetch_one(&mut keys).await.unwrap());
    keys.close().await.unwrap();
    let files = Haystack::of_files(&[home.path()]);
    assert!(!files.finds(&key.wrapped).is_empty(), "the search finds what is there");
    assert!(!files.finds("sub_ada").is_empty());
    files.lacks(&[&key.bare]);

    erase(&client(&sandbox)).await;
    let searched = || {
        let files = Haystack::of_files(&[home.path()]);
        files.lacks(&PLAIN);
        files.lacks(&[&key.wrapped, &key.bare]);
        files.lacks(&[digits(PLATFORM).as_bytes(), PLATFORM.as_slice()]);
    };
    searched();
    sandbox.kill().unwrap();
    searched();
    verify(&data, None);
    sandbox.restart().await.unwrap();
    shows_erased(&client(&sandbox)).await;
    assert!(sandbox.terminate().await.unwrap().success());
    searched();
    copies(&data, before.path()).await;
}

/// What is copied after an erasure doesn't know the person. What was copied before does, for who
/// has the platform key of that time: the erasure didn't reach it, and nothing else erased her.
async fn copies(data: &Path, before: &Path) {
    let home = tempfile::tempdir().unwrap();
    let after = home.path().join("after");
    copy(data, &after);
    let sandbox = builder(&after).start().await.unwrap();
    shows_erased(&client(&sandbox)).await;
    let sandbox = builder(before).start().await.unwrap();
    shows(&client(&sandbox), "ada-1", ADA).await;
}

#[tokio::test]
async fn nothing_readable_of_an_erased_person_is_left_on_the_disk_with_postgresql() {
    let server = PostgresServer::start().unwrap();
    let url = server.create_database().unwrap();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let mut sandbox = builder(&data).database(&url).start().await.unwrap();
    write(&client(&sandbox)).await;
    shows(&client(&sandbox), "ada-1", ADA).await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let key = Key::of("sub_ada", sqlx::query_as(KEY).fetch_one(&mut connection).await.unwrap());
    counts(&client(&sandbox)).await;
    let places = [home.path(), &server.data()];
    sqlx::query("CHECKPOINT").execute(&mut connection).await.unwrap();
    let (files, tables) = (Haystack::of_files(&places), Haystack::of_tables(&url).await);
    for haystack in [&files, &tables] {
        assert!(!haystack.finds(&key.wrapped).is_empty(), "the search finds what is there");
        assert!(!haystack.finds("sub_ada").is_empty());
        assert!(!haystack.finds("contact/20").is_empty(), "the read model is there");
        haystack.lacks(&PLAIN);
        haystack.lacks(&[&key.bare]);
    }

    erase(&client(&sandbox)).await;
    sqlx::query("CHECKPOINT").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let (files, tables) = (Haystack::of_files(&places), Haystack::of_tables(&url).await);
    for haystack in [&files, &tables] {
        haystack.lacks(&PLAIN);
        haystack.lacks(&[&key.bare]);
        haystack.lacks(&[digits(PLATFORM).as_bytes(), PLATFORM.as_slice()]);
    }
    // No row has it. The server's files and its log may, for as long as docs/semantics.md says.
    tables.lacks(&[&key.wrapped]);
    sandbox.kill().unwrap();
    sandbox.restart().await.unwrap();
    shows_erased(&client(&sandbox)).await;
    assert!(sandbox.terminate().await.unwrap().success());
    verify(&data, Some(&url));
}

#[tokio::test]
async fn a_node_with_a_missing_wrong_or_malformed_platform_key_says_so_and_never_tells_it() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let person = registration("sub_ada", ADA);
    let mut sandbox = builder(&data).start().await.unwrap();
    let registered = tell(&client(&sandbox), "a", "register", &person, "").await;
    assert_eq!(registered.status.as_u16(), 200);
    assert!(sandbox.terminate().await.unwrap().success());

    let wrong = digits([0x77; 32]);
    for key in [None, Some(&wrong)] {
        let builder = Sandbox::builder(binary()).data(&data);
        let builder = match key {
            Some(key) => builder.env("COPPICE_PLATFORM_KEY", key),
            None => builder,
        };
        let mut sandbox = builder.start().await.unwrap();
        let client = client(&sandbox);
        let read = client.get_path("/v1/entities/contact/a").await.unwrap();
        let written = tell(&client, "b", "register", &person, "k").await;
        for refused in [read, written] {
            let found = (refused.status.as_u16(), refused.code(), refused.outcome());
            assert_eq!(found, (503, Some("personal_data_locked"), Some("not_applied")));
        }
        assert_eq!(client.add("c", 1, None).await.unwrap().status.as_u16(), 200);
        assert!(sandbox.terminate().await.unwrap().success());
    }
    let malformed = Sandbox::builder(binary()).data(&data).env("COPPICE_PLATFORM_KEY", &wrong[1..]);
    let error = malformed.start().await.unwrap_err().to_string();
    assert!(error.contains("COPPICE_PLATFORM_KEY must be 64 hexadecimal digits"), "{error}");

    // A rotation: with both keys, then with the new one alone.
    let rotated = Sandbox::builder(binary())
        .data(&data)
        .env("COPPICE_PLATFORM_KEY", &wrong)
        .env("COPPICE_PLATFORM_KEY_PREVIOUS", digits(PLATFORM));
    let mut sandbox = rotated.start().await.unwrap();
    shows(&client(&sandbox), "a", ADA).await;
    assert!(sandbox.terminate().await.unwrap().success());
    let alone = Sandbox::builder(binary()).data(&data).env("COPPICE_PLATFORM_KEY", &wrong);
    let mut sandbox = alone.start().await.unwrap();
    shows(&client(&sandbox), "a", ADA).await;
    assert!(sandbox.terminate().await.unwrap().success());
    let log = std::fs::read_to_string(home.path().join("coppice.log")).unwrap();
    assert!(log.contains("the platform key is not the one that keys are wrapped under"), "{log}");
    assert!(log.contains("keys are wrapped under the current platform key"), "{log}");
    for key in [digits(PLATFORM), wrong] {
        assert!(!log.contains(&key[2..40]), "a platform key is in the log");
    }
}
