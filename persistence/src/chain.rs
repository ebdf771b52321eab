//! The chain over commit batches.

use coppice_core::hash::Hasher;
use coppice_core::{Hash, Position};

/// The hash of a batch: over the batch before it, its place, and the hashes of its events in order
/// of position. PostgreSQL computes the same in its append function.
#[must_use]
pub fn batch_hash(
    previous: Hash,
    number: u64,
    first: Position,
    last: Position,
    events: impl Iterator<Item = Hash>,
) -> Hash {
    let start = Hasher::new("coppice.batch.v1")
        .fixed(previous.0)
        .number(number)
        .number(first.0)
        .number(last.0);
    events.fold(start, |hasher, hash| hasher.fixed(hash.0)).finish()
}
