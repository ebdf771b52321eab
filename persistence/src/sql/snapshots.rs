//! The latest snapshot of each entity.

use async_trait::async_trait;
use coppice_core::{Sequence, StreamHead, StreamKey, Timestamp};

use super::db::{reading, writing};
use super::{SqlStore, rows};
use crate::error::StoreError;
use crate::store::{Snapshot, Snapshots};

type SnapshotTuple = (i64, Vec<u8>, i64, Vec<u8>, Vec<u8>, i64);

#[async_trait]
impl Snapshots for SqlStore {
    async fn snapshot(&self, key: &StreamKey) -> Result<Option<Snapshot>, StoreError> {
        let text = "SELECT sequence, hash, layout, digest, state, taken_at FROM snapshots \
             WHERE stream = $1";
        let row: Option<SnapshotTuple> = reading!(&self.read_side, "reading a snapshot", pool => {
            sqlx::query_as(text)
                .bind(key.stream().0.as_bytes().as_slice())
                .fetch_optional(pool)
                .await
        })?;
        row.map(|row| snapshot(key, row)).transpose()
    }

    async fn save_snapshots(&self, snapshots: &[Snapshot]) -> Result<(), StoreError> {
        // One statement each: a snapshot is a cache, so half a batch of them is as good as none.
        for taken in snapshots {
            writing!(&self.read_side, "saving a snapshot", pool => {
                sqlx::query(
                    "INSERT INTO snapshots \
                     (stream, sequence, hash, layout, digest, state, taken_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7) \
                     ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, \
                     hash = excluded.hash, layout = excluded.layout, digest = excluded.digest, \
                     state = excluded.state, taken_at = excluded.taken_at \
                     WHERE snapshots.sequence <= excluded.sequence",
                )
                .bind(taken.key.stream().0.as_bytes().as_slice())
                .bind(taken.head.sequence.to_i64())
                .bind(taken.head.hash.0.as_slice())
                .bind(i64::from(taken.layout))
                .bind(taken.digest.0.as_slice())
                .bind(taken.state.as_slice())
                .bind(taken.taken_at.as_micros())
                .execute(pool)
                .await
                .map(drop)
            })?;
        }
        Ok(())
    }
}

fn snapshot(key: &StreamKey, row: SnapshotTuple) -> Result<Snapshot, StoreError> {
    Ok(Snapshot {
        key: key.clone(),
        head: StreamHead {
            sequence: Sequence::from_i64(row.0),
            hash: rows::hash("snapshots", &row.1)?,
        },
        layout: u32::try_from(row.2).map_err(|error| rows::unreadable("snapshots", error))?,
        digest: rows::hash("snapshots", &row.3)?,
        state: row.4,
        taken_at: Timestamp::from_micros(row.5),
    })
}
