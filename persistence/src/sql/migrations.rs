//! Migrations, embedded in the binary and run at start: an older database is brought up to date, a
//! newer one is refused.
//!
//! A migration's number is its date and its place on that day. They only add; none is ever edited
//! once it has been released (the driver compares checksums).

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr};

use super::postgres;
use crate::error::StoreError;

/// A migration: its number, its name and its text.
pub(super) type Source = (i64, &'static str, &'static str);

macro_rules! source {
    ($folder:literal, $number:literal, $name:literal) => {
        (
            $number,
            $name,
            include_str!(concat!(
                "../../../migrations/",
                $folder,
                "/",
                stringify!($number),
                "_",
                $name,
                ".sql"
            )),
        )
    };
}

pub(super) const SQLITE: &[Source] = &[
    source!("sqlite", 20261121001, "journal"),
    source!("sqlite", 20261121002, "commands"),
    source!("sqlite", 20261121003, "ownership"),
    source!("sqlite", 20261121004, "deliveries"),
    source!("sqlite", 20261121005, "lists"),
    source!("sqlite", 20261121006, "attempts_epoch"),
    source!("sqlite", 20261121011, "api_keys"),
    source!("sqlite", 20261121012, "numbers"),
];

pub(super) const SQLITE_READ_SIDE: &[Source] = &[source!("sqlite_read", 20261121001, "read_side")];

pub(super) const SQLITE_KEYS: &[Source] = &[source!("sqlite_keys", 20261121010, "subject_keys")];

const POSTGRES: &[Source] = &[
    source!("postgres", 20261121001, "journal"),
    source!("postgres", 20261121002, "commands"),
    source!("postgres", 20261121003, "ownership"),
    source!("postgres", 20261121004, "read_side"),
    source!("postgres", 20261121005, "append"),
    source!("postgres", 20261121006, "deliveries"),
    source!("postgres", 20261121007, "lists"),
    source!("postgres", 20261121008, "attempts_epoch"),
    source!("postgres", 20261121010, "subject_keys"),
    source!("postgres", 20261121011, "api_keys"),
];

pub(super) async fn run_postgres(pool: &PgPool) -> Result<(), StoreError> {
    let mut connection =
        pool.acquire().await.map_err(|error| postgres::classify("connecting to migrate", error))?;
    run(&mut *connection, POSTGRES).await
}

/// Brings a database up to date.
pub(super) async fn run<C: Migrate>(
    connection: &mut C,
    sources: &'static [Source],
) -> Result<(), StoreError> {
    let migrations = sources
        .iter()
        .map(|(number, name, text)| {
            let kind = MigrationType::Simple;
            Migration::new(*number, Cow::Borrowed(*name), kind, text.into_sql_str(), false)
        })
        .collect();
    let migrator = Migrator::with_migrations(migrations);
    let known = sources.last().map_or(0, |(number, ..)| *number);
    match migrator.run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) if found > known => {
            Err(StoreError::TooNew { found, known })
        }
        Err(error) => Err(StoreError::Migration(error)),
    }
}

