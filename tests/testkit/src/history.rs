//! What clients did to counters and what they were told, recorded while it happens.
//!
//! Moments are numbered in the order in which they are recorded, under one lock. So one moment is
//! before another exactly where the recording was, without ties, and also under paused time. An
//! operation is recorded as invoked *before* its request leaves and as completed *after* its answer
//! came: what is taken for concurrent may be more than was, never less.

use std::sync::Arc;

use coppice_core::Sequence;
use parking_lot::Mutex;

/// Names a recorded operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpId(usize);

/// What a client asked of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// To add a number. A retry is another operation with the same idempotency key.
    Add {
        /// How much.
        n: i64,
        /// The key that makes the command's id.
        idempotency_key: String,
    },
    /// To read it.
    Read,
}

/// What a client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// It was done: the counter's value and the sequence that it stood at.
    Ok {
        /// The sequence after an add; the sequence that was read.
        sequence: Sequence,
        /// The value at that sequence.
        value: i64,
    },
    /// The entity refused it.
    Rejected,
    /// This try changed nothing and never will. It says nothing of other tries.
    NotApplied,
    /// It may have been done or may yet be.
    Unknown,
}

/// One try of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its place in the history.
    pub id: OpId,
    /// Who tried.
    pub client: u32,
    /// The counter's id.
    pub counter: String,
    /// What was asked.
    pub op: Op,
    /// When the request was about to leave.
    pub invoked: u64,
    /// When the answer had come, and what it said. `None` for a client that never learned, which
    /// is the same as [`Completion::Unknown`].
    pub completed: Option<(u64, Completion)>,
}

/// A recording. Clones record to the same one.
#[derive(Debug, Clone, Default)]
pub struct History {
    recorded: Arc<Mutex<Recorded>>,
}

#[derive(Debug, Default)]
struct Recorded {
    moment: u64,
    attempts: Vec<Attempt>,
}

impl Recorded {
    const fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

impl History {
    /// Records that a request is about to leave.
    pub fn invoke(&self, client: u32, counter: &str, op: Op) -> OpId {
        let mut recorded = self.recorded.lock();
        let invoked = recorded.next_moment();
        let id = OpId(recorded.attempts.len());
        let counter = counter.to_owned();
        recorded.attempts.push(Attempt { id, client, counter, op, invoked, completed: None });
        id
    }

    /// Records what came of it.
    ///
    /// # Panics
    /// Where the operation was completed before, which is a fault of the test.
    pub fn complete(&self, id: OpId, completion: Completion) {
        let mut recorded = self.recorded.lock();
        let completed = recorded.next_moment();
        let attempt = &mut recorded.attempts[id.0];
        assert_eq!(attempt.completed, None, "operation {id:?} was completed before");
        attempt.completed = Some((completed, completion));
    }

    /// Everything recorded so far, in order of invocation.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.recorded.lock().attempts.clone()
    }

    /// How many operations were recorded so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recorded.lock().attempts.len()
    }

    /// Whether nothing was recorded yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
