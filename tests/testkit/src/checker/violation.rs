//! What a history and a journal can show to be wrong.

use coppice_core::invariants::ChainFault;
use coppice_core::{CommandId, Position, Sequence};
use thiserror::Error;

use crate::history::OpId;

/// The first thing found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the message of each variant says what its fields are")]
pub enum Violation {
    /// The journal holds something that no counter writes.
    #[error("event {sequence} of {stream} does not read as an add: {problem}")]
    Unreadable { stream: String, sequence: Sequence, problem: String },
    /// The test used a key for two different adds; nothing can be said then.
    #[error("the history uses the key of {first:?} on {counter} for another add, {second:?}")]
    KeyUsedTwice { counter: String, first: OpId, second: OpId },
    /// The journal's positions have a gap or a double.
    #[error("position {found} stands where {expected} belongs")]
    Position { expected: Position, found: Position },
    /// A stream's sequences or hashes don't continue.
    #[error("the stream {stream} is broken: {fault}")]
    Chain { stream: String, fault: ChainFault },
    /// An acknowledged add isn't in the journal.
    #[error("{op:?} on {counter} was acknowledged at {sequence} and is not in the journal")]
    Lost { counter: String, op: OpId, sequence: Sequence },
    /// A command took effect twice.
    #[error("command {command} on {counter} is in the journal at {first} and again at {second}")]
    Doubled { counter: String, command: CommandId, first: Sequence, second: Sequence },
    /// The journal holds an add that is in nobody's history.
    #[error("event {sequence} of {counter} is of command {command}, which nobody sent")]
    NobodyAsked { counter: String, sequence: Sequence, command: CommandId },
    /// The journal holds another number than was asked for.
    #[error("{op:?} on {counter} asked to add {asked} and the journal has {found}")]
    Altered { counter: String, op: OpId, asked: i64, found: i64 },
    /// An entity recorded that its add was done, and it wasn't.
    #[error("command {command} to {counter} was settled by its sender and is not in the journal")]
    Untold { counter: String, command: CommandId },
    /// The journal holds another number than an entity sent.
    #[error("command {command} told {counter} to add {told} and the journal has {found}")]
    ToldOther { counter: String, command: CommandId, told: i64, found: i64 },
    /// No try of the add was answered or unknown, and yet it happened.
    #[error(
        "{op:?} on {counter} was not applied by its answers and is in the journal at {sequence}"
    )]
    AppliedAfterAll { counter: String, op: OpId, sequence: Sequence },
    /// The answer named another sequence than the add has.
    #[error("{op:?} on {counter} was answered at {answered} and stands at {found}")]
    Misplaced { counter: String, op: OpId, answered: Sequence, found: Sequence },
    /// Two tries of one command got different answers.
    #[error("{first:?} and {second:?} on {counter} are one command and got different answers")]
    Contradicted { counter: String, first: OpId, second: OpId },
    /// A command was refused after it had been accepted.
    #[error("{second:?} on {counter} was refused after {first:?}, the same command, was accepted")]
    RefusedAfterAccepted { counter: String, first: OpId, second: OpId },
    /// The journal has a counter that nobody read at the end.
    #[error("{counter} is in the journal and its final value was not given")]
    NotServed { counter: String },
    /// The journal and the server disagree.
    #[error("{counter} folds to {folded} and is served as {served}")]
    Served { counter: String, folded: i128, served: i64 },
    /// The value isn't the sum of what clients know.
    #[error("the adds to {counter} sum up to {expected} and it is served as {served}")]
    Sum { counter: String, expected: i128, served: i64 },
    /// An answer named a sequence that the journal doesn't have.
    #[error("{op:?} on {counter} was answered at {sequence}, which is not in the journal")]
    Ahead { counter: String, op: OpId, sequence: Sequence },
    /// An answer's value isn't the fold up to its sequence.
    #[error(
        "{op:?} on {counter} was answered {answered} at {sequence}, where the journal has {folded}"
    )]
    Value { counter: String, op: OpId, sequence: Sequence, answered: i64, folded: i128 },
    /// An operation took effect before one that was over when it began.
    #[error(
        "{later:?} on {counter} stands at {later_at}, though {earlier:?} at {earlier_at} was over \
         before it began"
    )]
    Stale { counter: String, earlier: OpId, earlier_at: Sequence, later: OpId, later_at: Sequence },
}
