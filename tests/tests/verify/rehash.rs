//! A forger who alters an event and makes the rest of its stream's chain anew.

use std::path::Path;

use coppice_core::{EntityId, EntityKind, EventRecord, Sequence, StreamHead, StreamKey};
use coppice_persistence::{Journal, PostgresOptions, SqlStore, SqliteOptions};
use coppice_tests::node::tenant;
use sqlx::{Connection, PgConnection};

use crate::database::open;

const EVENT: &str = "UPDATE events SET payload = $1, previous_hash = $2, hash = $3 \
     WHERE stream = $4 AND sequence = $5";
const HEAD: &str = "UPDATE entities SET hash = $1 WHERE stream = $2";

/// Alters the event of a counter at a sequence, in the embedded store.
pub(crate) async fn sqlite(data: &Path, counter: &str, from: u64) {
    let key = key(counter);
    let store = SqlStore::open_sqlite(data, SqliteOptions::default()).await.unwrap();
    let forged = forged(&store, &key, from).await;
    store.close().await;
    let mut connection = open(data).await;
    for event in &forged {
        sqlx::query(EVENT)
            .bind(event.body.payload.as_ref())
            .bind(event.previous_hash.0.to_vec())
            .bind(event.hash.0.to_vec())
            .bind(key.stream().0.as_bytes().to_vec())
            .bind(event.sequence.to_i64())
            .execute(&mut connection)
            .await
            .unwrap();
    }
    sqlx::query(HEAD)
        .bind(end(&forged).hash.0.to_vec())
        .bind(key.stream().0.as_bytes().to_vec())
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// As [`sqlite`], on PostgreSQL.
pub(crate) async fn postgres(url: &str, counter: &str, from: u64) {
    let key = key(counter);
    let store = SqlStore::open_postgres(url, PostgresOptions::default()).await.unwrap();
    let forged = forged(&store, &key, from).await;
    store.close().await;
    let mut connection = PgConnection::connect(url).await.unwrap();
    for event in &forged {
        sqlx::query(EVENT)
            .bind(event.body.payload.as_ref())
            .bind(event.previous_hash.0.to_vec())
            .bind(event.hash.0.to_vec())
            .bind(key.stream().0.as_bytes().to_vec())
            .bind(event.sequence.to_i64())
            .execute(&mut connection)
            .await
            .unwrap();
    }
    sqlx::query(HEAD)
        .bind(end(&forged).hash.0.to_vec())
        .bind(key.stream().0.as_bytes().to_vec())
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

fn key(counter: &str) -> StreamKey {
    let kind = EntityKind::new("counter").unwrap();
    StreamKey::new(tenant(), kind, EntityId::new(counter).unwrap())
}

fn end(events: &[EventRecord]) -> StreamHead {
    events.last().expect("there is something to forge").head()
}

/// The events from a sequence on, the first with another payload, in a chain that is valid.
async fn forged(store: &SqlStore, key: &StreamKey, from: u64) -> Vec<EventRecord> {
    let events = store.read_stream(key, Sequence(from - 2), 1_000).await.unwrap();
    let mut head = events[0].record.head();
    let mut forged = Vec::new();
    for (index, event) in events.into_iter().skip(1).enumerate() {
        let mut body = event.record.body;
        if index == 0 {
            body.payload = "{\"n\":1000}".into();
        }
        let record = EventRecord::chain(head, body);
        head = record.head();
        forged.push(record);
    }
    forged
}
