//! An event behind a tombstone, in chains that are all sound.

use coppice_core::{EntityId, EntityKind, EventRecord, StreamKey};
use coppice_persistence::{
    ClaimOutcome, Journal, Leases, PostgresOptions, ShardClaim, SqlStore, SqliteOptions,
    StreamAppend, Unit, UnitOutcome,
};
use coppice_testkit::postgres::shared_database;
use coppice_testkit::{Client, Sandbox, binary};
use coppice_tests::node::tenant;

use crate::database::verify;

const SHARDS: u16 = 64;

/// Appends to a counter as nobody's host would: what it was before, once more.
async fn append_behind_the_end(store: &SqlStore, counter: &str) {
    let key = StreamKey::new(
        tenant(),
        EntityKind::new("counter").unwrap(),
        EntityId::new(counter).unwrap(),
    );
    let claim =
        ShardClaim { owner: "forger".to_owned(), count: SHARDS, duration: None, succeed_own: true };
    if let ClaimOutcome::Held { owner, .. } = store.claim(&claim).await.unwrap() {
        store.release(&owner).await.unwrap();
    }
    let ClaimOutcome::Granted(epochs) = store.claim(&claim).await.unwrap() else {
        panic!("nobody else holds it");
    };
    let events = store.read_stream(&key, coppice_core::Sequence(0), 10).await.unwrap();
    let (first, last) = (&events[0].record, &events[1].record);
    let shard = key.shard(SHARDS);
    let append = StreamAppend {
        shard,
        epoch: epochs[&shard],
        expected: last.head(),
        events: vec![EventRecord::chain(last.head(), first.body.clone())],
        commands: Vec::new(),
        wake_at: None,
        owes: false,
        waits_as_before: false,
        key,
    };
    let outcomes = store.append(&[Unit { appends: vec![append] }]).await.unwrap();
    assert_eq!(outcomes, [UnitOutcome::Committed]);
    store.release("forger").await.unwrap();
}

/// A stopped node whose counter `a` was deleted.
async fn stopped(database: Option<&str>) -> Sandbox {
    let mut builder = Sandbox::builder(binary());
    if let Some(url) = database {
        builder = builder.database(url);
    }
    let mut sandbox = builder.start().await.unwrap();
    let client = Client::new(sandbox.url(), sandbox.key());
    assert_eq!(client.add("a", 1, None).await.unwrap().status.as_u16(), 200);
    assert_eq!(client.delete("/v1/entities/counter/a").await.unwrap().status.as_u16(), 200);
    assert!(sandbox.terminate().await.unwrap().success());
    let sound = verify(sandbox.data(), database);
    assert_eq!(sound.code, Some(0), "{sound:?}");
    sandbox
}

const FOUND: [&str; 2] = ["default/counter/a", "event 3: it follows a tombstone"];

#[tokio::test]
async fn an_event_behind_a_tombstone_is_found() {
    let sandbox = stopped(None).await;
    let store = SqlStore::open_sqlite(sandbox.data(), SqliteOptions::default()).await.unwrap();
    append_behind_the_end(&store, "a").await;
    store.close().await;
    verify(sandbox.data(), None).finds(&FOUND);
}

#[tokio::test]
async fn an_event_behind_a_tombstone_is_found_on_postgres() {
    let url = shared_database().unwrap();
    let sandbox = stopped(Some(&url)).await;
    let store = SqlStore::open_postgres(&url, PostgresOptions::default()).await.unwrap();
    append_behind_the_end(&store, "a").await;
    store.close().await;
    verify(sandbox.data(), Some(&url)).finds(&FOUND);
}
