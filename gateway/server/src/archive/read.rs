//! Reading the files of an archive in order.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ArchiveError;
use super::format::{FORMAT, Line};

/// The longest line that is read: a batch has no larger event.
const LINE_BYTES_MAX: u64 = 64 << 20;
const PREFIX: &str = "batches-";
const SUFFIX: &str = ".jsonl";

/// The name of the file that begins with a batch; names sort as their batches do.
pub(super) fn name(first_batch: u64) -> String {
    format!("{PREFIX}{first_batch:020}{SUFFIX}")
}

/// The archive's files, in order. Anything else in the directory is somebody else's.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let failed = |source| ArchiveError::File {
        path: directory.to_path_buf(),
        during: "looking into it",
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// A fault of a line of a file.
pub(super) fn fault(file: &str, line: u64, what: &str) -> ArchiveError {
    ArchiveError::Fault(format!("{file}, line {line}: {what}"))
}

/// The lines of a file.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    name: Arc<str>,
    reader: BufReader<File>,
    number: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let path = path.to_path_buf();
        match File::open(&path) {
            Ok(file) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into();
                Ok(Self { path, name, reader: BufReader::new(file), number: 0 })
            }
            Err(source) => Err(ArchiveError::File { path, during: "opening it", source }),
        }
    }

    /// The name of the file.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The line that was read last, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// A fault of the line that was read last.
    pub(super) fn fault(&self, what: &str) -> ArchiveError {
        fault(&self.name, self.number, what)
    }

    /// The next line, none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Line>, ArchiveError> {
        let mut text = Vec::new();
        self.number += 1;
        let read = self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text);
        let failed = |source: io::Error| ArchiveError::File {
            path: self.path.clone(),
            during: "reading it",
            source,
        };
        if read.map_err(failed)? == 0 {
            return Ok(None);
        }
        if text.last() != Some(&b'\n') {
            return Err(self.fault("it is cut off"));
        }
        let line = serde_json::from_slice(&text);
        let line = line.map_err(|error| self.fault(&format!("it does not read: {error}")))?;
        match line {
            Line::Begin(begin) if begin.format != FORMAT => Err(self
                .fault(&format!("it has format {}, and this build reads {FORMAT}", begin.format))),
            line => Ok(Some(line)),
        }
    }
}
