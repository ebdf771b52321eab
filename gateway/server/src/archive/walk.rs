//! The batches of an archive, one after the other, over the borders of its files.
//!
//! **Shown of what is handed out:** files follow each other without a gap; every batch continues
//! the one before it and has the hash of its events, as those say what theirs are. Whether an event
//! has the hash that it says is up to whoever walks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coppice_core::{Hash, Position, StoredEvent};
use coppice_persistence::chain::batch_hash;
use coppice_persistence::{BatchRow, Journal};

use super::ArchiveError;
use super::format::{Begin, Line, hash};
use super::read::{Lines, fault, files};

/// Batches compared with the database at once.
const PAGE: usize = 1_000;

/// Where a walk is.
pub(crate) struct Walk {
    files: std::vec::IntoIter<PathBuf>,
    lines: Option<Lines>,
    last: BatchRow,
}

/// What comes next.
pub(crate) enum Step {
    /// A batch.
    Batch(Walked),
    /// The end of a file. Its batches can be compared with a database, before the next file is
    /// found not to follow.
    FileEnd,
}

/// A batch with its events.
pub(crate) struct Walked {
    /// The name of its file.
    pub(crate) file: Arc<str>,
    /// The line that it stands on; its events follow, each on its own.
    line: u64,
    pub(crate) batch: BatchRow,
    pub(crate) events: Vec<StoredEvent>,
}

impl Walked {
    /// The events with their lines.
    pub(crate) fn take_events(&mut self) -> impl Iterator<Item = (u64, StoredEvent)> + use<> {
        (self.line + 1..).zip(std::mem::take(&mut self.events))
    }

    /// A fault of a line of the file.
    pub(crate) fn fault(&self, line: u64, what: &str) -> ArchiveError {
        fault(&self.file, line, what)
    }
}

impl Walk {
    /// Before the first batch.
    ///
    /// # Errors
    /// [`ArchiveError`], where the directory can't be read.
    pub(crate) fn of(directory: &Path) -> Result<Self, ArchiveError> {
        let before_all = BatchRow {
            number: 0,
            first: Position(0),
            last: Position(0),
            previous_hash: Hash::ZERO,
            hash: Hash::ZERO,
        };
        Ok(Self { files: files(directory)?.into_iter(), lines: None, last: before_all })
    }

    /// Whether there is nothing to walk.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.as_slice().is_empty() && self.lines.is_none()
    }

    /// The last batch that was handed out; number 0 before the first.
    pub(crate) const fn last(&self) -> &BatchRow {
        &self.last
    }

    /// The next step, none behind the last file.
    ///
    /// # Errors
    /// [`ArchiveError`], at the first fault.
    pub(crate) fn next(&mut self) -> Result<Option<Step>, ArchiveError> {
        let mut lines = match self.lines.take() {
            Some(lines) => lines,
            None => {
                let Some(path) = self.files.next() else { return Ok(None) };
                let mut lines = Lines::open(&path)?;
                self.begin(&mut lines)?;
                lines
            }
        };
        let Some(walked) = self.batch(&mut lines)? else { return Ok(Some(Step::FileEnd)) };
        self.last = walked.batch.clone();
        self.lines = Some(lines);
        Ok(Some(Step::Batch(walked)))
    }

    fn begin(&self, lines: &mut Lines) -> Result<(), ArchiveError> {
        let Some(Line::Begin(Begin { first_batch, previous_hash, .. })) = lines.next()? else {
            return Err(lines.fault("a file begins otherwise"));
        };
        if first_batch != self.last.number + 1 {
            let expected = self.last.number + 1;
            let what = format!("it begins with batch {first_batch}, and {expected} is missing");
            return Err(lines.fault(&what));
        }
        if hash(&previous_hash) != Some(self.last.hash) {
            return Err(lines.fault("it does not continue the hash of the file before it"));
        }
        Ok(())
    }

    /// The next batch of a file, none at its end.
    fn batch(&self, lines: &mut Lines) -> Result<Option<Walked>, ArchiveError> {
        let before = &self.last;
        let batch = match lines.next()? {
            Some(Line::Batch(line)) => line.batch(),
            Some(Line::End(end)) => {
                if (end.last_batch, hash(&end.hash)) != (before.number, Some(before.hash)) {
                    return Err(lines.fault("the file ends with another batch than it says"));
                }
                return match lines.next()? {
                    None => Ok(None),
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
        let (file, line) = (lines.name(), lines.number());
        let mut events = Vec::new();
        let mut at = before.last;
        while at < batch.last {
            at = at.next();
            events.push(event(lines, at)?);
        }
        let hashes = events.iter().map(|event| event.record.hash);
        let computed = batch_hash(batch.previous_hash, number, batch.first, batch.last, hashes);
        if computed != batch.hash {
            return Err(lines.fault(&format!("batch {number} does not have its events' hash")));
        }
        Ok(Some(Walked { file, line, batch, events }))
    }
}

fn event(lines: &mut Lines, at: Position) -> Result<StoredEvent, ArchiveError> {
    let event = match lines.next()? {
        Some(Line::Event(line)) => line.event(),
        Some(Line::Begin(_) | Line::Batch(_) | Line::End(_)) | None => {
            return Err(lines.fault(&format!("the event at position {at} is missing")));
        }
    };
    let event = event.ok_or_else(|| lines.fault("a name or a hash is none"))?;
    if event.position != at {
        let position = event.position;
        return Err(lines.fault(&format!("position {position} stands where {at} belongs")));
    }
    Ok(event)
}

/// Holds what is walked against the database, if there is one: each batch must be there.
pub(crate) struct Comparison<'a> {
    database: Option<&'a dyn Journal>,
    /// Batches that the database has not been asked for.
    walked: Vec<BatchRow>,
}

impl<'a> Comparison<'a> {
    pub(crate) const fn with(database: Option<&'a dyn Journal>) -> Self {
        Self { database, walked: Vec::new() }
    }

    /// Takes the next batch in, and compares now and then.
    ///
    /// # Errors
    /// [`ArchiveError`], where one isn't there as it was walked.
    pub(crate) async fn add(&mut self, batch: BatchRow) -> Result<(), ArchiveError> {
        self.walked.push(batch);
        if self.walked.len() < PAGE {
            return Ok(());
        }
        self.settle().await
    }

    /// Compares what is left.
    ///
    /// # Errors
    /// As [`Comparison::add`].
    pub(crate) async fn settle(&mut self) -> Result<(), ArchiveError> {
        let walked = std::mem::take(&mut self.walked);
        let (Some(database), Some(first)) = (self.database, walked.first()) else { return Ok(()) };
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
