//! What a projection is told of an entity that was deleted.

use std::sync::Arc;

use coppice_persistence::{PostgresOptions, SqlStore, SqliteOptions, Store};
use coppice_runtime::projection::ParkPolicy;
use coppice_runtime::{RuntimeOptions, SystemClock};
use coppice_testkit::postgres::shared_database;
use coppice_tests::running::{command, run};

use crate::model::{catch_up, parked, tally};

async fn a_deletion_is_told(store: Arc<dyn Store>) {
    for page in [1, 100] {
        let options = RuntimeOptions::default();
        let (node, caller) = run(store.clone(), Arc::new(SystemClock), options, None).await;
        let [gone, stays] = ["gone", "stays"].map(|name| format!("{name}{page}"));
        for counter in [&gone, &stays] {
            caller.add(counter, 5, None).await.unwrap();
        }
        catch_up(&store, ParkPolicy::GoOn, page).await;
        assert_eq!(tally(store.as_ref(), &gone).await, Some((1, 5)));
        let deletion = command(&gone, "delete", "", None);
        caller.0.delete("counter", deletion).await.unwrap();
        caller.add(&stays, 5, None).await.unwrap();
        catch_up(&store, ParkPolicy::GoOn, page).await;
        assert_eq!(tally(store.as_ref(), &gone).await, None, "it shows nothing of what is gone");
        assert_eq!(tally(store.as_ref(), &stays).await, Some((2, 10)));
        assert_eq!(parked(store.as_ref()).await, [], "a tombstone is no riddle");
        node.abort();
    }
}

#[tokio::test]
async fn a_deletion_is_told_in_a_way_of_its_own_on_sqlite() {
    let home = tempfile::tempdir().unwrap();
    let store = SqlStore::open_sqlite(home.path(), SqliteOptions::default()).await.unwrap();
    a_deletion_is_told(Arc::new(store)).await;
}

#[tokio::test]
async fn a_deletion_is_told_in_a_way_of_its_own_on_postgresql() {
    let url = shared_database().unwrap();
    let store = SqlStore::open_postgres(&url, PostgresOptions::default()).await.unwrap();
    a_deletion_is_told(Arc::new(store)).await;
}
