//! The history of a run in a file: an [`Entry`](crate::record::Entry) for each try, as it ended.
//!
//! Version 1: a header of 64 bytes, then records of 88 bytes to the end of the file, all numbers with
//! the lowest byte first.
//!
//! | Header | Bytes | |
//! | --- | --- | --- |
//! | magic | 0..8 | `COPLOAD1` |
//! | run | 8..16 | Names the run in correlation ids |
//! | seed | 16..24 | What all choices came from |
//! | record | 24..28 | Bytes of a record: 88 |
//! | prefix | 28..64 | What the entities' ids begin with, filled up with zeros |
//!
//! | Record | Bytes | |
//! | --- | --- | --- |
//! | op, key, other | 0..24 | `u64` each |
//! | intended, sent, done | 24..48 | Nanoseconds since the run began, `u64` each |
//! | amount, value | 48..64 | `i64` each |
//! | sequence | 64..72 | `u64` |
//! | session | 72..76 | `u32` |
//! | attempt, status | 76..80 | `u16` each |
//! | operation, outcome | 80..82 | As numbered in `codec.rs` |
//! | keyed, repeated | 82..84 | 0 or 1 each |
//! | - | 84..88 | Zeros |
//!
//! A run that is cut off leaves a file whose last record may be incomplete; a reader says so.

mod codec;
mod reader;
mod sorted;
mod writer;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use reader::{Header, History};
pub use sorted::{ByKey, SORTED_AT_ONCE};
pub use writer::{Recorder, Recording};

/// The file's name within the run's directory.
pub const FILE: &str = "history.bin";

/// A history that can't be written or read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file or the disk.
    #[error("{doing} {} failed", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// It is no history, or one of another version.
    #[error("{} is no history of this version", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A record makes no sense, or the last one is not whole.
    #[error("record {number} of {} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which, from 0.
        number: u64,
    },
}

#[cfg(test)]
mod tests;
