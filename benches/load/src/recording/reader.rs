//! Reading, an entry after the other, in the order in which they ended.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::HistoryError;
use super::codec::{HEADER_BYTES, MAGIC, PREFIX_AT, RECORD_BYTES, decode, taken};
use super::sorted::ByKey;
use crate::record::Entry;

/// Read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// What a history says of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Names the run in correlation ids.
    pub run: u64,
    /// What all choices came from.
    pub seed: u64,
    /// What the entities' ids begin with.
    pub prefix: String,
}

/// A history that is being read. It yields its entries; after an error it ends.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    header: Header,
    file: BufReader<File>,
    number: u64,
    ended: bool,
}

impl History {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// Where it can't be read or is none.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        let failed =
            |source| HistoryError::File { doing: "opening", path: path.to_owned(), source };
        let foreign = || HistoryError::Foreign { path: path.to_owned() };
        let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(failed)?);
        let mut head = [0; HEADER_BYTES];
        file.read_exact(&mut head).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => foreign(),
            _ => failed(error),
        })?;
        let record = u32::from_le_bytes(taken(&head[24..]));
        if &head[..8] != MAGIC || record as usize != RECORD_BYTES {
            return Err(foreign());
        }
        let prefix = head[PREFIX_AT..].split(|byte| *byte == 0).next().unwrap_or_default();
        let prefix = String::from_utf8(prefix.to_vec()).map_err(|_| foreign())?;
        let (run, seed) =
            (u64::from_le_bytes(taken(&head[8..])), u64::from_le_bytes(taken(&head[16..])));
        let header = Header { run, seed, prefix };
        Ok(Self { path: path.to_owned(), header, file, number: 0, ended: false })
    }

    /// What it says of its run.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The same entries in order of their key, those of one in the order in which they were sent.
    /// Long histories are sorted in files beside it.
    ///
    /// # Errors
    ///
    /// Where it is damaged or the disk fails.
    pub fn by_key(self, at_once: usize) -> Result<ByKey, HistoryError> {
        let path = self.path.clone();
        ByKey::new(self, &path, at_once)
    }

    fn damaged(&self) -> HistoryError {
        HistoryError::Damaged { path: self.path.clone(), number: self.number }
    }

    fn read(&mut self) -> Result<Option<Entry>, HistoryError> {
        let mut record = [0; RECORD_BYTES];
        let mut filled = 0;
        while filled < RECORD_BYTES {
            match self.file.read(&mut record[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.damaged()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let path = self.path.clone();
                    return Err(HistoryError::File { doing: "reading", path, source });
                }
            }
        }
        let entry = decode(&record).ok_or_else(|| self.damaged())?;
        self.number += 1;
        Ok(Some(entry))
    }
}

impl Iterator for History {
    type Item = Result<Entry, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read().transpose();
        self.ended = !matches!(read, Some(Ok(_)));
        read
    }
}
