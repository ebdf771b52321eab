//! Many documents at once, by one statement whose text doesn't depend on how many there are.
//!
//! A statement that is sent to a connection's thread on its own costs more than what it does, so a
//! page of a subscription reads all its documents with one, and writes them with one or two. SQLite
//! takes them as one JSON array, PostgreSQL as one array for each column.

use std::collections::HashMap;

use sqlx::{Error, PgConnection, PgPool, SqliteConnection, SqlitePool};

use crate::store::{DocumentChange, DocumentRef};

/// The changes that count: of several of one document the last.
fn last_of_each(changes: &[DocumentChange]) -> (Vec<&DocumentChange>, Vec<&DocumentChange>) {
    let key =
        |change: &DocumentChange| (change.model.clone(), change.tenant.clone(), change.id.clone());
    let last: HashMap<_, usize> =
        changes.iter().enumerate().map(|(at, change)| (key(change), at)).collect();
    let counts = |(at, change): (usize, &DocumentChange)| last.get(&key(change)) == Some(&at);
    let counting = changes.iter().enumerate().filter(|indexed| counts(*indexed));
    counting.map(|(_, change)| change).partition(|change| change.body.is_some())
}

/// Text always serializes.
fn json(rows: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(rows).map_err(|error| Error::Encode(error.into()))
}

pub(super) async fn change_on_sqlite(
    connection: &mut SqliteConnection,
    changes: &[DocumentChange],
) -> Result<(), Error> {
    let (put, gone) = last_of_each(changes);
    if !put.is_empty() {
        let row = |change: &&DocumentChange| {
            let body = change.body.as_deref().map(str::to_owned);
            (change.model.to_string(), change.tenant.to_string(), change.id.to_string(), body)
        };
        sqlx::query(
            "INSERT INTO documents (model, tenant, id, body) \
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) \
             WHERE true ON CONFLICT (model, tenant, id) DO UPDATE SET body = excluded.body",
        )
        .bind(json(&put.iter().map(row).collect::<Vec<_>>())?)
        .execute(&mut *connection)
        .await?;
    }
    if !gone.is_empty() {
        let row = |change: &&DocumentChange| {
            [change.model.to_string(), change.tenant.to_string(), change.id.to_string()]
        };
        sqlx::query(
            "DELETE FROM documents WHERE (model, tenant, id) IN \
             (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))",
        )
        .bind(json(&gone.iter().map(row).collect::<Vec<_>>())?)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn change_on_postgres(
    connection: &mut PgConnection,
    changes: &[DocumentChange],
) -> Result<(), Error> {
    let (put, gone) = last_of_each(changes);
    if !put.is_empty() {
        let bodies: Vec<Option<&str>> = put.iter().map(|change| change.body.as_deref()).collect();
        sqlx::query(
            "INSERT INTO documents (model, tenant, id, body) \
             SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[]) \
             ON CONFLICT (model, tenant, id) DO UPDATE SET body = excluded.body",
        )
        .bind(column(&put, |change| &change.model))
        .bind(column(&put, |change| change.tenant.as_str()))
        .bind(column(&put, |change| &change.id))
        .bind(bodies)
        .execute(&mut *connection)
        .await?;
    }
    if !gone.is_empty() {
        sqlx::query(
            "DELETE FROM documents AS d \
             USING UNNEST($1::text[], $2::text[], $3::text[]) AS gone (model, tenant, id) \
             WHERE d.model = gone.model AND d.tenant = gone.tenant AND d.id = gone.id",
        )
        .bind(column(&gone, |change| &change.model))
        .bind(column(&gone, |change| change.tenant.as_str()))
        .bind(column(&gone, |change| &change.id))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn column<'a>(
    changes: &[&'a DocumentChange],
    of: impl Fn(&'a DocumentChange) -> &'a str,
) -> Vec<&'a str> {
    changes.iter().map(|change| of(change)).collect()
}

/// Bodies with the places, from 0, at which they were asked for.
pub(super) async fn bodies_on_sqlite(
    pool: &SqlitePool,
    model: &str,
    asked: &[DocumentRef],
) -> Result<Vec<(i64, String)>, Error> {
    let row = |of: &DocumentRef| [of.tenant.to_string(), of.id.to_string()];
    // A cross join keeps its order: each that is asked for is looked up, and not each that there is.
    sqlx::query_as(
        "SELECT asked.key, d.body FROM json_each(?) AS asked CROSS JOIN documents AS d \
         ON d.model = ? AND d.tenant = asked.value ->> 0 AND d.id = asked.value ->> 1",
    )
    .bind(json(&asked.iter().map(row).collect::<Vec<_>>())?)
    .bind(model)
    .fetch_all(pool)
    .await
}

/// The same on PostgreSQL.
pub(super) async fn bodies_on_postgres(
    pool: &PgPool,
    model: &str,
    asked: &[DocumentRef],
) -> Result<Vec<(i64, String)>, Error> {
    let tenants: Vec<&str> = asked.iter().map(|of| of.tenant.as_str()).collect();
    let ids: Vec<&str> = asked.iter().map(|of| &*of.id).collect();
    sqlx::query_as(
        "SELECT asked.place - 1, d.body FROM UNNEST($2::text[], $3::text[]) \
         WITH ORDINALITY AS asked (tenant, id, place) JOIN documents AS d \
         ON d.model = $1 AND d.tenant = asked.tenant AND d.id = asked.id",
    )
    .bind(model)
    .bind(tenants)
    .bind(ids)
    .fetch_all(pool)
    .await
}
