//! Events that can't be digested: parked with their reason, and their entity goes on as stated.

use std::sync::Arc;

use coppice_persistence::{DocumentChange, Progress, SqlStore, SqliteOptions, Store};
use coppice_runtime::projection::ParkPolicy;
use coppice_runtime::{RuntimeOptions, SystemClock};
use coppice_testkit::MemoryStore;
use coppice_tests::node::tenant;
use coppice_tests::running::run;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::model::{
    IGNORED, PANICS, PANICS_IN_READ, REFUSED, REFUSED_IN_READ, REMOVES, catch_up, parked, tally,
};

async fn with(store: &Arc<dyn Store>, adds: &[(&str, i64)]) {
    let options = RuntimeOptions::default();
    let (node, caller) = run(store.clone(), Arc::new(SystemClock), options, None).await;
    for (counter, n) in adds {
        caller.add(counter, *n, None).await.unwrap();
    }
    node.abort();
}

async fn stores() -> Vec<(Arc<dyn Store>, Option<tempfile::TempDir>)> {
    let home = tempfile::tempdir().unwrap();
    let sqlite = SqlStore::open_sqlite(home.path(), SqliteOptions::default()).await.unwrap();
    vec![(Arc::new(MemoryStore::default()), None), (Arc::new(sqlite), Some(home))]
}

#[tokio::test]
async fn going_on_folds_what_follows_a_parked_event() {
    for page in [1, 2, 100] {
        for (store, _home) in stores().await {
            with(&store, &[("a", 1), ("a", REFUSED), ("b", 5), ("a", 10)]).await;
            catch_up(&store, ParkPolicy::GoOn, page).await;
            assert_eq!(tally(store.as_ref(), "a").await, Some((2, 11)));
            assert_eq!(tally(store.as_ref(), "b").await, Some((1, 5)));
            let reason = "the number of the beast".to_owned();
            assert_eq!(parked(store.as_ref()).await, [(2, reason)]);
        }
    }
}

#[tokio::test]
async fn holding_parks_what_follows_and_only_of_that_entity() {
    for page in [1, 2, 100] {
        for (store, _home) in stores().await {
            let adds = [("a", 1), ("a", REFUSED), ("b", 5), ("a", 10), ("b", 6), ("a", 20)];
            with(&store, &adds).await;
            catch_up(&store, ParkPolicy::Hold, page).await;
            assert_eq!(tally(store.as_ref(), "a").await, Some((1, 1)));
            assert_eq!(tally(store.as_ref(), "b").await, Some((2, 11)));
            let parked = parked(store.as_ref()).await;
            let positions: Vec<_> = parked.iter().map(|(position, _)| *position).collect();
            assert_eq!(positions, [2, 4, 6], "pages of {page}");
            assert!(parked[1].1.contains("held behind"), "{parked:?}");
            assert_eq!(store.offset("tally").await.unwrap().0, 6);
        }
    }
}

#[tokio::test]
async fn a_panic_parks_its_event_and_stops_nothing() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let adds = [("a", 1), ("a", PANICS), ("a", PANICS_IN_READ), ("a", 2)];
    with(&store, &adds).await;
    catch_up(&store, ParkPolicy::GoOn, 100).await;
    assert_eq!(tally(store.as_ref(), "a").await, Some((2, 3)));
    let reason = "the projection panicked".to_owned();
    assert_eq!(parked(store.as_ref()).await, [(2, reason.clone()), (3, reason)]);
}

#[tokio::test]
async fn events_without_a_document_are_passed_over_and_a_removed_one_is_gone() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let adds = [("a", 1), ("a", IGNORED), ("b", 1), ("a", REMOVES), ("b", REMOVES), ("b", 7)];
    with(&store, &adds).await;
    catch_up(&store, ParkPolicy::Hold, 4).await;
    assert_eq!(tally(store.as_ref(), "a").await, None);
    assert_eq!(tally(store.as_ref(), "b").await, Some((1, 7)));
    assert!(parked(store.as_ref()).await.is_empty());
}

#[tokio::test]
async fn an_event_without_a_place_is_parked_with_its_reason() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    with(&store, &[("a", REFUSED_IN_READ), ("a", 1)]).await;
    catch_up(&store, ParkPolicy::Hold, 1).await;
    assert_eq!(tally(store.as_ref(), "a").await, None);
    assert_eq!(parked(store.as_ref()).await[0], (1, "nothing to read in it".to_owned()));
}

/// What can't be read can still be replaced and removed; whatever adds to it is parked.
#[tokio::test]
async fn a_document_that_does_not_read_is_removed_by_the_event_that_removes_it() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let change = |id: &str| DocumentChange {
        model: "tallies".into(),
        tenant: tenant(),
        id: id.into(),
        body: Some("{".into()),
    };
    let step = Progress { changes: vec![change("a"), change("b")], ..Progress::default() };
    assert!(store.advance("tally", &step).await.unwrap());
    with(&store, &[("a", 1), ("a", REMOVES), ("a", 2), ("b", 1)]).await;
    catch_up(&store, ParkPolicy::GoOn, 100).await;
    assert_eq!(tally(store.as_ref(), "a").await, Some((1, 2)));
    let parked = parked(store.as_ref()).await;
    assert_eq!(parked.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [1, 4]);
    assert!(parked.iter().all(|(_, reason)| reason.contains("does not read")), "{parked:?}");
    let b = store.document("tallies", &tenant(), "b").await.unwrap();
    assert_eq!(b.as_deref(), Some("{"), "it is what it was");
}

#[tokio::test]
async fn an_event_that_can_not_be_read_is_parked_and_stops_nothing() {
    for page in [1, 100] {
        let home = tempfile::tempdir().unwrap();
        let open = async || {
            let open = SqlStore::open_sqlite(home.path(), SqliteOptions::default()).await;
            Arc::new(open.unwrap())
        };
        let first = open().await;
        let store: Arc<dyn Store> = first.clone();
        with(&store, &[("a", 1), ("a", 2), ("b", 5), ("a", 10)]).await;
        first.close().await;
        let journal = SqliteConnectOptions::new().filename(home.path().join("journal.db"));
        let mut connection = SqliteConnection::connect_with(&journal).await.unwrap();
        let damage = "UPDATE events SET hash = x'00' WHERE position = 2";
        sqlx::query(damage).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        // A store that wrote none of it, for one that did has it in memory.
        let store: Arc<dyn Store> = open().await;
        catch_up(&store, ParkPolicy::GoOn, page).await;
        assert_eq!(tally(store.as_ref(), "a").await, Some((2, 11)));
        assert_eq!(tally(store.as_ref(), "b").await, Some((1, 5)));
        let parked = parked(store.as_ref()).await;
        assert_eq!(parked.len(), 1, "{parked:?}");
        assert!(parked[0].0 == 2 && parked[0].1.contains("hash"), "{parked:?}");
    }
}
