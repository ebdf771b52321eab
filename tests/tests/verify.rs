//! `coppice verify`: a sound store passes, and every kind of damage is found and named.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "damage/database.rs"]
mod database;
#[path = "verify/rehash.rs"]
mod rehash;
#[path = "verify/tombstone.rs"]
mod tombstone;

use coppice_testkit::postgres::shared_database;
use coppice_testkit::{Client, Sandbox, binary};
use database::{damage, verify};

/// Adds to each of the counters a, b and c, in turn, so that each is an event in a batch of its
/// own: the n-th add to `b` stands at position and in batch 3n - 1.
const ROUNDS: i64 = 12;

/// A stopped node with some history and one snapshot of each counter, at sequence 10.
async fn stopped(database: Option<&str>) -> Sandbox {
    let mut builder = Sandbox::builder(binary()).env("COPPICE_RUNTIME__SNAPSHOT_EVERY", "10");
    if let Some(url) = database {
        builder = builder.database(url);
    }
    let mut sandbox = builder.start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    for _ in 0..ROUNDS {
        for counter in ["a", "b", "c"] {
            assert_eq!(client.add(counter, 1, None).await.unwrap().status.as_u16(), 200);
        }
    }
    assert!(sandbox.terminate().await.unwrap().success());
    sandbox
}

/// Damages an embedded store with these statements; verify finds it and names these.
async fn finds(statements: &[&'static str], names: &[&str]) {
    let sandbox = stopped(None).await;
    damage(sandbox.data(), None, statements).await;
    verify(sandbox.data(), None).finds(names);
}

/// As [`finds`], on PostgreSQL.
async fn finds_on_postgres(statements: &[&'static str], names: &[&str]) {
    let url = shared_database().unwrap();
    let sandbox = stopped(Some(&url)).await;
    damage(sandbox.data(), Some(&url), statements).await;
    verify(sandbox.data(), Some(&url)).finds(names);
}

#[tokio::test]
async fn a_sound_store_passes_with_its_counts() {
    let sandbox = stopped(None).await;
    let verdict = verify(sandbox.data(), None);
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    assert_eq!(verdict.stdout, "coppice verified 3 entities, 36 events, 36 batches, 3 snapshots\n");
}

#[tokio::test]
async fn a_sound_store_on_postgres_passes_with_its_counts() {
    let url = shared_database().unwrap();
    let sandbox = stopped(Some(&url)).await;
    let verdict = verify(sandbox.data(), Some(&url));
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    assert_eq!(verdict.stdout, "coppice verified 3 entities, 36 events, 36 batches, 3 snapshots\n");
}

#[tokio::test]
async fn a_store_in_use_is_refused() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let verdict = verify(sandbox.data(), None);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(verdict.stderr.contains("in use"), "{verdict:?}");
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("a", 1, None).await.unwrap().value(), Some(1), "it serves on");
}

#[tokio::test]
async fn a_database_in_use_is_refused_from_any_directory() {
    // The lock of the data directory says nothing of a database elsewhere, and a walk through a
    // journal that grows meanwhile would report faults that aren't there.
    let url = shared_database().unwrap();
    let sandbox = Sandbox::builder(binary()).database(&url).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    client.add("a", 1, None).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let verdict = verify(elsewhere.path(), Some(&url));
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(verdict.stderr.contains("in use"), "{verdict:?}");
}

#[tokio::test]
async fn a_directory_without_a_store_is_neither_sound_nor_made() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("mistyped");
    let verdict = verify(&missing, None);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(!missing.exists(), "a look must leave nothing behind");
}

const ALTER_PAYLOAD: &str = "UPDATE events SET payload = '{\"n\":1000}' \
     WHERE sequence = 3 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
const DELETE_IN_THE_MIDDLE: &str = "DELETE FROM events \
     WHERE sequence = 3 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
const DELETE_BATCH: &str = "DELETE FROM batches WHERE number = 5";
const ALTER_SNAPSHOT_DIGEST: &str = "UPDATE snapshots SET digest = hash \
     WHERE stream = (SELECT stream FROM entities WHERE id = 'b')";

#[tokio::test]
async fn an_altered_payload_is_found() {
    finds(&[ALTER_PAYLOAD], &["default/counter/b", "event 3"]).await;
}

#[tokio::test]
async fn an_altered_payload_is_found_on_postgres() {
    finds_on_postgres(&[ALTER_PAYLOAD], &["default/counter/b", "event 3"]).await;
}

