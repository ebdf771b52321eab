//! Walking an archive, and holding it against the database that it was taken from.
//!
//! **Shown:** every event has its content's hash and continues its stream from the first, and none
//! follows a tombstone; every batch has the hash of its events and continues the one before it;
//! files follow each other without a gap; every event reads in this build. Against the database:
//! each archived batch is there with the same hash, which covers everything before it, so the chain goes on from the files
//! into the database; a database that was cut off before the archive's end, or rewritten as a whole,
//! is found.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use coppice_core::envelope::TOMBSTONE;
use coppice_core::{StoredEvent, StreamHead, StreamId, invariants};
use coppice_persistence::{BatchRow, Journal};

use super::ArchiveError;
use super::walk::{Comparison, Step, Walk};
use crate::verification::Kinds;

/// What was walked, all of it sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Files.
    pub files: u64,
    /// Events.
    pub events: u64,
    /// The last batch; its number is that of all batches.
    pub last: BatchRow,
}

/// Walks an archive. With a database, what is archived must be there.
///
/// # Errors
/// [`ArchiveError`], at the first fault.
pub async fn check(
    directory: &Path,
    kinds: &Kinds,
    database: Option<&dyn Journal>,
) -> Result<Checked, ArchiveError> {
    let mut walk = Walk::of(directory)?;
    let mut comparison = Comparison::with(database);
    let mut streams = Streams { kinds, heads: HashMap::new(), ended: HashSet::new() };
    let (mut files, mut events) = (0, 0);
    while let Some(step) = walk.next()? {
        match step {
            Step::Batch(mut walked) => {
                for (line, event) in walked.take_events() {
                    streams.take(&event).map_err(|what| walked.fault(line, &what))?;
                    events += 1;
                }
                comparison.add(walked.batch).await?;
            }
            Step::FileEnd => {
                comparison.settle().await?;
                files += 1;
            }
        }
    }
    Ok(Checked { files, events, last: walk.last().clone() })
}

struct Streams<'a> {
    kinds: &'a Kinds,
    /// Where each stream stands. Some hundred bytes for each entity with an archived event.
    heads: HashMap<StreamId, StreamHead>,
    /// Streams that have come to their tombstone.
    ended: HashSet<StreamId>,
}

impl Streams<'_> {
    /// The next event; what is wrong with it, for people.
    fn take(&mut self, event: &StoredEvent) -> Result<(), String> {
        let StoredEvent { key, record, .. } = event;
        if self.ended.contains(&key.stream()) {
            return Err(format!("stream {key}: event {} follows a tombstone", record.sequence));
        }
        if &*record.body.event_type == TOMBSTONE {
            self.ended.insert(key.stream());
        }
        let head = self.heads.entry(key.stream()).or_insert_with(|| StreamHead::genesis(key));
        *head = invariants::check_link(*head, record)
            .map_err(|fault| format!("stream {key}: {fault}"))?;
        self.kinds.read(event).map_err(|problem| format!("stream {key}: {problem}"))
    }
}
