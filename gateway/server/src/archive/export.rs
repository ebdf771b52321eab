//! Writing what is old enough into files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use coppice_core::{StoredEvent, Timestamp};
use coppice_persistence::{BatchRow, Journal, StoreError};
use uuid::Uuid;

use super::ArchiveError;
use super::check::Checked;
use super::format::{BatchLine, Begin, End, EventLine, FORMAT, Line};
use super::read::name;

/// Batches looked at, and events read, at once.
const PAGE: usize = 1_000;
/// Events of one file, but for the rest of its last batch: about 50 MiB, which any tool can open.
const FILE_EVENTS_MAX: u64 = 100_000;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Files.
    pub files: u64,
    /// Events.
    pub events: u64,
    /// The archive's last batch, written now or before.
    pub last: BatchRow,
}

/// Goes on from where an archive ends with every batch of which all events, and those of all batches
/// before it, were recorded before a time.
///
/// # Errors
/// [`ArchiveError`]. Files that were finished stay: they are whole.
pub async fn export(
    journal: &dyn Journal,
    directory: &Path,
    archived: &Checked,
    before: Timestamp,
) -> Result<Exported, ArchiveError> {
    let mut exported = Exported { files: 0, events: 0, last: archived.last.clone() };
    loop {
        let events = file(journal, directory, &mut exported.last, before).await?;
        exported.files += u64::from(events > 0);
        exported.events += events;
        // Only a full file has another behind it: what is committed meanwhile waits for the next
        // time, or a busy node would be archived commit by commit.
        if events < FILE_EVENTS_MAX {
            return Ok(exported);
        }
    }
}

/// Writes one file and moves `last` on; how many events are in it, 0 where nothing is old
/// enough and there is no file.
async fn file(
    journal: &dyn Journal,
    directory: &Path,
    last: &mut BatchRow,
    before: Timestamp,
) -> Result<u64, ArchiveError> {
    let mut file: Option<Unfinished> = None;
    let mut events = 0;
    'pages: loop {
        let batches = journal.batches(last.number, PAGE).await?;
        if batches.is_empty() {
            break;
        }
        for batch in batches {
            let of_batch = events_of(journal, &batch).await?;
            let young = |event: &StoredEvent| event.record.body.recorded_at >= before;
            if of_batch.iter().any(young) || events >= FILE_EVENTS_MAX {
                break 'pages;
            }
            let mut begun = match file.take() {
                Some(begun) => begun,
                None => Unfinished::begin(directory, last)?,
            };
            begun.write(&Line::Batch(BatchLine::from(&batch)))?;
            for event in of_batch {
                events += 1;
                begun.write(&Line::Event(Box::new(EventLine::from(event))))?;
            }
            file = Some(begun);
            *last = batch;
        }
    }
    match file {
        Some(file) => file.finish(directory, last).map(|()| events),
        None => Ok(0),
    }
}

async fn events_of(
    journal: &dyn Journal,
    batch: &BatchRow,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut events: Vec<StoredEvent> = Vec::new();
    let mut at = coppice_core::Position(batch.first.0 - 1);
    while at < batch.last {
        let wanted = usize::try_from(batch.last.0 - at.0).unwrap_or(PAGE).min(PAGE);
        let page = journal.read_journal(at, wanted).await?;
        let Some(end) = page.last() else {
            let problem = format!("batch {} has no event after position {at}", batch.number);
            return Err(StoreError::Unreadable { during: "reading a batch", problem });
        };
        at = end.position;
        events.extend(page);
    }
    Ok(events)
}

/// A file under another name than the one that it gets when it is whole.
struct Unfinished {
    path: std::path::PathBuf,
    first_batch: u64,
    writer: BufWriter<File>,
}

impl Unfinished {
    fn begin(directory: &Path, before: &BatchRow) -> Result<Self, ArchiveError> {
        let path = directory.join(format!("unfinished-{}", Uuid::new_v4()));
        let file = File::create_new(&path).map_err(|source| failed(&path, source))?;
        let first_batch = before.number + 1;
        let mut begun = Self { path, first_batch, writer: BufWriter::new(file) };
        let previous_hash = before.hash.to_string();
        begun.write(&Line::Begin(Begin { format: FORMAT, first_batch, previous_hash }))?;
        Ok(begun)
    }

    fn write(&mut self, line: &Line) -> Result<(), ArchiveError> {
        let written = serde_json::to_writer(&mut self.writer, line)
            .map_err(io::Error::from)
            .and_then(|()| self.writer.write_all(b"\n"));
        written.map_err(|source| failed(&self.path, source))
    }

    fn finish(mut self, directory: &Path, last: &BatchRow) -> Result<(), ArchiveError> {
        self.write(&Line::End(End { last_batch: last.number, hash: last.hash.to_string() }))?;
        self.publish(directory).map_err(|source| failed(&self.path, source))
    }

    fn publish(&mut self, directory: &Path) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        // A link and not a rename: it never takes the place of what is there.
        fs::hard_link(&self.path, directory.join(name(self.first_batch)))?;
        fs::remove_file(&self.path)?;
        File::open(directory)?.sync_all()
    }
}

impl Drop for Unfinished {
    /// One that was finished has no such name any more.
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

fn failed(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::File { path: path.to_path_buf(), during: "writing it", source }
}