#[tokio::test]
async fn an_altered_time_is_found() {
    let text = "UPDATE events SET recorded_at = recorded_at + 1 \
         WHERE sequence = 3 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
    finds(&[text], &["default/counter/b", "event 3"]).await;
}

#[tokio::test]
async fn a_deleted_middle_event_is_found() {
    finds(&[DELETE_IN_THE_MIDDLE], &["default/counter/b", "sequence 4", "3 belongs"]).await;
}

#[tokio::test]
async fn a_deleted_middle_event_is_found_on_postgres() {
    let names = ["default/counter/b", "sequence 4", "3 belongs"];
    finds_on_postgres(&[DELETE_IN_THE_MIDDLE], &names).await;
}

#[tokio::test]
async fn swapped_events_are_found() {
    let statements = [
        "UPDATE events SET sequence = -3 \
         WHERE sequence = 3 AND stream = (SELECT stream FROM entities WHERE id = 'b')",
        "UPDATE events SET sequence = 3 \
         WHERE sequence = 4 AND stream = (SELECT stream FROM entities WHERE id = 'b')",
        "UPDATE events SET sequence = 4 WHERE sequence = -3",
    ];
    finds(&statements, &["default/counter/b", "event 3"]).await;
}

#[tokio::test]
async fn events_of_two_streams_swapped_in_position_are_found() {
    let statements = [
        "UPDATE events SET position = -5 WHERE position = 5",
        "UPDATE events SET position = 5 WHERE position = 6",
        "UPDATE events SET position = 6 WHERE position = -5",
    ];
    finds(&statements, &["batch 5", "hash"]).await;
}

#[tokio::test]
async fn a_deleted_tail_event_is_found() {
    let text = "DELETE FROM events \
         WHERE sequence = 12 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
    finds(&[text], &["default/counter/b", "ends at 11", "12"]).await;
}

#[tokio::test]
async fn an_event_past_the_end_of_its_stream_is_found() {
    let text = "INSERT INTO events SELECT position + 100, stream, sequence + 1, event_type, \
         payload, recorded_at, causation, correlation, workflow, policy_bundle, subject, key_id, \
         hash, hash, entity FROM events \
         WHERE sequence = 12 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
    finds(&[text], &["default/counter/b", "event 13"]).await;
}

#[tokio::test]
async fn an_event_of_a_stream_that_is_not_its_entitys_is_found() {
    let text = "INSERT INTO events SELECT position + 100, stream, sequence + 1, event_type, \
         payload, recorded_at, causation, correlation, workflow, policy_bundle, subject, key_id, \
         hash, hash, 0 FROM events \
         WHERE sequence = 12 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
    finds(&[text], &["default/counter/b", "in no batch"]).await;
}

#[tokio::test]
async fn a_deleted_entity_row_is_found() {
    finds(&["DELETE FROM entities WHERE id = 'b'"], &["batch 2", "position 2"]).await;
}

#[tokio::test]
async fn an_altered_entity_head_is_found() {
    let text = "UPDATE entities SET sequence = 11 WHERE id = 'b'";
    finds(&[text], &["default/counter/b", "ends at 12", "11"]).await;
}

#[tokio::test]
async fn an_altered_hash_of_an_entity_head_is_found() {
    let text = "UPDATE entities SET hash = (SELECT hash FROM batches WHERE number = 1) \
         WHERE id = 'b'";
    finds(&[text], &["default/counter/b", "12"]).await;
}

#[tokio::test]
async fn an_entity_row_that_names_another_entity_is_found() {
    let text = "UPDATE entities SET id = 'd' WHERE id = 'b'";
    finds(&[text], &["default/counter/d"]).await;
}

#[tokio::test]
async fn an_entity_row_under_another_stream_id_is_found() {
    // Last in the order of the walk, so that one that goes on from the entity's own id comes back
    // to it again and again.
    let text = "UPDATE entities SET stream = x'ffffffffffffffffffffffffffffffff' WHERE id = 'b'";
    finds(&[text], &["default/counter/b"]).await;
}

#[tokio::test]
async fn an_entity_of_an_unknown_kind_is_found() {
    let text = "UPDATE entities SET kind = 'account' WHERE id = 'b'";
    finds(&[text], &["default/account/b", "under another stream id"]).await;
}

