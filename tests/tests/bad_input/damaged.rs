//! A stored row that isn't what it was: a snapshot is ignored, an entity is refused by name, and
//! every other entity goes on.

use coppice_testkit::{Client, Sandbox, binary};
use reqwest::Method;

use crate::database::{damage, verify};
use crate::wire::{Answer, PATIENCE, Wire, send};

const ROUNDS: i64 = 25;

/// A stopped node; counters a and b stand at 25, each with a snapshot at 20.
async fn stopped() -> Sandbox {
    let mut sandbox = Sandbox::builder(binary())
        .env("COPPICE_RUNTIME__SNAPSHOT_EVERY", "10")
        .start()
        .await
        .unwrap();
    let client = Client::with_timeout(sandbox.url(), sandbox.key(), PATIENCE);
    for _ in 0..ROUNDS {
        for counter in ["a", "b"] {
            assert_eq!(client.add(counter, 1, None).await.unwrap().status.as_u16(), 200);
        }
    }
    assert!(sandbox.terminate().await.unwrap().success());
    sandbox
}

/// A node that was stopped, damaged and started again.
async fn damaged(statements: &[&'static str]) -> Sandbox {
    let mut sandbox = stopped().await;
    damage(sandbox.data(), None, statements).await;
    sandbox.restart().await.unwrap();
    sandbox
}

async fn get(wire: &Wire<'_>, id: &str) -> Answer {
    send(wire.keyed(Method::GET, &format!("/v1/entities/counter/{id}"))).await
}

async fn add(wire: &Wire<'_>, id: &str) -> Answer {
    send(wire.command(&format!("/v1/entities/counter/{id}/add"), "{\"n\":1}")).await
}

/// The counter's value, before and after an add.
async fn serves(wire: &Wire<'_>, id: &str, value: i64) {
    assert_eq!(get(wire, id).await.body["state"]["value"], value, "{id}");
    assert_eq!(add(wire, id).await.body["reply"]["value"], value + 1, "{id}");
}

async fn ignores_the_snapshot(statement: &'static str) {
    let mut sandbox = damaged(&[statement]).await;
    serves(&Wire::new(&sandbox), "a", ROUNDS).await;
    serves(&Wire::new(&sandbox), "b", ROUNDS).await;
    sandbox.restart().await.unwrap();
    serves(&Wire::new(&sandbox), "a", ROUNDS + 1).await;
}

#[tokio::test]
async fn a_snapshot_that_does_not_read_is_ignored_and_the_journal_replayed() {
    ignores_the_snapshot("UPDATE snapshots SET state = digest").await;
    ignores_the_snapshot("UPDATE snapshots SET state = x''").await;
    ignores_the_snapshot("UPDATE snapshots SET state = x'ffffffffffffffffffff'").await;
}

#[tokio::test]
async fn a_snapshot_that_reads_as_another_state_is_ignored_and_the_journal_replayed() {
    // 21 in place of 20: one bit of the disk is enough.
    ignores_the_snapshot("UPDATE snapshots SET state = x'2a'").await;
}

#[tokio::test]
async fn a_snapshot_that_the_journal_does_not_bear_out_is_ignored() {
    ignores_the_snapshot("UPDATE snapshots SET hash = digest").await;
    ignores_the_snapshot("UPDATE snapshots SET hash = x'00'").await;
    ignores_the_snapshot("UPDATE snapshots SET digest = hash").await;
    ignores_the_snapshot("UPDATE snapshots SET sequence = 19").await;
    ignores_the_snapshot("UPDATE snapshots SET sequence = 9999").await;
    ignores_the_snapshot("UPDATE snapshots SET sequence = 0").await;
    ignores_the_snapshot("UPDATE snapshots SET sequence = -1").await;
    ignores_the_snapshot("UPDATE snapshots SET layout = 99").await;
    ignores_the_snapshot("UPDATE snapshots SET layout = -1").await;
}

/// Counter `b` is refused and named with these, `a` goes on, and verify finds it too.
async fn is_refused(statements: &[&'static str], names: &[&str]) {
    let mut sandbox = damaged(statements).await;
    let wire = Wire::new(&sandbox);
    for _ in 0..2 {
        for answer in [get(&wire, "b").await, add(&wire, "b").await] {
            let detail = answer.is_problem(500, "journal_damaged");
            for name in [&["default/counter/b"], names].concat() {
                assert!(detail.contains(name), "{detail} does not name {name}");
            }
            assert_eq!(answer.header("retry-after"), None, "it won't pass");
        }
    }
    serves(&wire, "a", ROUNDS).await;
    add(&wire, "new").await.is_accepted();
    assert!(sandbox.terminate().await.unwrap().success(), "{}", sandbox.log_tail());
    verify(sandbox.data(), None).finds(&[&["default/counter/b"], names].concat());
}

#[tokio::test]
async fn a_tampered_event_is_refused_and_named() {
    let text = "UPDATE events SET payload = '{\"n\":1000}' \
         WHERE sequence = 23 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
    is_refused(&[text], &["event 23"]).await;
}

#[tokio::test]
async fn a_deleted_event_is_refused_and_named() {
    let text = "DELETE FROM events \
         WHERE sequence = 23 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
    is_refused(&[text], &["23"]).await;
}

#[tokio::test]
async fn a_moved_head_is_refused_and_named() {
    is_refused(&["UPDATE entities SET sequence = 24 WHERE id = 'b'"], &["24"]).await;
}

#[tokio::test]
async fn an_event_whose_hash_does_not_read_is_refused_and_named() {
    let text = "UPDATE events SET hash = x'00' \
         WHERE sequence = 23 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
    is_refused(&[text], &[]).await;
}

#[tokio::test]
async fn an_event_whose_text_does_not_read_is_refused_and_named() {
    let text = "UPDATE events SET payload = CAST(x'7bff7d' AS TEXT) \
         WHERE sequence = 23 AND stream = (SELECT stream FROM entities WHERE id = 'b')";
    is_refused(&[text], &[]).await;
}

/// Adds to `b` that the store can't take are refused in time, and `a` goes on.
async fn is_refused_at_the_append(statement: &'static str) {
    let sandbox = damaged(&[statement]).await;
    let wire = Wire::new(&sandbox);
    let answer = add(&wire, "b").await;
    let detail = answer.is_problem(500, "journal_damaged");
    assert!(detail.contains("default/counter/b"), "{detail}");
    serves(&wire, "a", ROUNDS).await;
}

#[tokio::test]
async fn an_entity_whose_row_is_gone_stops_nobody_else() {
    // Its events are there, so a first event can't be written; trying for ever would stop the
    // node's one writer.
    is_refused_at_the_append("DELETE FROM entities WHERE id = 'b'").await;
}

#[tokio::test]
async fn an_entity_with_an_event_past_its_end_stops_nobody_else() {
    is_refused_at_the_append(
        "INSERT INTO events SELECT position + 100, stream, sequence + 1, event_type, payload, \
         recorded_at, causation, correlation, workflow, policy_bundle, subject, key_id, hash, \
         hash, entity FROM events \
         WHERE sequence = 25 AND stream = (SELECT stream FROM entities WHERE id = 'b')",
    )
    .await;
}

#[tokio::test]
async fn a_journal_whose_last_batch_is_gone_refuses_writes_in_time() {
    let sandbox = damaged(&["DELETE FROM batches WHERE number = 50"]).await;
    let wire = Wire::new(&sandbox);
    let answer = add(&wire, "a").await;
    assert!(answer.status >= 500, "{answer:?}");
    assert_eq!(answer.body["outcome"], "not_applied", "{answer:?}");
    assert_eq!(get(&wire, "a").await.body["state"]["value"], ROUNDS);
}
