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
use coppice_core::{Hash, Position, StoredEvent, StreamHead, StreamId, invariants};
use coppice_persistence::chain::batch_hash;
use coppice_persistence::{BatchRow, Journal};

use super::ArchiveError;
use super::format::{Begin, Line, hash};
use super::read::{Lines, files};
use crate::verification::Kinds;

/// Batches compared with the database at once.
const PAGE: usize = 1_000;

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
    let mut walk = Walk {
        kinds,
        heads: HashMap::new(),
        ended: HashSet::new(),
        checked: Checked {
            files: 0,
            events: 0,
            last: BatchRow {
                number: 0,
                first: Position(0),
                last: Position(0),
                previous_hash: Hash::ZERO,
                hash: Hash::ZERO,
            },
        },
        uncompared: Vec::new(),
    };
    for path in files(directory)? {
        let mut lines = Lines::open(&path)?;
        walk.begin(&mut lines)?;
        while walk.batch(&mut lines)? {
            if walk.uncompared.len() >= PAGE {
                walk.compare(database).await?;
            }
        }
        walk.compare(database).await?;
        walk.checked.files += 1;
    }
    Ok(walk.checked)
}

struct Walk<'a> {
    kinds: &'a Kinds,
    /// Where each stream stands. Some hundred bytes for each entity with an archived event.
    heads: HashMap<StreamId, StreamHead>,
    /// Streams that have come to their tombstone.
    ended: HashSet<StreamId>,
    checked: Checked,
    /// Batches that the database has not been asked for.
    uncompared: Vec<BatchRow>,
}

impl Walk<'_> {
    fn begin(&self, lines: &mut Lines) -> Result<(), ArchiveError> {
        let Some(Line::Begin(Begin { first_batch, previous_hash, .. })) = lines.next()? else {
            return Err(lines.fault("a file begins otherwise"));
        };
        if first_batch != self.checked.last.number + 1 {
            let expected = self.checked.last.number + 1;
            let what = format!("it begins with batch {first_batch}, and {expected} is missing");
            return Err(lines.fault(&what));
        }
        if hash(&previous_hash) != Some(self.checked.last.hash) {
            return Err(lines.fault("it does not continue the hash of the file before it"));
        }
        Ok(())
    }

    /// Walks a batch; false at the end of the file.
    fn batch(&mut self, lines: &mut Lines) -> Result<bool, ArchiveError> {
        let before = &self.checked.last;
        let batch = match lines.next()? {
            Some(Line::Batch(line)) => line.batch(),
            Some(Line::End(end)) => {
                if (end.last_batch, hash(&end.hash)) != (before.number, Some(before.hash)) {
                    return Err(lines.fault("the file ends with another batch than it says"));
                }
                return match lines.next()? {
                    None => Ok(false),
                    Some(_) => Err(lines.fault("something follows the end")),
                };
            }
            Some(Line::Begin(_) | Line::Event(_)) => {
                return Err(lines.fault("a batch should stand here"));
            }
            None => return Err(lines.fault("the file is cut off")),
        };
        let batch = batch.ok_or_else(|| lines.fault("a hash is none"))?;
        let number = batch.number;
        if number != before.number + 1 {
            return Err(lines.fault(&format!("batch {number} does not follow {}", before.number)));
        }
        if batch.first != before.last.next() || batch.last < batch.first {
            return Err(lines.fault(&format!("the positions of batch {number} do not follow")));
        }
        if batch.previous_hash != before.hash {
            return Err(lines.fault(&format!("batch {number} does not continue the hash before")));
        }
        let mut at = before.last;
        let mut hashes = Vec::new();
        while at < batch.last {
            at = at.next();
            hashes.push(self.event(lines, at)?);
        }
        let computed =
            batch_hash(batch.previous_hash, number, batch.first, batch.last, hashes.into_iter());
        if computed != batch.hash {
            return Err(lines.fault(&format!("batch {number} does not have its events' hash")));
        }
        self.uncompared.push(batch.clone());
        self.checked.last = batch;
        Ok(true)
    }

    fn event(&mut self, lines: &mut Lines, at: Position) -> Result<Hash, ArchiveError> {
        let event = match lines.next()? {
            Some(Line::Event(line)) => line.event(),
            Some(Line::Begin(_) | Line::Batch(_) | Line::End(_)) | None => {
                return Err(lines.fault(&format!("the event at position {at} is missing")));
            }
        };
        let event = event.ok_or_else(|| lines.fault("a name or a hash is none"))?;
        let StoredEvent { position, key, record } = &event;
        if *position != at {
            return Err(lines.fault(&format!("position {position} stands where {at} belongs")));
        }
        if self.ended.contains(&key.stream()) {
            let what = format!("stream {key}: event {} follows a tombstone", record.sequence);
            return Err(lines.fault(&what));
        }
        if &*record.body.event_type == TOMBSTONE {
            self.ended.insert(key.stream());
        }
        let head = self.heads.entry(key.stream()).or_insert_with(|| StreamHead::genesis(key));
        *head = invariants::check_link(*head, record)
            .map_err(|fault| lines.fault(&format!("stream {key}: {fault}")))?;
        self.kinds
            .read(&event)
            .map_err(|problem| lines.fault(&format!("stream {key}: {problem}")))?;
        self.checked.events += 1;
        Ok(record.hash)
    }

    /// Holds the batches walked since against the database.
    async fn compare(&mut self, database: Option<&dyn Journal>) -> Result<(), ArchiveError> {
        let walked = std::mem::take(&mut self.uncompared);
        let (Some(database), Some(first)) = (database, walked.first()) else { return Ok(()) };
        let rows = database.batches(first.number - 1, walked.len()).await?;
        for (at, batch) in walked.iter().enumerate() {
            let number = batch.number;
            match rows.get(at) {
                Some(row) if row == batch => {}
                Some(_) => {
                    let what = "is another one in the database than in the archive";
                    return Err(ArchiveError::Fault(format!("batch {number} {what}")));
                }
                None => {
                    let what = "is in the archive and not in the database: its end is cut off";
                    return Err(ArchiveError::Fault(format!("batch {number} {what}")));
                }
            }
        }
        Ok(())
    }
}
