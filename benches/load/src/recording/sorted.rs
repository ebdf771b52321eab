//! A history in order of its keys, however long: sorted in pieces on the disk, and merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::HistoryError;
use super::codec::encode;
use super::reader::{Header, History};
use super::writer::head;
use crate::record::{Entry, Nanos};

/// Entries that are sorted in memory at once: some 90 MiB.
pub const SORTED_AT_ONCE: usize = 1_000_000;

type Rank = (u64, Nanos, u64, u16);

const fn rank(entry: &Entry) -> Rank {
    (entry.key, entry.sent, entry.op, entry.attempt)
}

/// Entries in order of their key, those of one key in the order in which they were sent.
#[derive(Debug)]
pub struct ByKey {
    pieces: Vec<History>,
    files: Vec<PathBuf>,
    heads: BinaryHeap<Reverse<(Rank, usize)>>,
    entries: Vec<Option<Entry>>,
    failed: Option<HistoryError>,
}

impl ByKey {
    pub(super) fn new(
        mut history: History,
        path: &Path,
        at_once: usize,
    ) -> Result<Self, HistoryError> {
        let header = history.header().clone();
        let mut files = Files(Vec::new());
        loop {
            let mut piece: Vec<Entry> =
                history.by_ref().take(at_once.max(1)).collect::<Result<_, _>>()?;
            if piece.is_empty() {
                break;
            }
            piece.sort_unstable_by_key(rank);
            let file = path.with_extension(format!("sorted{}", files.0.len()));
            files.0.push(file.clone());
            write(&file, &header, &piece)?;
        }
        let pieces = files.0.iter().map(|file| History::open(file));
        let pieces: Vec<History> = pieces.collect::<Result<_, _>>()?;
        let mut sorted = Self {
            entries: vec![None; pieces.len()],
            pieces,
            files: std::mem::take(&mut files.0),
            heads: BinaryHeap::new(),
            failed: None,
        };
        for piece in 0..sorted.pieces.len() {
            sorted.advance(piece);
        }
        Ok(sorted)
    }

    fn advance(&mut self, piece: usize) {
        match self.pieces[piece].next() {
            Some(Ok(entry)) => {
                self.heads.push(Reverse((rank(&entry), piece)));
                self.entries[piece] = Some(entry);
            }
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}

impl Iterator for ByKey {
    type Item = Result<Entry, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let Reverse((_, piece)) = self.heads.pop()?;
        let entry = self.entries[piece].take()?;
        self.advance(piece);
        Some(Ok(entry))
    }
}

impl Drop for ByKey {
    fn drop(&mut self) {
        drop(Files(std::mem::take(&mut self.files)));
    }
}

/// Files that go where this goes.
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        for file in &self.0 {
            // One that can't be removed is only in the way of disk space.
            let _removed = std::fs::remove_file(file);
        }
    }
}

fn write(path: &Path, header: &Header, entries: &[Entry]) -> Result<(), HistoryError> {
    let failed =
        |source| HistoryError::File { doing: "sorting into", path: path.to_owned(), source };
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    file.write_all(&head(header)).map_err(failed)?;
    for entry in entries {
        file.write_all(&encode(entry)).map_err(failed)?;
    }
    file.flush().map_err(failed)
}
