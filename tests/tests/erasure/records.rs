//! The record of an erasure in the journal: before the key is destroyed it says that it is to be,
//! and whatever comes in between, both are done in the end.

use std::sync::Arc;

use coppice_persistence::SubjectKeys;
use coppice_runtime::Failure;
use coppice_testkit::{Action, Client, MemoryStore, Point, Sandbox, Times, binary};
use coppice_tests::node::tenant;
use coppice_tests::running::eventually;
use serde_json::Value;

use crate::database::{damage, verify};
use crate::world::{ADA, World, only, subject};

const REQUESTED: &str = "erasure.requested.v1";
const COMPLETED: &str = "erasure.completed.v1";

/// The events of a subject's record: type and payload.
fn record(store: &MemoryStore, name: &str) -> Vec<(String, Value)> {
    store.look(|events| {
        let of_record = events.iter().filter(|event| {
            event.key.kind().as_str() == "erasure" && event.key.id().as_str() == name
        });
        let shown = of_record.map(|event| {
            let body = &event.record.body;
            (body.event_type.to_string(), serde_json::from_str(&body.payload).unwrap())
        });
        shown.collect()
    })
}

fn types(store: &MemoryStore, name: &str) -> Vec<String> {
    record(store, name).into_iter().map(|(event_type, _)| event_type).collect()
}

async fn is_destroyed(store: &MemoryStore, name: &str) -> bool {
    let rows = store.subject_keys(&tenant(), &[subject(name)]).await.unwrap();
    rows.iter().any(|row| row.destroyed.is_some() && row.wrapped.is_none())
}

#[tokio::test(start_paused = true)]
async fn who_asked_and_that_it_is_done_stand_in_the_journal_and_once() {
    let store = Arc::new(MemoryStore::default());
    let world = World::start(store.clone(), only(1)).await;
    world.register("a", "sub_ada", ADA, None).await.unwrap();
    let erased = world.erase("sub_ada").await.unwrap();
    eventually("it is recorded", || types(&store, "sub_ada") == [REQUESTED, COMPLETED]).await;
    world.erase("sub_ada").await.unwrap();
    let record = record(&store, "sub_ada");
    assert_eq!(record.len(), 2, "asked again it says nothing new: {record:?}");
    assert_eq!(record[0].1["by"], "a test");
    let at = erased.erased_at.as_micros();
    assert_eq!(record[1].1["response"], format!("{{\"destroyed_at\":{at}}}"));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_not_destroyed_before_it_is_durable_that_it_is_to_be() {
    let store = Arc::new(MemoryStore::default());
    let world = World::start(store.clone(), only(1)).await;
    world.register("a", "sub_ada", ADA, None).await.unwrap();
    store.faults().arm(Point::BeforeAppend, Action::Full, Times::Always);
    assert_eq!(world.erase("sub_ada").await, Err(Failure::StoreFull));
    assert!(!is_destroyed(&store, "sub_ada").await);
    assert_eq!(world.name("a").await.as_deref(), Some(ADA[0]), "nothing happened");
    store.faults().clear();
    world.erase("sub_ada").await.unwrap();
    assert!(is_destroyed(&store, "sub_ada").await);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_before_the_key_is_destroyed_leaves_it_to_the_next() {
    let store = Arc::new(MemoryStore::default());
    let world = World::start(store.clone(), only(1)).await;
    world.register("a", "sub_ada", ADA, None).await.unwrap();
    store.faults().arm(Point::SubjectKeys, Action::Unavailable, Times::Always);
    let asked = world.erase("sub_ada").await;
    assert_eq!(asked, Err(Failure::TimedOut), "it is recorded, so it will be done");
    assert_eq!(types(&store, "sub_ada"), [REQUESTED]);
    world.node.abort();
    store.faults().clear();
    assert!(!is_destroyed(&store, "sub_ada").await);

    // Nobody asks again.
    let world = World::start(store.clone(), only(1)).await;
    eventually("the next node finishes it", || types(&store, "sub_ada") == [REQUESTED, COMPLETED])
        .await;
    assert!(is_destroyed(&store, "sub_ada").await);
    assert_eq!(world.name("a").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_before_it_has_recorded_the_end_leaves_that_to_the_next() {
    let store = Arc::new(MemoryStore::default());
    let world = World::start(store.clone(), only(1)).await;
    world.register("a", "sub_ada", ADA, None).await.unwrap();
    let before = store.faults().hold(Point::SubjectKeys, Times::Always);
    let eraser = world.node.eraser();
    let asked = coppice_runtime::task::spawn(async move {
        let deadline = tokio::time::Instant::now() + coppice_tests::node::PATIENCE;
        eraser.erase(tenant(), subject("sub_ada"), "a test", deadline).await
    });
    before.reached(1).await;
    assert_eq!(types(&store, "sub_ada"), [REQUESTED]);
    // From here on nothing is committed any more; the key goes all the same.
    store.faults().arm(Point::BeforeAppend, Action::Unavailable, Times::Always);
    before.release();
    asked.await.unwrap().unwrap();
    world.node.abort();
    store.faults().clear();
    assert!(is_destroyed(&store, "sub_ada").await);
    assert_eq!(types(&store, "sub_ada"), [REQUESTED]);

    let _next = World::start(store.clone(), only(1)).await;
    eventually("the next node records it", || types(&store, "sub_ada") == [REQUESTED, COMPLETED])
        .await;
}

#[tokio::test]
async fn a_record_that_was_altered_is_found_by_verify_and_a_tenant_reads_its_own() {
    let mut sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    let erased = client.delete("/v1/subjects/sub_ada").await.unwrap();
    assert_eq!(erased.status.as_u16(), 200, "{erased:?}");
    let shown = client.get_path("/v1/entities/erasure/sub_ada").await.unwrap();
    assert!(shown.body["state"]["requested_at"].is_i64(), "{shown:?}");
    assert!(sandbox.terminate().await.unwrap().success());
    assert_eq!(verify(sandbox.data(), None).code, Some(0));
    let alter = "UPDATE events SET payload = REPLACE(payload, 'api key', 'API key') \
         WHERE event_type = 'erasure.requested.v1'";
    damage(sandbox.data(), None, &[alter]).await;
    verify(sandbox.data(), None).finds(&["erasure", "sub_ada"]);
}