#[cfg(test)]
mod tests {
    use coppice_core::{EntityId, EntityKind, Sequence, StreamKey, TenantId};
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection, SqliteConnection};

    use super::*;
    use crate::sql::{SqlStore, SqliteOptions};
    use crate::store::Journal;

    async fn memory() -> SqliteConnection {
        SqliteConnection::connect("sqlite::memory:").await.unwrap()
    }

    #[tokio::test]
    async fn an_older_database_is_brought_up_to_date() {
        let mut file = memory().await;
        run(&mut file, &SQLITE[..1]).await.unwrap();
        assert!(sqlx::query("SELECT 1 FROM commands").execute(&mut file).await.is_err());
        run(&mut file, SQLITE).await.unwrap();
        sqlx::query("SELECT 1 FROM commands").execute(&mut file).await.unwrap();
    }

    #[tokio::test]
    async fn entities_are_numbered_as_they_began_and_events_find_them() {
        let mut file = memory().await;
        run(&mut file, &SQLITE[..7]).await.unwrap();
        // `a` began last; the entity of the third event has no row.
        let fill = "INSERT INTO entities VALUES \
             (x'0a', 't', 'k', 'a', 1, x'00', 1, 7, 1), (x'0b', 't', 'k', 'b', 2, x'00', 1, NULL, 0); \
             INSERT INTO events VALUES \
             (1, x'0b', 1, 'e', '', 0, x'', x'', NULL, NULL, NULL, NULL, x'', x''), \
             (2, x'0b', 2, 'e', '', 0, x'', x'', NULL, NULL, NULL, NULL, x'', x''), \
             (3, x'0c', 1, 'e', '', 0, x'', x'', NULL, NULL, NULL, NULL, x'', x''), \
             (4, x'0a', 1, 'e', '', 0, x'', x'', NULL, NULL, NULL, NULL, x'', x'');";
        sqlx::raw_sql(fill).execute(&mut file).await.unwrap();
        run(&mut file, SQLITE).await.unwrap();
        let entities: Vec<(i64, String, Option<i64>, bool)> =
            sqlx::query_as("SELECT number, id, wake_at, owes FROM entities ORDER BY number")
                .fetch_all(&mut file)
                .await
                .unwrap();
        let expected = [(1, "b".to_owned(), None, false), (2, "a".to_owned(), Some(7), true)];
        assert_eq!(entities, expected);
        let events: Vec<(i64, i64)> =
            sqlx::query_as("SELECT position, entity FROM events ORDER BY position")
                .fetch_all(&mut file)
                .await
                .unwrap();
        assert_eq!(events, [(1, 1), (2, 1), (3, -3), (4, 2)]);
        let again = "INSERT INTO events SELECT position + 9, stream, sequence, event_type, payload, \
             recorded_at, causation, correlation, workflow, policy_bundle, subject, key_id, \
             previous_hash, hash, 3 FROM events WHERE position = 3";
        let error = sqlx::query(again).execute(&mut file).await.unwrap_err();
        assert!(error.to_string().contains("events.stream"), "a stream begins once: {error}");
    }

    #[tokio::test]
    async fn a_store_of_an_older_build_is_looked_at_as_it_is_and_opened_as_it_becomes() {
        let directory = tempfile::tempdir().unwrap();
        let key = StreamKey::new(
            TenantId::new("acme").unwrap(),
            EntityKind::new("counter").unwrap(),
            EntityId::new("a").unwrap(),
        );
        let made =
            [(SqlStore::JOURNAL_FILE, &SQLITE[..7]), (SqlStore::READ_SIDE_FILE, SQLITE_READ_SIDE)];
        for (name, sources) in made {
            let options = SqliteConnectOptions::new()
                .filename(directory.path().join(name))
                .create_if_missing(true);
            let mut file = options.connect().await.unwrap();
            run(&mut file, sources).await.unwrap();
            if name == SqlStore::JOURNAL_FILE {
                let begun = "INSERT INTO entities VALUES \
                     (?1, 'acme', 'counter', 'a', 1, zeroblob(32), 1, NULL, 0); \
                     INSERT INTO events VALUES (1, ?1, 1, 'counter.added.v1', '{}', 0, zeroblob(16), \
                     zeroblob(16), NULL, NULL, NULL, NULL, zeroblob(32), zeroblob(32));";
                let stream = key.stream().0.as_bytes().to_vec();
                sqlx::query(begun).bind(stream).execute(&mut file).await.unwrap();
            }
            file.close().await.unwrap();
        }
        let events =
            async |store: &SqlStore| store.read_stream(&key, Sequence(0), 10).await.unwrap().len();
        let store = SqlStore::look_sqlite(directory.path()).await.unwrap();
        assert_eq!(events(&store).await, 1);
        store.close().await;
        let options = SqliteOptions::default;
        let store = SqlStore::open_sqlite(directory.path(), options()).await.unwrap();
        assert_eq!(events(&store).await, 1);
        // Where the entity's row is gone, its events are found all the same.
        let writer = store.journal.write_pool_sqlite().unwrap();
        sqlx::query("DELETE FROM entities").execute(&writer).await.unwrap();
        assert_eq!(events(&store).await, 1);
        store.close().await;
    }

    #[tokio::test]
    async fn a_newer_database_is_refused_by_its_number() {
        let mut file = memory().await;
        run(&mut file, SQLITE).await.unwrap();
        let error = run(&mut file, &SQLITE[..1]).await.unwrap_err();
        assert!(matches!(error, StoreError::TooNew { known: 20_261_121_001, .. }), "got {error:?}");
    }
}
