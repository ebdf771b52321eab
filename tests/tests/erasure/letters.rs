//! Real files of a node in process, with what the binary's kinds can't be brought to: a command
//! with personal data among the dead letters.

use std::path::Path;
use std::sync::Arc;

use coppice_persistence::{DeadLetters, LetterKind, SqlStore, SqliteOptions, Store};
use coppice_runtime::{Failure, RuntimeOptions};
use coppice_tests::node::{PATIENCE, id, tenant};
use coppice_tests::running::{command, stream_key};
use tokio::time::Instant;

use crate::haystack::Haystack;
use crate::world::{ADA, EVE, World, only};

fn body(subject: &str, name: &str) -> String {
    serde_json::json!({ "subject": subject, "name": name }).to_string()
}

async fn shown(world: &World, profile: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    world.caller.0.view("profile", tenant(), id(profile), deadline).await.unwrap().state.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_letters_nor_snapshots_nor_replies_hold_a_name() {
    let home = tempfile::tempdir().unwrap();
    let store = SqlStore::open_sqlite(home.path(), SqliteOptions::default()).await.unwrap();
    let store = Arc::new(store);
    let options = RuntimeOptions { snapshot_every: 1, ..RuntimeOptions::default() };
    let world = World::start_with(store.clone(), only(1), options).await;
    let tell = |profile, name, body: String, key| {
        world.caller.0.ask("profile", command(profile, name, &body, key))
    };
    for (profile, subject, [name, _]) in [("p", "sub_ada", ADA), ("q", "sub_eve", EVE)] {
        for key in [Some("k1"), Some("k2"), None] {
            tell(profile, "name", body(subject, name), key).await.unwrap();
        }
    }
    for expected in [Failure::Crashed, Failure::Crashed, Failure::MessageQuarantined] {
        let crashed = tell("p", "fragile", body("sub_ada", ADA[0]), Some("poison")).await;
        assert_eq!(crashed, Err(expected));
    }
    let deadline = Instant::now() + PATIENCE;
    for profile in ["p", "q"] {
        while store.as_ref().letter_or_snapshot(profile).await.is_none() {
            assert!(Instant::now() < deadline, "nothing of {profile} is saved");
            tokio::task::yield_now().await;
        }
    }
    searched(home.path());
    assert!(shown(&world, "p").await.contains(ADA[0]));
    world.erase("sub_ada").await.unwrap();
    assert!(shown(&world, "p").await.contains(r#""name":null"#));
    assert!(shown(&world, "q").await.contains(EVE[0]));
    world.node.shutdown(PATIENCE).await;
    store.close().await;
    searched(home.path());
}

fn searched(home: &Path) {
    let files = Haystack::of_files(&[home]);
    assert!(!files.finds("sub_ada").is_empty(), "the search finds what is there");
    files.lacks(&[ADA[0], EVE[0], "Quillfeather", "Adelaide"]);
}

/// Waits for what is written behind the commit.
trait Saved {
    async fn letter_or_snapshot(&self, profile: &str) -> Option<()>;
}

impl Saved for SqlStore {
    async fn letter_or_snapshot(&self, profile: &str) -> Option<()> {
        let store: &dyn Store = self;
        let taken = store.snapshot(&stream_key("profile", profile)).await.unwrap();
        let letters = DeadLetters::dead_letters(self, None, 0, 9).await.unwrap();
        let poison = letters.iter().find(|letter| letter.kind == LetterKind::Command)?;
        assert_eq!((&*poison.name, &poison.body), ("fragile", &None));
        taken.map(drop)
    }
}
