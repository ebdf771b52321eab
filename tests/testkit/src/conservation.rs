//! Checks money in a journal at every cut: the end of each commit.
//!
//! | What | Must hold |
//! |---|---|
//! | entries | per tenant and asset they sum to zero |
//! | holds | what a transfer holds of its payer it holds for its payee, and of each of its limits, and only while it is pending |
//! | bounds | at each hold what a funding account has promised and not lost to time is at most what it has, and what a limit has given at most its ceiling |
//! | ends | a transfer ends once, and an intent is decided once and approved together with its transfer |
//!
//! It reads payloads as JSON and shares no code with what it checks.

mod books;
#[cfg(test)]
mod tests;

use std::fmt;

use coppice_core::{Position, StoredEvent};
use coppice_persistence::{BatchRow, Journal, StoreError};
use thiserror::Error;

use self::books::Books;
use crate::checker::read_whole_journal;

/// How many commits are read at once.
const PAGE: usize = 1_000;

/// What is wrong with money, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("at position {position}: {problem}")]
pub struct Unbalanced {
    /// The last position of the commit, or of the event that shows it.
    pub position: Position,
    /// What is wrong.
    pub problem: String,
}

/// What was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balanced {
    /// Commits.
    pub cuts: usize,
    /// Intents that were approved.
    pub approved: usize,
    /// Intents that were denied.
    pub denied: usize,
    /// Reservations that were posted.
    pub posted: usize,
    /// Reservations that were given up.
    pub voided: usize,
    /// Reservations that expired.
    pub expired: usize,
    /// Reservations that have not ended.
    pub pending: usize,
}

impl fmt::Display for Balanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cuts, approved, denied, posted, voided, expired, pending } = self;
        write!(
            f,
            "{cuts} cuts; {approved} approved, {denied} denied; {posted} posted, {voided} voided, \
             {expired} expired, {pending} pending"
        )
    }
}

/// Checks a store's whole journal.
///
/// # Errors
/// The store's, or what is wrong as text.
pub async fn check_store(
    journal: &dyn Journal,
) -> Result<Result<Balanced, Unbalanced>, StoreError> {
    let events = read_whole_journal(journal).await?;
    let mut batches: Vec<BatchRow> = Vec::new();
    loop {
        let after = batches.last().map_or(0, |batch| batch.number);
        let page = journal.batches(after, PAGE).await?;
        if page.is_empty() {
            return Ok(check(&events, &batches));
        }
        batches.extend(page);
    }
}

/// Checks events in order of their positions, at the end of each of these commits.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(events: &[StoredEvent], batches: &[BatchRow]) -> Result<Balanced, Unbalanced> {
    let mut books = Books::default();
    let mut events = events.iter().peekable();
    for batch in batches {
        while let Some(event) = events.next_if(|event| event.position <= batch.last) {
            let position = event.position;
            books.note(event).map_err(|problem| Unbalanced { position, problem })?;
        }
        books.cut().map_err(|problem| Unbalanced { position: batch.last, problem })?;
    }
    if let Some(event) = events.next() {
        let problem = "an event is in no commit".to_owned();
        return Err(Unbalanced { position: event.position, problem });
    }
    Ok(Balanced { cuts: batches.len(), ..books.summary() })
}
