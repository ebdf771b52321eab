//! `coppice replay`: an entity's past out of an archive, a journal or both, and what it does where
//! one of them isn't as it was.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coppice_server::archive::format::{EventLine, Line};
use coppice_testkit::postgres::shared_database;
use coppice_testkit::{Client, Sandbox, binary};
use serde_json::{Value, json};

use crate::database::{Verdict, damage};
use crate::{Place, archived, files};

/// Runs `coppice replay` where no store is unless the arguments name one.
fn replay(arguments: &[&str]) -> Verdict {
    let elsewhere = tempfile::tempdir().unwrap();
    replay_in(elsewhere.path(), &[], arguments)
}

fn replay_in(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Verdict {
    let mut command = Command::new(binary());
    command.arg("replay").args(arguments).stdin(Stdio::null()).current_dir(directory);
    let done = command.envs(variables.iter().copied()).output().unwrap();
    Verdict {
        code: done.status.code(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

#[track_caller]
fn shown(verdict: &Verdict) -> Value {
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    serde_json::from_str(&verdict.stdout).unwrap()
}

#[track_caller]
fn refuses(verdict: &Verdict, code: i32, names: &str) {
    assert_eq!(verdict.code, Some(code), "{verdict:?}");
    assert!(verdict.stderr.contains(names), "it does not name {names:?}: {verdict:?}");
    assert_eq!(verdict.stdout, "");
}

/// What the running node shows.
async fn live(client: &Client, entity: &str) -> Value {
    let reply = client.get_path(&format!("/v1/entities/{entity}")).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200, "{reply:?}");
    reply.body
}

async fn tell(client: &Client, entity: &str, command: &str, body: &Value) {
    let reply = client.post(&format!("/v1/entities/{entity}/{command}"), body, None).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200, "{reply:?}");
}

fn spans(shown: &Value) -> Vec<(&str, u64, u64)> {
    let number = |span: &Value, member: &str| span[member].as_u64().unwrap();
    let spans = shown["sources"].as_array().unwrap().iter();
    spans
        .map(|span| (span["source"].as_str().unwrap(), number(span, "first"), number(span, "last")))
        .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Entities of two kinds, in three rounds: two of them are archived each in its file, the third is
/// only in the journal.
async fn equals(database: Option<&str>) {
    let mut builder = Sandbox::builder(binary());
    if let Some(url) = database {
        builder = builder.database(url);
    }
    let mut sandbox = builder.start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let home = tempfile::tempdir().unwrap();
    let (archive, data) = (home.path().join("archive"), sandbox.data().to_path_buf());
    let place = Place { data: &data, database };
    let mut was = Vec::new();
    for round in 1..=3 {
        for n in 1..=4 {
            client.add("a", n, None).await.unwrap();
            client.add("b", -n, None).await.unwrap();
        }
        let timer = json!({ "timer": format!("t{round}"), "in_ms": 4_000_000 });
        tell(&client, "alarm/wake", "set", &timer).await;
        if round < 3 {
            assert_eq!(place.archive("0s", &archive).code, Some(0));
        }
        let mut now = Vec::new();
        for entity in ["counter/a", "counter/b", "alarm/wake"] {
            now.push((entity, live(&client, entity).await));
        }
        was.push(now);
    }
    let [first, second] = [0, 1].map(|at| files(&archive)[at].clone());
    let [first, second] = [&first, &second].map(|path| path.file_name().unwrap().to_str().unwrap());
    let mut store = vec!["--data", text(&data)];
    store.extend(database.map(|url| ["--database", url]).into_iter().flatten());
    let archive = ["--json", "--archive", text(&archive)];
    let ask = |entity: &str, arguments: &[&[&str]]| {
        let (kind, id) = entity.split_once('/').unwrap();
        shown(&replay(&[&[kind, id], arguments.concat().as_slice()].concat()))
    };
    // Beside the node, and then with nobody there.
    for _ in 0..2 {
        for (entity, live) in &was[2] {
            for found in [ask(entity, &[&archive, &store]), ask(entity, &[&["--json"], &store])] {
                assert_eq!(found["state"], live["state"], "{entity}");
                assert_eq!(found["sequence"], live["sequence"], "{entity}");
                assert_eq!(found["journal"], true);
            }
        }
        for (entity, live) in &was[1] {
            let found = ask(entity, &[&archive]);
            assert_eq!(found["state"], live["state"], "{entity}");
            assert_eq!(found["sequence"], live["sequence"], "{entity}");
            assert_eq!(
                (&found["journal"], &found["sequence_last"]),
                (&json!(false), &live["sequence"])
            );
            let at = live["sequence"].to_string();
            assert_eq!(ask(entity, &[&archive, &store, &["--at", &at]])["state"], live["state"]);
        }
        if sandbox.process_id().is_some() {
            assert!(sandbox.terminate().await.unwrap().success());
        }
    }
    let across = ask("counter/a", &[&archive, &store]);
    assert_eq!(spans(&across), [(first, 1, 4), (second, 5, 8), ("journal", 9, 12)]);
    let journal = ask("counter/a", &[&["--json"], &store]);
    assert_eq!(spans(&journal), [("journal", 1, 12)]);
    assert_eq!(journal["hash"], across["hash"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_what_the_node_shows_from_wherever_it_is_read_on_sqlite() {
    equals(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_what_the_node_shows_from_wherever_it_is_read_on_postgresql() {
    let url = shared_database().unwrap();
    equals(Some(&url)).await;
}

/// When each event was recorded, as the command writes times and takes them.
fn moments(said: &Verdict) -> Vec<String> {
    let rows = said.stdout.lines().skip_while(|line| !line.starts_with("sequence ")).skip(1);
    rows.map(|row| row.split_whitespace().nth(2).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_entity_is_shown_as_it_was_at_each_of_its_events_and_at_any_time() {
    let home = tempfile::tempdir().unwrap();
    let (sandbox, archive) = archived(home.path()).await;
    let archive = ["counter", "a", "--json", "--archive", text(&archive)];
    let at = |arguments: &[&str]| replay(&[&archive, arguments].concat());
    let whole = shown(&at(&["--events"]));
    let events = whole["events"].as_array().unwrap();
    assert_eq!((whole["sequence"].as_u64(), events.len()), (Some(12), 12));
    let recorded = |event: &Value| event["recorded_at"].as_i64().unwrap();
    let people = ["counter", "a", "--events", "--data", text(sandbox.data())];
    let moments = moments(&replay(&people));
    assert_eq!(moments.len(), 12);
    for (before, event) in events.iter().enumerate() {
        // Each adds one.
        let found = shown(&at(&["--at", &(before + 1).to_string()]));
        assert_eq!(found["state"], json!({ "value": before + 1 }));
        assert_eq!(found["hash"], event["hash"]);
        assert_eq!(found["recorded_at"], event["recorded_at"]);
        assert_eq!(found["sequence_last"], 12, "the rest is read and checked as well");
        assert_eq!(event["source"], found["sources"].as_array().unwrap().last().unwrap()["source"]);
        // Several may have been recorded in one microsecond.
        let by_then = events.iter().filter(|other| recorded(other) <= recorded(event)).count();
        let found = shown(&at(&["--at-time", &moments[before]]));
        assert_eq!(found["sequence"].as_u64(), u64::try_from(by_then).ok());
    }
    let earlier = at(&["--at-time", "1970-01-01T00:00:00Z"]);
    refuses(&earlier, 5, "default/counter/a was not there yet");
    let later = shown(&at(&["--at-time", "2999-01-01T00:00:00+01:00"]));
    assert_eq!(later["sequence"], 12);
    refuses(&at(&["--at", "13"]), 5, "default/counter/a has no event 13: its last is 12");
    let said = replay(&[&people, ["--at", "9"].as_slice()].concat());
    for part in [
        "default/counter/a at sequence 9 of 12, 20",
        "\nfrom journal: 1 to 9\n{\n  \"value\": 9\n}\n",
        "\nsequence  position  recorded at",
        "  journal  {\"n\":1}\n",
    ] {
        assert!(said.stdout.contains(part), "it does not say {part:?}: {said:?}");
    }
}

#[tokio::test]
async fn a_damaged_archive_is_named_and_shows_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (sandbox, archive) = archived(home.path()).await;
    let store = sandbox.data().to_path_buf();
    let alone = || replay(&["counter", "a", "--at", "1", "--archive", text(&archive)]);
    let other = || replay(&["counter", "none", "--archive", text(&archive)]);
    let both = || replay(&["counter", "a", "--archive", text(&archive), "--data", text(&store)]);
    let [first, second] = [0, 1].map(|at| files(&archive)[at].clone());
    let whole = std::fs::read_to_string(&second).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without = |at: usize| {
        let mut left = lines.clone();
        left.remove(at);
        left.join("\n") + "\n"
    };
    let mut swapped = lines.clone();
    swapped.swap(1, 3);
    swapped.swap(2, 4);
    // Nothing of these is of the event that is asked for: the damage is behind it.
    let cases = [
        (whole.replacen("{\\\"n\\\":1}", "{\\\"n\\\":2}", 1), "position 7 does not match its hash"),
        (forged(&whole), "batch 7 does not have its events' hash"),
        (whole.replacen("\"position\":7,", "\"position\":8,", 1), "position 8 stands where 7"),
        (without(0), "a file begins otherwise"),
        (without(2), "position 7 is missing"),
        (without(lines.len() - 1), "the file is cut off"),
        (swapped.join("\n") + "\n", "batch 8 does not follow 6"),
        (whole.trim_end().to_owned(), "it is cut off"),
    ];
    for (damaged, names) in cases {
        assert_ne!(damaged, whole, "{names}");
        std::fs::write(&second, damaged).unwrap();
        for verdict in [alone(), other(), both()] {
            verdict.finds(&[names, "batches-00000000000000000007.jsonl, line"]);
        }
    }
    std::fs::write(&second, &whole).unwrap();
    let kept = std::fs::read(&first).unwrap();
    std::fs::remove_file(&first).unwrap();
    for verdict in [alone(), other(), both()] {
        let names = "batches-00000000000000000007.jsonl, line 1: it begins with batch 7";
        verdict.finds(&[names, "1 is missing"]);
    }
    // Files of another journal that are sound in themselves.
    let elsewhere = tempfile::tempdir().unwrap();
    let (_other, others) = archived(elsewhere.path()).await;
    std::fs::copy(&files(&others)[0], &first).unwrap();
    alone()
        .finds(&["batches-00000000000000000007.jsonl", "does not continue the hash of the file"]);
    let names = "event 1 is another one in the journal than in the archive";
    both().finds(&["batches-00000000000000000001.jsonl, line 3", names]);
    std::fs::write(&first, kept).unwrap();
    assert_eq!(both().code, Some(0));
}

/// The first event with another payload, and with the hash of that.
fn forged(file: &str) -> String {
    let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
    let Line::Event(line) = serde_json::from_str(&lines[2]).unwrap() else { panic!("{file}") };
    let mut event = line.event().unwrap();
    event.record.body.payload = "{\"n\":2}".into();
    event.record.hash = event.record.computed_hash();
    let line = Line::Event(Box::new(EventLine::from(event)));
    lines[2] = serde_json::to_string(&line).unwrap();
    lines.join("\n") + "\n"
}

#[tokio::test]
async fn a_journal_that_parts_from_its_archive_or_itself_is_named_and_shows_nothing() {
    let cases: [(&'static str, &str); 4] = [
        ("UPDATE events SET payload = '{\"n\":2}' WHERE position = 3", "event 3 is another one"),
        ("UPDATE events SET payload = '{\"n\":2}' WHERE position = 14", "event 14 does not match"),
        ("DELETE FROM events WHERE position = 14", "the stream ends at 13"),
        (
            "UPDATE entities SET sequence = 13, \
             hash = (SELECT hash FROM events WHERE position = 13)",
            "event 14 is there but its entity row says 13",
        ),
    ];
    for (statement, names) in cases {
        let home = tempfile::tempdir().unwrap();
        let (mut sandbox, archive) = archived(home.path()).await;
        sandbox.restart().await.unwrap();
        let client = Client::new(sandbox.url(), sandbox.key());
        for _ in 0..2 {
            assert_eq!(client.add("a", 1, None).await.unwrap().status.as_u16(), 200);
        }
        assert!(sandbox.terminate().await.unwrap().success());
        let store = ["counter", "a", "--data", text(sandbox.data())];
        let both = [store.as_slice(), &["--archive", text(&archive)]].concat();
        assert_eq!(replay(&both).code, Some(0));
        damage(sandbox.data(), None, &[statement]).await;
        replay(&both).finds(&["stream default/counter/a", names]);
        // By itself it has nothing that says otherwise of what is sound within it.
        let within = statement.contains("position = 3");
        let found = if within { "event 3 does not match its hash" } else { names };
        replay(&store).finds(&["journal: stream default/counter/a", found]);
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_from_what_can_not_be_read() {
    let home = tempfile::tempdir().unwrap();
    let (sandbox, archive) = archived(home.path()).await;
    let (archive, data) = (text(&archive), text(sandbox.data()));
    let nothing = home.path().join("nothing");
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (code, names, arguments) in [
        (5, "default/counter/b is not in the archive", vec!["counter", "b", "--archive", archive]),
        (5, "default/counter/b is not in the journal", vec!["counter", "b", "--data", data]),
        (5, "other/counter/a is not in", vec!["counter", "a", "--tenant", "other", "--data", data]),
        (5, "knows no entity kind toaster", vec!["toaster", "a", "--archive", archive]),
        (1, "there is no archive", vec!["counter", "a", "--archive", text(&empty)]),
        (1, "nothing", vec!["counter", "a", "--archive", text(&nothing)]),
        (1, "there is no store in the directory", vec!["counter", "a"]),
        (1, "there is no store in the directory", vec!["counter", "a", "--data", text(&nothing)]),
    ] {
        refuses(&replay(&arguments), code, names);
    }
    assert!(!nothing.exists());
    // A store that was named and is gone is what the archive is for.
    let gone = ["counter", "a", "--archive", archive, "--data", text(&nothing), "--json"];
    let found = shown(&replay(&gone));
    assert_eq!((&found["state"]["value"], &found["journal"]), (&json!(12), &json!(false)));
    assert!(replay(&gone[..6]).stdout.contains("no journal was read"));
    // One that nobody named is another's, as far as anybody knows.
    let elsewhere = tempfile::tempdir().unwrap();
    let (other, _) = archived(elsewhere.path()).await;
    let directory = elsewhere.path().join("here");
    std::fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink(other.data(), directory.join("data")).unwrap();
    let alone = ["counter", "a", "--archive", archive, "--json"];
    assert_eq!(shown(&replay_in(&directory, &[], &alone))["journal"], false);
    assert_eq!(shown(&replay_in(&directory, &[], &["counter", "a", "--json"]))["journal"], true);
    let named = [("COPPICE_STORE__DATA", text(other.data()))];
    replay_in(&directory, &named, &alone).finds(&["event 1 is another one in the journal"]);
}

#[tokio::test]
async fn a_deleted_entity_is_shown_as_deleted_and_as_it_was_before() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("a", 41, None).await.unwrap().status.as_u16(), 200);
    assert_eq!(client.delete("/v1/entities/counter/a").await.unwrap().status.as_u16(), 200);
    let home = tempfile::tempdir().unwrap();
    let archive = home.path().join("archive");
    let place = Place { data: sandbox.data(), database: None };
    assert_eq!(place.archive("0s", &archive).code, Some(0));
    let archive = ["counter", "a", "--archive", text(&archive)];
    let deleted = shown(&replay(&[&archive, ["--json"].as_slice()].concat()));
    assert_eq!((&deleted["deleted"], &deleted["state"]), (&json!(true), &Value::Null));
    assert_eq!(deleted["sequence"], 2);
    assert!(replay(&archive).stdout.ends_with("\ndeleted\n"));
    let before = shown(&replay(&[&archive, ["--json", "--at", "1"].as_slice()].concat()));
    assert_eq!((&before["deleted"], &before["state"]), (&json!(false), &json!({ "value": 41 })));
}

#[test]
fn garbage_is_refused_as_the_command_line_that_it_is() {
    for (names, arguments) in [
        ("<KIND>", vec![]),
        ("<ID>", vec!["counter"]),
        ("invalid entity kind", vec!["Counter", "a"]),
        ("invalid entity id", vec!["counter", "a/b"]),
        ("invalid tenant id", vec!["counter", "a", "--tenant", ""]),
        ("0 is not in 1..", vec!["counter", "a", "--at", "0"]),
        ("invalid digit", vec!["counter", "a", "--at", "last"]),
        ("number too large", vec!["counter", "a", "--at", "99999999999999999999"]),
        ("a time is written as in", vec!["counter", "a", "--at-time", "yesterday"]),
        ("a time is written as in", vec!["counter", "a", "--at-time", "2026-02-30T00:00:00Z"]),
        (
            "cannot be used with",
            vec!["counter", "a", "--at", "1", "--at-time", "2026-01-01T00:00:00Z"],
        ),
        ("unexpected argument", vec!["counter", "a", "b"]),
        ("postgres", vec!["counter", "a", "--database", "mysql://x"]),
    ] {
        refuses(&replay(&arguments), 2, names);
    }
}

const PLATFORM: (&str, &str) =
    ("COPPICE_PLATFORM_KEY", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a");
const STRANGE: (&str, &str) =
    ("COPPICE_PLATFORM_KEY", "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5");

#[tokio::test]
async fn personal_data_is_shown_to_who_has_the_platform_key_and_to_nobody_once_it_is_erased() {
    let builder = Sandbox::builder(binary()).env(PLATFORM.0, PLATFORM.1);
    let sandbox = builder.start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    for (id, subject, name) in [("ada", "sub_ada", "Ada Quillfeather"), ("eve", "sub_eve", "Eve")] {
        let person = json!({ "subject": subject, "name": name, "email": "x@example.com" });
        tell(&client, &format!("contact/{id}"), "register", &person).await;
    }
    let home = tempfile::tempdir().unwrap();
    let archive: PathBuf = home.path().join("archive");
    let place = Place { data: sandbox.data(), database: None };
    let done = place.archive("0s", &archive);
    assert_eq!(done.code, Some(0), "{done:?}");
    let alone = ["contact", "ada", "--json", "--events", "--archive", text(&archive)];
    let both = [alone.as_slice(), &["--data", text(sandbox.data())]].concat();
    let look = |variables: &[(&str, &str)], arguments: &[&str]| {
        let verdict = replay_in(home.path(), variables, arguments);
        let found = shown(&verdict);
        let events = found["events"].to_string();
        assert!(!events.contains("Quillfeather"), "events are shown as they are stored: {events}");
        (found["state"]["name"].clone(), found["personal_data"].clone())
    };
    let known = (json!("Ada Quillfeather"), json!("shown"));
    let closed = (Value::Null, json!("closed"));
    assert_eq!(look(&[PLATFORM], &both), known);
    assert_eq!(look(&[], &both), closed);
    assert_eq!(look(&[STRANGE], &both), closed);
    assert_eq!(look(&[PLATFORM], &alone), closed, "an archive has no keys");
    let people = replay_in(home.path(), &[], &["contact", "ada", "--archive", text(&archive)]);
    assert!(people.stdout.contains("shown as if it were erased"), "{people:?}");
    assert_eq!(client.delete("/v1/subjects/sub_ada").await.unwrap().status.as_u16(), 200);
    assert_eq!(look(&[PLATFORM], &both), (Value::Null, json!("none")), "erased");
    let state = live(&client, "contact/ada").await;
    assert_eq!(shown(&replay_in(home.path(), &[PLATFORM], &both))["state"], state["state"]);
    let eve = [&["contact", "eve"], &both[2..]].concat();
    assert_eq!(look(&[PLATFORM], &eve).0, json!("Eve"));
}
