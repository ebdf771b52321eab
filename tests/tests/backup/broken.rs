//! Backups that are cut off, damaged, or in the way of something.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;

use coppice_testkit::{Client, Sandbox, binary};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::database::damage;
use crate::run::{backup, command_of, fails, restore};

/// How long a backup may take to come to a point before the test counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node with some history.
async fn node(events: i64) -> Sandbox {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    for n in 1..=events {
        assert_eq!(client.add("a", 1, None).await.unwrap().value(), Some(n));
    }
    sandbox
}

/// A backup of such a node.
async fn taken(home: &Path) -> PathBuf {
    let to = home.join("backup");
    let done = backup(node(20).await.data(), &to);
    assert_eq!(done.code, Some(0), "{done:?}");
    to
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn change_manifest(from: &Path, change: impl FnOnce(&mut Value)) {
    let path = from.join("manifest.json");
    let mut manifest = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    std::fs::write(&path, manifest.to_string()).unwrap();
}

#[tokio::test]
async fn a_damaged_file_of_a_backup_is_refused_by_its_name() {
    let home = tempfile::tempdir().unwrap();
    let (from, data) = (taken(home.path()).await, home.path().join("data"));
    for name in ["journal.db", "keys.db", "read.db"] {
        let path = from.join(name);
        let whole = std::fs::read(&path).unwrap();
        // The middle is a page that the walk through the journal may never look at.
        change(&path, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        restore(&from, &data).finds(&[name, "SHA-256"]);
        change(&path, |bytes| bytes.truncate(1_024));
        restore(&from, &data).finds(&[name, "1024 bytes"]);
        std::fs::remove_file(&path).unwrap();
        restore(&from, &data).finds(&[name, "missing"]);
        std::fs::write(&path, whole).unwrap();
        assert!(!data.exists(), "what was refused leaves nothing behind");
    }
    assert_eq!(restore(&from, &data).code, Some(0));
}

type Change = fn(&mut Value);

#[tokio::test]
async fn a_manifest_that_is_not_the_backups_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (from, data) = (taken(home.path()).await, home.path().join("data"));
    let whole = std::fs::read(from.join("manifest.json")).unwrap();
    let again = || std::fs::write(from.join("manifest.json"), &whole).unwrap();
    let changes: [(Change, &str); 5] = [
        (|manifest| manifest["format"] = json!(2), "format 2"),
        (|manifest| manifest["last_position"] = json!(21), "position 21"),
        (|manifest| manifest["last_batch"]["hash"] = json!("00"), "batch 20"),
        (|manifest| manifest["files"][0]["name"] = json!("../journal.db"), "../journal.db"),
        (|manifest| manifest["files"] = json!([]), "names the files []"),
    ];
    for (altered, names) in changes {
        change_manifest(&from, altered);
        restore(&from, &data).finds(&[names]);
        again();
    }
    change(&from.join("manifest.json"), |bytes| bytes.truncate(40));
    restore(&from, &data).finds(&["manifest.json does not read"]);
    std::fs::remove_file(from.join("manifest.json")).unwrap();
    fails(&restore(&from, &data), 1, &["manifest.json"]);
    assert!(!data.exists());
}

#[tokio::test]
async fn a_damaged_journal_is_not_taken_for_a_backup() {
    let home = tempfile::tempdir().unwrap();
    let mut sandbox = node(20).await;
    assert!(sandbox.terminate().await.unwrap().success());
    let alter = "UPDATE events SET payload = '{\"n\":1000}' WHERE sequence = 3";
    damage(sandbox.data(), None, &[alter]).await;
    backup(sandbox.data(), &home.path().join("backup")).finds(&["default/counter/a", "event 3"]);
    assert_eq!(names_in(home.path()), Vec::<PathBuf>::new(), "nothing is left behind");
}

#[tokio::test]
async fn what_is_there_already_is_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let from = taken(home.path()).await;
    let sandbox = node(1).await;
    fails(&backup(sandbox.data(), &from), 1, &["is there already"]);
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    fails(&backup(sandbox.data(), &empty), 1, &["is there already"]);
    // A data directory that a node works on, and one that isn't one.
    fails(&restore(&from, sandbox.data()), 1, &["is there already"]);
    fails(&restore(&from, &from), 1, &["is there already"]);
    fails(&restore(&from, &from.join("manifest.json")), 1, &["is there already"]);
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("a", 1, None).await.unwrap().value(), Some(2), "it serves on");
    assert_eq!(restore(&from, &empty).code, Some(0), "an empty one is as good as none");

    let nothing = home.path().join("nothing");
    fails(&backup(&nothing, &home.path().join("of-nothing")), 1, &["no store"]);
    assert!(!nothing.exists());
}

fn names_in(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Waits until an unfinished directory has so many files, and kills the process. How many it had,
/// or `None` where the process was done first.
fn kill_at(child: &mut Child, home: &Path, files: usize) -> Option<usize> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let unfinished = names_in(home).into_iter().find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().contains(".unfinished-"))
        });
        let found = unfinished.and_then(|path| std::fs::read_dir(path).ok()).map(Iterator::count);
        if let Some(found) = found
            && found >= files
        {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some(found);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "the backup never came to {files} files");
        thread::yield_now();
    }
}

#[tokio::test]
async fn a_backup_or_restore_that_is_killed_in_the_middle_leaves_nothing_that_restores_or_serves() {
    let sandbox = node(200).await;
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    assert_eq!(backup(sandbox.data(), &whole).code, Some(0));
    let mut cut = 0;
    for files in [0, 1, 2, 3] {
        let here = tempfile::tempdir().unwrap();
        let to = here.path().join("backup");
        let mut child =
            command_of("backup", "--data", sandbox.data(), "--to", &to).spawn().unwrap();
        cut += usize::from(kill_at(&mut child, here.path(), files).is_some() && !to.exists());
        // What has the name is whole; what hasn't has no manifest.
        for found in names_in(here.path()) {
            let target = home.path().join(format!("from-backup-{files}"));
            let done = restore(&found, &target);
            let expected: &[i32] = match (found == to, found.join("manifest.json").exists()) {
                (true, _) => &[0],
                (false, false) => &[1],
                // It was cut off while the manifest was written, or just before the rename.
                (false, true) => &[0, 3],
            };
            assert!(expected.contains(&done.code.unwrap()), "{found:?}: {done:?}");
            assert_eq!(target.exists(), done.code == Some(0));
        }
    }
    assert!(cut >= 2, "only {cut} of 4 backups were cut off");

    let mut cut = 0;
    for files in [0, 1, 2] {
        let here = tempfile::tempdir().unwrap();
        let data = here.path().join("data");
        let mut child = command_of("restore", "--from", &whole, "--data", &data).spawn().unwrap();
        cut += usize::from(kill_at(&mut child, here.path(), files).is_some() && !data.exists());
        if !data.exists() {
            assert_eq!(restore(&whole, &data).code, Some(0), "the name is free");
        }
        assert_eq!(crate::database::verify(&data, None).code, Some(0));
    }
    assert!(cut >= 1, "none of 3 restores was cut off");
}
