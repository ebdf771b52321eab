//! What was told of counters, as a history that Elle reads, for a second opinion by others' code.
//!
//! [Elle](https://github.com/jepsen-io/elle) checks transactions over lists that are appended to
//! (`elle.list-append`). A counter is a list: an add appends its operation's number, and a read sees
//! the numbers of all adds up to the sequence that it was told, in the journal's order. Each line is
//! one operation of a Jepsen history in EDN:
//!
//! ```text
//! {:index 0, :time 1200, :type :invoke, :process 7, :f :txn, :value [[:append "counter/a-1" 7]]}
//! {:index 1, :time 3400, :type :ok, :process 7, :f :txn, :value [[:append "counter/a-1" 7]]}
//! {:index 2, :time 5000, :type :invoke, :process 9, :f :txn, :value [[:r "counter/a-1" nil]]}
//! {:index 3, :time 6100, :type :ok, :process 9, :f :txn, :value [[:r "counter/a-1" [7]]]}
//! ```
//!
//! `:info` is an outcome that stayed unknown, `:fail` one that was not applied. A process is one
//! operation, for in open loop sessions overlap. What others added is left out of every list
//! alike. A file is checked by [elle-cli](https://github.com/ligurio/elle-cli) with
//! `--model list-append --consistency-models strict-serializable`.
//!
//! Each read holds its whole list, so a long run on few keys grows with the square: beyond
//! [`ELEMENTS_MAX`] nothing more is taken, and the file is refused rather than cut.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::counter::Try;
use crate::record::{Nanos, Outcome};

/// List elements in all reads together: some 200 MB of text, and about what Elle checks in the
/// memory of an ordinary machine.
pub const ELEMENTS_MAX: u64 = 20_000_000;
/// Operations, for the same reason.
pub const OPERATIONS_MAX: u64 = 1_000_000;

/// What was told of one counter.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) entity: String,
    /// Sequence and operation of this run's events, in order.
    pub(super) order: Vec<(u64, u64)>,
    /// In order of their operations.
    pub(super) tries: Vec<Try>,
}

/// A history that grows counter by counter.
#[derive(Debug, Default)]
pub struct Elle {
    lines: Vec<Line>,
    elements: u64,
    operations: u64,
}

#[derive(Debug)]
struct Line {
    at: Nanos,
    /// At one moment beginnings come first: the two are concurrent.
    is_end: bool,
    op: u64,
    kind: &'static str,
    value: String,
}

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub enum ElleError {
    /// It would be too long.
    #[error(
        "{operations} operations with {elements} list elements are more than Elle checks \
         ({OPERATIONS_MAX} and {ELEMENTS_MAX}): take more keys or a shorter run"
    )]
    TooLong {
        /// Operations.
        operations: u64,
        /// Elements in the lists of all reads.
        elements: u64,
    },
    /// It can't be written.
    #[error("the history can not be written")]
    Write(#[from] io::Error),
}

impl Elle {
    /// Adds a counter.
    pub(super) fn add(&mut self, told: &Told) {
        for tries in told.tries.chunk_by(|one, next| one.op == next.op) {
            self.operations += 1;
            if tries[0].is_add {
                self.add_append(&told.entity, tries);
            } else {
                self.add_read(told, &tries[0]);
            }
        }
    }

    fn is_too_long(&self) -> bool {
        self.elements > ELEMENTS_MAX || self.operations > OPERATIONS_MAX
    }

    fn add_append(&mut self, entity: &str, tries: &[Try]) {
        if self.is_too_long() {
            return;
        }
        let acknowledged = tries.iter().filter(|a_try| a_try.is_acknowledged());
        let answered = acknowledged.map(|a_try| a_try.done).min();
        let given_up = tries.iter().map(|a_try| a_try.done).max().unwrap_or_default();
        let may_be = tries.iter().any(|a_try| a_try.outcome.may_have_happened());
        let (kind, end) = match answered {
            Some(done) => ("ok", done),
            None if may_be => ("info", given_up),
            None => ("fail", given_up),
        };
        let begin = tries.iter().map(|a_try| a_try.sent).min().unwrap_or_default();
        let value = format!("[[:append {} {}]]", quoted(entity), tries[0].op);
        self.push(begin, false, tries[0].op, "invoke", value.clone());
        self.push(end, true, tries[0].op, kind, value);
    }

    fn add_read(&mut self, told: &Told, read: &Try) {
        if read.outcome != Outcome::Acknowledged {
            return;
        }
        let seen = told.order.partition_point(|(sequence, _)| *sequence <= read.sequence);
        self.elements += seen as u64;
        if self.is_too_long() {
            return;
        }
        let entity = quoted(&told.entity);
        let mut list = String::with_capacity(seen * 8);
        for (at, (_, op)) in told.order[..seen].iter().enumerate() {
            let gap = if at == 0 { "" } else { " " };
            // Writing to a string can't fail.
            let _written = write!(list, "{gap}{op}");
        }
        self.push(read.sent, false, read.op, "invoke", format!("[[:r {entity} nil]]"));
        self.push(read.done, true, read.op, "ok", format!("[[:r {entity} [{list}]]]"));
    }

    fn push(&mut self, at: Nanos, is_end: bool, op: u64, kind: &'static str, value: String) {
        self.lines.push(Line { at, is_end, op, kind, value });
    }

    /// Writes the history in order of time.
    ///
    /// # Errors
    /// [`ElleError`]
    pub fn write(mut self, out: &mut impl Write) -> Result<(), ElleError> {
        if self.is_too_long() {
            let Self { operations, elements, .. } = self;
            return Err(ElleError::TooLong { operations, elements });
        }
        self.lines.sort_by_key(|line| (line.at, line.is_end, line.op));
        for (index, Line { at, op, kind, value, .. }) in self.lines.iter().enumerate() {
            writeln!(
                out,
                "{{:index {index}, :time {at}, :type :{kind}, :process {op}, :f :txn, \
                 :value {value}}}"
            )?;
        }
        Ok(())
    }
}

/// A string of EDN.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
