//! Migrations, embedded in the binary and run at start: an older database is brought up to date, a
//! newer one is refused.
//!
//! A migration's number is its date and its place on that day. They only add; none is ever edited
//! once it has been released (the driver compares checksums).

use std::borrow::Cow;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr, SqlitePool};

use super::{postgres, sqlite};
use crate::error::StoreError;

type Source = (i64, &'static str, &'static str);

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

const SQLITE: &[Source] = &[
    source!("sqlite", 20261121001, "journal"),
    source!("sqlite", 20261121002, "commands"),
    source!("sqlite", 20261121003, "ownership"),
    source!("sqlite", 20261121004, "deliveries"),
    source!("sqlite", 20261121005, "lists"),
    source!("sqlite", 20261121006, "attempts_epoch"),
    source!("sqlite", 20261121011, "api_keys"),
];

const SQLITE_READ_SIDE: &[Source] = &[source!("sqlite_read", 20261121001, "read_side")];

const SQLITE_KEYS: &[Source] = &[source!("sqlite_keys", 20261121010, "subject_keys")];

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

pub(super) async fn run_sqlite_journal(pool: &SqlitePool) -> Result<(), StoreError> {
    run_sqlite(pool, SQLITE).await
}

pub(super) async fn run_sqlite_read_side(pool: &SqlitePool) -> Result<(), StoreError> {
    run_sqlite(pool, SQLITE_READ_SIDE).await
}

pub(super) async fn run_sqlite_keys(pool: &SqlitePool) -> Result<(), StoreError> {
    run_sqlite(pool, SQLITE_KEYS).await
}

async fn run_sqlite(pool: &SqlitePool, sources: &'static [Source]) -> Result<(), StoreError> {
    let mut connection =
        pool.acquire().await.map_err(|error| sqlite::classify("connecting to migrate", error))?;
    migrate(&mut *connection, sources).await
}

pub(super) async fn run_postgres(pool: &PgPool) -> Result<(), StoreError> {
    let mut connection =
        pool.acquire().await.map_err(|error| postgres::classify("connecting to migrate", error))?;
    migrate(&mut *connection, POSTGRES).await
}

async fn migrate<C: Migrate>(
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
    use super::*;

    async fn memory() -> SqlitePool {
        sqlx::sqlite::SqlitePoolOptions::new()
            .max_connections(1)
            .connect("sqlite::memory:")
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn an_older_database_is_brought_up_to_date() {
        let pool = memory().await;
        run_sqlite(&pool, &SQLITE[..1]).await.unwrap();
        assert!(sqlx::query("SELECT 1 FROM commands").execute(&pool).await.is_err());
        run_sqlite(&pool, SQLITE).await.unwrap();
        sqlx::query("SELECT 1 FROM commands").execute(&pool).await.unwrap();
    }

    #[tokio::test]
    async fn a_newer_database_is_refused_by_its_number() {
        let pool = memory().await;
        run_sqlite(&pool, SQLITE).await.unwrap();
        let error = run_sqlite(&pool, &SQLITE[..1]).await.unwrap_err();
        assert!(matches!(error, StoreError::TooNew { known: 20_261_121_001, .. }), "got {error:?}");
    }
}
