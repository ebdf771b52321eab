//! A fresh, empty store of each kind.

use std::sync::Arc;

use coppice_persistence::{PostgresOptions, SqlStore, SqliteOptions, Store};
use coppice_testkit::MemoryStore;
use tempfile::TempDir;

/// A store, and what has to live as long as it does.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    _home: Option<TempDir>,
}

pub(crate) async fn memory() -> Opened {
    Opened { store: Arc::new(MemoryStore::default()), _home: None }
}

pub(crate) async fn sqlite() -> Opened {
    let home = tempfile::tempdir().unwrap();
    let store = SqlStore::open_sqlite(home.path(), SqliteOptions::default()).await.unwrap();
    Opened { store: Arc::new(store), _home: Some(home) }
}

pub(crate) async fn postgres() -> Opened {
    let url = coppice_testkit::postgres::shared_database().unwrap();
    let store = SqlStore::open_postgres(&url, PostgresOptions::default()).await.unwrap();
    Opened { store: Arc::new(store), _home: None }
}
