//! The keys of personal data: on SQLite in a file of their own, on PostgreSQL beside the journal.

use async_trait::async_trait;
use coppice_core::{InvalidId, SubjectId, TenantId, Timestamp};
use sqlx::AssertSqlSafe;

use super::db::{limit_of, reading, writing};
use super::{SqlStore, rows, sqlite};
use crate::error::StoreError;
use crate::store::{Destroyed, SubjectKeyRow, SubjectKeys, WrappedKey};

const TABLE: &str = "subject_keys";

const COLUMNS: &str =
    "tenant, subject, key_id, wrapped_under, wrapped, created_at, destroyed_at, destroyed_by";

/// [`COLUMNS`].
type KeyTuple =
    (String, String, String, Option<String>, Option<Vec<u8>>, i64, Option<i64>, Option<String>);

#[async_trait]
impl SubjectKeys for SqlStore {
    async fn put_subject_key(&self, key: &SubjectKeyRow) -> Result<SubjectKeyRow, StoreError> {
        // The update changes nothing; it is there for the row that stands to be returned.
        let text = format!(
            "INSERT INTO subject_keys ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL) \
             ON CONFLICT (tenant, subject) DO UPDATE SET key_id = subject_keys.key_id \
             RETURNING {COLUMNS}"
        );
        let wrapped = key.wrapped.as_ref();
        let row: KeyTuple = writing!(&self.keys, "putting a subject's key", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(key.tenant.as_str())
                .bind(key.subject.as_str())
                .bind(key.key_id.as_ref())
                .bind(wrapped.map(|wrapped| wrapped.under.as_ref()))
                .bind(wrapped.map(|wrapped| wrapped.bytes.as_slice()))
                .bind(key.created_at.as_micros())
                .fetch_one(pool)
                .await
        })?;
        key_of(row)
    }

    async fn subject_keys(
        &self,
        tenant: &TenantId,
        subjects: &[SubjectId],
    ) -> Result<Vec<SubjectKeyRow>, StoreError> {
        let mut found = Vec::with_capacity(subjects.len());
        // One look each: an entity speaks of one subject, seldom of a few.
        for subject in subjects {
            let text =
                format!("SELECT {COLUMNS} FROM subject_keys WHERE tenant = $1 AND subject = $2");
            let row: Option<KeyTuple> = reading!(&self.keys, "reading a subject's key", pool => {
                sqlx::query_as(AssertSqlSafe(text))
                    .bind(tenant.as_str())
                    .bind(subject.as_str())
                    .fetch_optional(pool)
                    .await
            })?;
            found.extend(row.map(key_of).transpose()?);
        }
        Ok(found)
    }

    async fn destroy_subject_key(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        end: &Destroyed,
    ) -> Result<SubjectKeyRow, StoreError> {
        let text = format!(
            "INSERT INTO subject_keys ({COLUMNS}) VALUES ($1, $2, '', NULL, NULL, $3, $3, $4) \
             ON CONFLICT (tenant, subject) DO UPDATE SET wrapped_under = NULL, wrapped = NULL, \
             destroyed_at = coalesce(subject_keys.destroyed_at, excluded.destroyed_at), \
             destroyed_by = coalesce(subject_keys.destroyed_by, excluded.destroyed_by) \
             RETURNING {COLUMNS}"
        );
        let row: KeyTuple = writing!(&self.keys, "destroying a subject's key", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(tenant.as_str())
                .bind(subject.as_str())
                .bind(end.at.as_micros())
                .bind(end.by.as_ref())
                .fetch_one(pool)
                .await
        })?;
        sqlite::cut_log(&self.keys).await?;
        key_of(row)
    }

    async fn outer_keys(&self) -> Result<Vec<String>, StoreError> {
        let text = "SELECT DISTINCT wrapped_under FROM subject_keys \
             WHERE wrapped_under IS NOT NULL ORDER BY wrapped_under";
        reading!(&self.keys, "reading what keys are wrapped under", pool => {
            sqlx::query_scalar(text).fetch_all(pool).await
        })
    }

    async fn keys_wrapped_under(
        &self,
        under: &str,
        limit: usize,
    ) -> Result<Vec<SubjectKeyRow>, StoreError> {
        let text = format!("SELECT {COLUMNS} FROM subject_keys WHERE wrapped_under = $1 LIMIT $2");
        let found: Vec<KeyTuple> = reading!(&self.keys, "reading keys to wrap anew", pool => {
            sqlx::query_as(AssertSqlSafe(text))
                .bind(under)
                .bind(limit_of(limit))
                .fetch_all(pool)
                .await
        })?;
        found.into_iter().map(key_of).collect()
    }

    async fn rewrap_subject_key(
        &self,
        read: &SubjectKeyRow,
        wrapped: &WrappedKey,
    ) -> Result<bool, StoreError> {
        let Some(before) = &read.wrapped else { return Ok(false) };
        let text = "UPDATE subject_keys SET wrapped_under = $1, wrapped = $2 \
             WHERE tenant = $3 AND subject = $4 AND wrapped = $5";
        writing!(&self.keys, "wrapping a subject's key anew", pool => {
            sqlx::query(text)
                .bind(wrapped.under.as_ref())
                .bind(wrapped.bytes.as_slice())
                .bind(read.tenant.as_str())
                .bind(read.subject.as_str())
                .bind(before.bytes.as_slice())
                .execute(pool)
                .await
                .map(|result| result.rows_affected() > 0)
        })
    }
}

fn key_of(row: KeyTuple) -> Result<SubjectKeyRow, StoreError> {
    let unreadable = |error: InvalidId| rows::unreadable(TABLE, error);
    let wrapped = match (row.3, row.4) {
        (Some(under), Some(bytes)) => Some(WrappedKey { under: under.into(), bytes }),
        (None, None) => None,
        _ => return Err(rows::unreadable(TABLE, "half a wrapped key")),
    };
    let destroyed = row.6.map(|at| Destroyed {
        at: Timestamp::from_micros(at),
        by: row.7.unwrap_or_default().into(),
    });
    if wrapped.is_some() == destroyed.is_some() {
        return Err(rows::unreadable(TABLE, "a key that is neither whole nor destroyed"));
    }
    Ok(SubjectKeyRow {
        tenant: TenantId::new(&row.0).map_err(unreadable)?,
        subject: SubjectId::new(&row.1).map_err(unreadable)?,
        key_id: row.2.into(),
        wrapped,
        created_at: Timestamp::from_micros(row.5),
        destroyed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> KeyTuple {
        let [tenant, subject, key] = ["acme", "sub_1", "key_1"].map(str::to_owned);
        (tenant, subject, key, Some("p".to_owned()), Some(vec![1]), 5, None, None)
    }

    #[test]
    fn a_row_reads_as_the_key_that_it_was() {
        let read = key_of(row()).unwrap();
        assert_eq!((read.tenant.as_str(), read.subject.as_str()), ("acme", "sub_1"));
        assert_eq!(read.wrapped.map(|wrapped| wrapped.bytes), Some(vec![1]));
        assert_eq!(read.destroyed, None);
    }

    #[test]
    fn a_row_that_is_neither_whole_nor_destroyed_is_an_error() {
        let breaks: [fn(&mut KeyTuple); 4] = [
            |row| row.1.clear(),
            |row| row.3 = None,
            |row| row.6 = Some(7),
            |row| (row.3, row.4) = (None, None),
        ];
        for break_it in breaks {
            let mut row = row();
            break_it(&mut row);
            assert!(matches!(key_of(row), Err(StoreError::Unreadable { .. })));
        }
    }
}