#[tokio::test]
async fn an_altered_snapshot_state_is_found_whether_it_reads_or_not() {
    // What isn't a state at all, and the state of another value: 11 in place of 10.
    let texts = [
        "UPDATE snapshots SET state = digest \
         WHERE stream = (SELECT stream FROM entities WHERE id = 'b')",
        "UPDATE snapshots SET state = x'16' \
         WHERE stream = (SELECT stream FROM entities WHERE id = 'b')",
    ];
    for text in texts {
        finds(&[text], &["default/counter/b", "snapshot at 10"]).await;
    }
}

#[tokio::test]
async fn an_altered_snapshot_digest_is_found() {
    finds(&[ALTER_SNAPSHOT_DIGEST], &["default/counter/b", "10", "snapshot"]).await;
}

#[tokio::test]
async fn an_altered_snapshot_digest_is_found_on_postgres() {
    finds_on_postgres(&[ALTER_SNAPSHOT_DIGEST], &["default/counter/b", "10", "snapshot"]).await;
}

#[tokio::test]
async fn a_snapshot_at_another_place_is_found() {
    let texts = [
        "UPDATE snapshots SET sequence = 9 \
         WHERE stream = (SELECT stream FROM entities WHERE id = 'b')",
        "UPDATE snapshots SET sequence = 99 \
         WHERE stream = (SELECT stream FROM entities WHERE id = 'b')",
        "UPDATE snapshots SET sequence = 0 \
         WHERE stream = (SELECT stream FROM entities WHERE id = 'b')",
    ];
    for text in texts {
        finds(&[text], &["default/counter/b", "snapshot"]).await;
    }
}

#[tokio::test]
async fn a_deleted_batch_row_is_found_wherever_it_stood() {
    finds(&["DELETE FROM batches WHERE number = 1"], &["batch 2", "missing"]).await;
    finds(&[DELETE_BATCH], &["batch 6", "missing"]).await;
    let last = ["position 36", "default/counter/c", "in no batch"];
    finds(&["DELETE FROM batches WHERE number = 36"], &last).await;
}

#[tokio::test]
async fn a_deleted_batch_row_is_found_on_postgres() {
    finds_on_postgres(&[DELETE_BATCH], &["batch 6", "missing"]).await;
}

#[tokio::test]
async fn an_altered_batch_hash_is_found() {
    let text = "UPDATE batches SET hash = previous_hash WHERE number = 5";
    finds(&[text], &["batch 5", "hash"]).await;
    let text = "UPDATE batches SET hash = previous_hash WHERE number = 36";
    finds(&[text], &["batch 36", "hash"]).await;
}

#[tokio::test]
async fn a_stream_whose_chain_was_made_anew_is_found() {
    // The forger altered the add 11 of b and everything that follows from it in the stream.
    let sandbox = stopped(None).await;
    rehash::sqlite(sandbox.data(), "b", 11).await;
    verify(sandbox.data(), None).finds(&["batch 32", "hash"]);
}

#[tokio::test]
async fn a_stream_whose_chain_was_made_anew_is_found_on_postgres() {
    let url = shared_database().unwrap();
    let sandbox = stopped(Some(&url)).await;
    rehash::postgres(&url, "b", 11).await;
    verify(sandbox.data(), Some(&url)).finds(&["batch 32", "hash"]);
}

#[tokio::test]
async fn a_gap_in_the_positions_is_found() {
    // Events alone, and events with the batches that they stand in.
    let events = [
        "UPDATE events SET position = -(position + 1) WHERE position >= 5",
        "UPDATE events SET position = -position WHERE position < 0",
    ];
    finds(&events, &["batch 5", "position 5"]).await;
    let batches = [
        "UPDATE batches SET last_position = last_position + 1 WHERE number >= 5",
        "UPDATE batches SET first_position = first_position + 1 WHERE number >= 5",
    ];
    finds(&[events, batches].concat(), &["batch 5", "positions"]).await;
}

#[tokio::test]
async fn a_row_that_does_not_read_is_found_with_its_stream() {
    let texts = [
        // A hash that is none.
        "UPDATE events SET hash = x'00' \
         WHERE sequence = 3 AND stream = (SELECT stream FROM entities WHERE id = 'b')",
        "UPDATE snapshots SET hash = x'00' \
         WHERE stream = (SELECT stream FROM entities WHERE id = 'b')",
        // Text that is none.
        "UPDATE events SET payload = CAST(x'7bff7d' AS TEXT) \
         WHERE sequence = 3 AND stream = (SELECT stream FROM entities WHERE id = 'b')",
    ];
    for text in texts {
        finds(&[text], &["default/counter/b"]).await;
    }
}
