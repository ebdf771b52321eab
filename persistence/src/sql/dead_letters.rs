//! Messages out of delivery, in the journal's database: they are no cache of anything.

use async_trait::async_trait;
use coppice_core::{Epoch, ShardId, TenantId, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::db::{Db, limit_of, reading, writing};
use super::{SqlStore, rows};
use crate::error::StoreError;
use crate::store::{DeadLetter, DeadLetters, LetterKind, LetterReason};

const TABLE: &str = "dead_letters";

const COLUMNS: &str = "number, id, tenant, entity_kind, entity_id, message, kind, name, body, \
     reason, detail, attempts, arrived_at";

/// [`COLUMNS`].
type LetterTuple = (
    i64,
    Vec<u8>,
    String,
    String,
    String,
    Vec<u8>,
    String,
    String,
    Option<String>,
    String,
    String,
    i64,
    i64,
);

#[async_trait]
impl DeadLetters for SqlStore {
    async fn put_dead_letter(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let text = "INSERT INTO dead_letters (id, tenant, entity_kind, entity_id, message, kind, \
             name, body, reason, detail, attempts, arrived_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (id) DO NOTHING";
        writing!(&self.journal, "putting a dead letter", pool => {
            sqlx::query(text)
                .bind(letter.id.as_bytes().as_slice())
                .bind(letter.key.tenant().as_str())
                .bind(letter.key.kind().as_str())
                .bind(letter.key.id().as_str())
                .bind(letter.message.as_bytes().as_slice())
                .bind(letter.kind.as_str())
                .bind(letter.name.as_ref())
                .bind(letter.body.as_deref())
                .bind(letter.reason.as_str())
                .bind(letter.detail.as_ref())
                .bind(i64::from(letter.attempts))
                .bind(letter.at.as_micros())
                .execute(pool)
                .await
                .map(|result| result.rows_affected() > 0)
        })
    }

    async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetter>, StoreError> {
        let text = format!("SELECT {COLUMNS} FROM dead_letters WHERE id = $1");
        let row: Option<LetterTuple> = reading!(&self.journal, "reading a dead letter", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(id.as_bytes().as_slice())
                .fetch_optional(pool)
                .await
        })?;
        row.map(letter).transpose()
    }

    async fn dead_letters(
        &self,
        tenant: Option<&TenantId>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        // Two texts, so that each is read along its own index.
        let condition = if tenant.is_some() { "tenant = $3" } else { "$3 IS NULL" };
        let text = format!(
            "SELECT {COLUMNS} FROM dead_letters WHERE number > $1 AND {condition} \
             ORDER BY number LIMIT $2"
        );
        let found: Vec<LetterTuple> = reading!(&self.journal, "reading dead letters", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(i64::try_from(after).unwrap_or(i64::MAX))
                .bind(limit_of(limit))
                .bind(tenant.map(TenantId::as_str))
                .fetch_all(pool)
                .await
        })?;
        found.into_iter().map(letter).collect()
    }

    async fn remove_dead_letter(
        &self,
        id: Uuid,
        shard: ShardId,
        epoch: Epoch,
    ) -> Result<bool, StoreError> {
        // PostgreSQL waits for a claim that is under way, and a claim for this.
        let text = match &self.journal {
            Db::Sqlite { .. } => {
                "DELETE FROM dead_letters WHERE id = $1 \
                 AND EXISTS (SELECT 1 FROM shards WHERE shard = $2 AND epoch = $3)"
            }
            Db::Postgres(_) => {
                "WITH owned AS (SELECT 1 FROM shards WHERE shard = $2 AND epoch = $3 FOR SHARE) \
                 DELETE FROM dead_letters WHERE id = $1 AND EXISTS (SELECT 1 FROM owned)"
            }
        };
        writing!(&self.journal, "removing a dead letter", pool => {
            sqlx::query(text)
                .bind(id.as_bytes().as_slice())
                .bind(i64::from(shard.0))
                .bind(epoch.to_i64())
                .execute(pool)
                .await
                .map(|result| result.rows_affected() > 0)
        })
    }
}

fn letter(row: LetterTuple) -> Result<DeadLetter, StoreError> {
    let kind = LetterKind::parse(&row.6)
        .ok_or_else(|| rows::unreadable(TABLE, format!("{} is no kind", row.6)))?;
    let reason = LetterReason::parse(&row.9)
        .ok_or_else(|| rows::unreadable(TABLE, format!("{} is no reason", row.9)))?;
    Ok(DeadLetter {
        number: row.0.cast_unsigned(),
        id: rows::uuid(TABLE, &row.1)?,
        key: rows::key_of(TABLE, &row.2, &row.3, &row.4)?,
        message: rows::uuid(TABLE, &row.5)?,
        kind,
        name: row.7.into(),
        body: row.8.map(Into::into),
        reason,
        detail: row.10.into(),
        attempts: u32::try_from(row.11).map_err(|error| rows::unreadable(TABLE, error))?,
        at: Timestamp::from_micros(row.12),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> LetterTuple {
        let [tenant, kind, id] = ["acme", "counter", "c"].map(str::to_owned);
        let [letter_kind, name] = ["timer", "t"].map(str::to_owned);
        let (reason, detail) = ("refused".to_owned(), String::new());
        let (id_bytes, message) = (vec![1; 16], vec![2; 16]);
        (7, id_bytes, tenant, kind, id, message, letter_kind, name, None, reason, detail, 3, 0)
    }

    #[test]
    fn a_row_reads_as_the_letter_that_it_was() {
        let read = letter(row()).unwrap();
        assert_eq!((read.number, read.attempts), (7, 3));
        assert_eq!((read.kind, read.reason), (LetterKind::Timer, LetterReason::Refused));
        assert_eq!(read.key.to_string(), "acme/counter/c");
    }

    #[test]
    fn a_row_that_does_not_read_is_an_error_with_what_is_wrong() {
        type Break = fn(&mut LetterTuple);
        let breaks: [(Break, &str); 6] = [
            (|row| row.1.truncate(15), "16"),
            (|row| row.2.clear(), "tenant"),
            (|row| row.5.clear(), "16"),
            (|row| row.6 = "moods".to_owned(), "moods is no kind"),
            (|row| row.9 = "whim".to_owned(), "whim is no reason"),
            (|row| row.11 = -1, "range"),
        ];
        for (break_it, what) in breaks {
            let mut row = row();
            break_it(&mut row);
            let error = letter(row).unwrap_err();
            assert!(matches!(error, StoreError::Unreadable { .. }), "{error:?}");
            assert!(error.to_string().contains(what), "{error} names no {what}");
        }
    }
}
