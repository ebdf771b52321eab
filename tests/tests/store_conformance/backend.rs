//! A fresh, empty store of each kind, and the same database opened again.

use std::sync::Arc;

use coppice_persistence::{PostgresOptions, SqlStore, SqliteOptions, Store};
use coppice_testkit::{Faults, MemoryStore};
use tempfile::TempDir;

/// A store, and what has to live as long as it does.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    database: Database,
}

enum Database {
    Memory(MemoryStore),
    Sqlite(TempDir, Arc<SqlStore>),
    Postgres(String, Arc<SqlStore>),
}

impl Opened {
    fn of(store: Arc<dyn Store>, database: Database) -> Self {
        Self { store, database }
    }

    /// Closes the store and opens its database again, as the next process would.
    pub(crate) async fn again(self) -> Self {
        match self.database {
            Database::Memory(store) => in_memory(store.connect(Faults::default())),
            Database::Sqlite(home, store) => {
                store.close().await;
                in_directory(home).await
            }
            Database::Postgres(url, store) => {
                store.close().await;
                at_url(url).await
            }
        }
    }
}

pub(crate) async fn memory() -> Opened {
    in_memory(MemoryStore::default())
}

pub(crate) async fn sqlite() -> Opened {
    in_directory(tempfile::tempdir().unwrap()).await
}

pub(crate) async fn postgres() -> Opened {
    at_url(coppice_testkit::postgres::shared_database().unwrap()).await
}

fn in_memory(store: MemoryStore) -> Opened {
    Opened::of(Arc::new(store.clone()), Database::Memory(store))
}

async fn in_directory(home: TempDir) -> Opened {
    let store = SqlStore::open_sqlite(home.path(), SqliteOptions::default()).await.unwrap();
    let store = Arc::new(store);
    Opened::of(Arc::clone(&store) as Arc<dyn Store>, Database::Sqlite(home, store))
}

async fn at_url(url: String) -> Opened {
    let store = SqlStore::open_postgres(&url, PostgresOptions::default()).await.unwrap();
    let store = Arc::new(store);
    Opened::of(Arc::clone(&store) as Arc<dyn Store>, Database::Postgres(url, store))
}
