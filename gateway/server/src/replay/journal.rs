//! One stream of a journal, read page by page, also beside the node that writes to it.
//!
//! **Invariant:** what is handed out ends where the entity's row said at the beginning; what is
//! committed meanwhile is left for the next time.

use coppice_core::{Sequence, StoredEvent, StreamHead, StreamKey, invariants};
use coppice_persistence::{EntityRow, Journal};

use super::ReplayError;

/// Events read at once.
const PAGE: usize = 1_000;

/// A stream that is being read.
pub(super) struct Stream<'a> {
    journal: &'a dyn Journal,
    key: &'a StreamKey,
    /// Where it ends; none where the entity has no row.
    row: Option<EntityRow>,
    page: std::vec::IntoIter<StoredEvent>,
    /// The last event that was handed out.
    after: Sequence,
}

impl<'a> Stream<'a> {
    /// Before its first event.
    ///
    /// # Errors
    /// [`ReplayError`], where the row can't be read.
    pub(super) async fn open(
        journal: &'a dyn Journal,
        key: &'a StreamKey,
    ) -> Result<Self, ReplayError> {
        let row = journal.entity(key).await?;
        Ok(Self { journal, key, row, page: Vec::new().into_iter(), after: Sequence(0) })
    }

    fn end(&self) -> Sequence {
        self.row.as_ref().map_or(Sequence(0), |row| row.head.sequence)
    }

    /// The next event, none behind the last.
    ///
    /// # Errors
    /// [`ReplayError`], where it can't be read.
    pub(super) async fn next(&mut self) -> Result<Option<StoredEvent>, ReplayError> {
        if self.after >= self.end() {
            return Ok(None);
        }
        if self.page.as_slice().is_empty() {
            let page = self.journal.read_stream(self.key, self.after, PAGE).await?;
            self.page = page.into_iter();
        }
        let next = self.page.next();
        if let Some(event) = &next {
            self.after = event.record.sequence;
        }
        Ok(next)
    }

    /// Checks that the stream ended where its row says, and not behind it.
    ///
    /// # Errors
    /// [`ReplayError::Fault`].
    pub(super) async fn ends_with(&self, head: StreamHead) -> Result<(), ReplayError> {
        let fault = |what: String| {
            let key = self.key;
            ReplayError::Fault(format!("journal: stream {key}: {what}"))
        };
        if let Some(row) = &self.row {
            invariants::check_head(row.head, head).map_err(|found| fault(found.to_string()))?;
        }
        let Some(behind) = self.journal.read_stream(self.key, self.end(), 1).await?.pop() else {
            return Ok(());
        };
        // It was committed meanwhile, and then its row says so.
        let row = self.journal.entity(self.key).await?;
        let said = row.map_or(Sequence(0), |row| row.head.sequence);
        let found = behind.record.sequence;
        if said >= found {
            return Ok(());
        }
        Err(fault(format!("event {found} is there but its entity row says {said}")))
    }
}
