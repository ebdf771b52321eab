//! Dropping command records once nobody can repeat the command any more.
//!
//! Records are walked in the order of writing, which is nearly that of time, so that no index over
//! times has to be kept up by every append. A walk reads what is dropped after it, the records that
//! stay because of their senders, and at most [`LATER_RECORDS_MAX`] and a page more.

use coppice_core::Timestamp;

use super::SqlStore;
use super::db::{limit_of, reading, writing};
use crate::error::StoreError;
use crate::store::LATER_RECORDS_MAX;

/// Records read at once.
const PAGE: i64 = 1_000;

/// Whether a sender has effects outstanding. A subquery for a single value is looked up by key for
/// each row; written as a join, the planner may read every owing entity instead.
macro_rules! sender_owes {
    () => {
        "COALESCE((SELECT e.owes FROM entities e WHERE e.stream = c.sender), FALSE)"
    };
}

impl SqlStore {
    /// As [`Journal::drop_commands`](crate::store::Journal::drop_commands).
    ///
    /// First a reader finds out how far to go, so that the writer does no more than delete. What
    /// the first step saw isn't relied on in the second: numbers may be given again on SQLite, once
    /// the last row is gone.
    pub(super) async fn drop_old_commands(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        let Some(until) = self.last_droppable(before, limit).await? else { return Ok(0) };
        let text = concat!(
            "DELETE FROM commands WHERE number IN (SELECT c.number FROM commands c \
             WHERE c.number <= $1 AND c.recorded_at < $2 AND NOT ",
            sender_owes!(),
            " ORDER BY c.number LIMIT $3)"
        );
        writing!(&self.journal, "dropping old commands", pool => {
            sqlx::query(text)
                .bind(until)
                .bind(before.as_micros())
                .bind(limit_of(limit))
                .execute(pool)
                .await
                .map(|result| result.rows_affected())
        })
    }

    /// The number of the last record to be dropped; `None` where there is none.
    async fn last_droppable(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Option<i64>, StoreError> {
        let text = concat!(
            "SELECT c.number, c.recorded_at, ",
            sender_owes!(),
            " FROM commands c WHERE c.number > $1 ORDER BY c.number LIMIT $2"
        );
        let (mut after, mut last, mut found, mut later) = (i64::MIN, None, 0, 0);
        while found < limit && later < LATER_RECORDS_MAX {
            let page: Vec<(i64, i64, bool)> = reading!(&self.journal, "reading old commands", pool => {
                sqlx::query_as(text).bind(after).bind(PAGE).fetch_all(pool).await
            })?;
            let Some((end, ..)) = page.last() else { break };
            after = *end;
            for (number, recorded_at, kept) in page {
                if found == limit || later == LATER_RECORDS_MAX {
                    break;
                }
                if recorded_at >= before.as_micros() {
                    later += 1;
                    continue;
                }
                later = 0;
                if !kept {
                    found += 1;
                    last = Some(number);
                }
            }
        }
        Ok(last)
    }
}
