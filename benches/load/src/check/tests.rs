//! The checkers against histories that are right, and against each way of being wrong.

mod counters;
mod drawn;
mod money;
mod workflows;

use std::time::Duration;

use super::memory::Memory;
use super::*;
use crate::record::Outcome;

const RUN: u64 = 0xfeed;

/// A run that doesn't wait for what doesn't come.
fn options() -> Options {
    Options { settle: Duration::ZERO, ..Options::new(RUN, "c") }
}

/// One try, over a millisecond after it began.
pub(super) fn entry(op: u64, operation: Operation, key: u64, amount: i64) -> Entry {
    let at = op * 10_000_000;
    Entry {
        op,
        attempt: 0,
        session: 0,
        operation,
        keyed: true,
        key,
        other: 0,
        amount,
        intended: at,
        sent: at,
        done: at + 1_000_000,
        outcome: Outcome::Acknowledged,
        status: 200,
        sequence: 0,
        value: 0,
        repeated: false,
    }
}

/// An add of 1 that was answered so.
fn add(op: u64, sequence: u64, value: i64) -> Entry {
    Entry { sequence, value, ..entry(op, Operation::Add, 1, 1) }
}

fn read(op: u64, sequence: u64, value: i64) -> Entry {
    Entry { sequence, value, ..entry(op, Operation::Read, 1, 0) }
}

fn sound(entries: &[Entry]) -> impl Iterator<Item = std::io::Result<Entry>> + '_ {
    entries.iter().copied().map(Ok)
}

async fn judged_by(options: &Options, memory: &Memory, entries: &[Entry]) -> Verdict {
    check(memory, options, sound(entries), None).await.unwrap()
}

async fn judged(memory: &Memory, entries: &[Entry]) -> Verdict {
    judged_by(&options(), memory, entries).await
}

/// The checks that found something.
fn found(verdict: &Verdict) -> Vec<Check> {
    let wrong = verdict.checks.iter().filter(|(_, tally)| tally.violations > 0);
    wrong.map(|(check, _)| *check).collect()
}

#[tokio::test]
async fn entries_that_are_not_sorted_or_can_not_be_read_are_refused() {
    let unsorted = [Entry { key: 2, ..add(0, 1, 1) }, add(1, 1, 1)];
    let refused = check(&Memory::default(), &options(), sound(&unsorted), None).await;
    assert!(matches!(refused, Err(CheckError::Unsorted { key: 1, after: 2 })), "{refused:?}");
    let broken = [Err(std::io::Error::other("torn"))];
    let refused = check(&Memory::default(), &options(), broken.into_iter(), None).await;
    assert!(matches!(refused, Err(CheckError::Recording(_))), "{refused:?}");
}
