//! Writing, on a thread of its own: a generator hands over what it has and goes on.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::codec::{HEADER_BYTES, MAGIC, PREFIX_AT, RECORD_BYTES, encode};
use super::{FILE, Header, HistoryError};
use crate::record::Entry;

/// Entries that are handed over at once.
const BATCH: usize = 1_024;
/// Batches that may wait: a million entries. Where the disk is further behind than that, the
/// generator waits for it, which its lag shows.
const BATCHES_MAX: usize = 1_024;
/// Written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// A history that is being written.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    batches: SyncSender<Vec<Entry>>,
    thread: JoinHandle<io::Result<u64>>,
}

/// Where one thread of the generator puts its entries.
#[derive(Debug)]
pub struct Recorder {
    batches: SyncSender<Vec<Entry>>,
    waiting: Vec<Entry>,
}

impl Recording {
    /// Begins the file in a directory that is there.
    ///
    /// # Errors
    ///
    /// Where it can't be made.
    pub fn begin(directory: &Path, header: &Header) -> Result<Self, HistoryError> {
        let path = directory.join(FILE);
        let failed = |source| HistoryError::File { doing: "making", path: path.clone(), source };
        let mut file = File::create(&path).map_err(failed)?;
        file.write_all(&head(header)).map_err(failed)?;
        let (batches, taken) = sync_channel(BATCHES_MAX);
        let thread = std::thread::Builder::new().name("load-history".to_owned());
        let thread = thread.spawn(move || write(file, &taken)).map_err(failed)?;
        Ok(Self { path, batches, thread })
    }

    /// One for another thread.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        Recorder { batches: self.batches.clone(), waiting: Vec::with_capacity(BATCH) }
    }

    /// Waits until everything is in the file; no recorder may be left.
    ///
    /// # Errors
    ///
    /// Where something could not be written.
    pub fn end(self) -> Result<(PathBuf, u64), HistoryError> {
        drop(self.batches);
        let written = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match written {
            Ok(count) => Ok((self.path, count)),
            Err(source) => Err(HistoryError::File { doing: "writing", path: self.path, source }),
        }
    }
}

impl Recorder {
    /// Puts an entry down.
    pub fn record(&mut self, entry: Entry) {
        self.waiting.push(entry);
        if self.waiting.len() == BATCH {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let batch = std::mem::replace(&mut self.waiting, Vec::with_capacity(BATCH));
        // Nobody takes it where the disk has failed, which the end of the recording tells.
        let _taken = self.batches.send(batch);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.hand_over();
    }
}

pub(super) fn head(header: &Header) -> [u8; HEADER_BYTES] {
    let mut head = [0; HEADER_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..16].copy_from_slice(&header.run.to_le_bytes());
    head[16..24].copy_from_slice(&header.seed.to_le_bytes());
    let record = u32::try_from(RECORD_BYTES).expect("a record is small");
    head[24..28].copy_from_slice(&record.to_le_bytes());
    let prefix = header.prefix.as_bytes();
    assert!(prefix.len() <= HEADER_BYTES - PREFIX_AT, "a prefix is short");
    head[PREFIX_AT..][..prefix.len()].copy_from_slice(prefix);
    head
}

fn write(file: File, batches: &Receiver<Vec<Entry>>) -> io::Result<u64> {
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut count = 0;
    for batch in batches {
        for entry in &batch {
            file.write_all(&encode(entry))?;
        }
        count += batch.len() as u64;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(count)
}
