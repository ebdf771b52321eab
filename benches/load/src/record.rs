//! What the generator did and was told, one [`Entry`] for each try.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Nanoseconds of the monotonic clock since the run began.
pub type Nanos = u64;

/// Numbers that one operation of the plan has: each of its steps has its own, in order. A generator
/// of several has the operations of the plan whose number leaves its index.
pub const STEPS: u64 = 4;

/// Bits of a number of the plan that count within its phase; the phase stands above them.
pub const PLACE_BITS: u32 = 40;

/// Which of several generators an operation is of.
#[must_use]
pub const fn generator_of(op: u64, generators: u64) -> u64 {
    ((op / STEPS) & ((1 << PLACE_BITS) - 1)) % generators
}

/// What an operation asks for. Its name is the one in scenarios and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Adds to a counter: `POST /v1/entities/counter/{id}/add`.
    Add,
    /// Reads a counter: `GET /v1/entities/counter/{id}`.
    Read,
    /// Starts a workflow and waits for its end.
    Workflow,
    /// Moves money between two accounts: `POST /v1/money/transfers`.
    Transfer,
    /// Opens an intent: `POST /v1/money/intents`.
    Intent,
    /// Has it decided: `POST /v1/money/authorize`.
    Authorize,
    /// Posts what was reserved: `POST /v1/money/intents/{id}/post`.
    Post,
    /// Gives it back: `POST /v1/money/intents/{id}/void`.
    Void,
    /// Sets an alarm that rings at once: `POST /v1/entities/alarm/{id}/set`.
    Alarm,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// 2xx: it is durable, or it was read.
    Acknowledged,
    /// The node refused it by what it is, and nothing changed: 4xx but 429.
    Refused,
    /// The node had no room and nothing changed: 429, or 503 with `outcome` `not_applied`.
    Overloaded,
    /// No connection could be made, so nothing was sent.
    NotSent,
    /// It may have been done or may yet be: 5xx with `outcome` `unknown`, or an answer that makes no
    /// sense.
    Unknown,
    /// The connection broke before the answer was whole; as [`Outcome::Unknown`].
    Broken,
    /// The generator gave up waiting; as [`Outcome::Unknown`].
    TimedOut,
}

impl Outcome {
    /// Whether the try may have changed something though no answer said so.
    #[must_use]
    pub const fn may_have_happened(self) -> bool {
        matches!(self, Self::Unknown | Self::Broken | Self::TimedOut)
    }
}

/// One try of one operation.
///
/// All tries with one `op` carry the same idempotency key (where the scenario gives one), the same
/// body and the same correlation id, and count as one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The operation's number in the run. [`correlation`] turns it into the id that the node records.
    pub op: u64,
    /// 0 for the first try.
    pub attempt: u16,
    /// Which of the generator's sessions did it: within one, an operation begins after the one before
    /// it has ended only in closed loop.
    pub session: u32,
    /// What was asked.
    pub operation: Operation,
    /// Whether an idempotency key was sent.
    pub keyed: bool,
    /// Which entity, as the scenario numbers them; its id is `{prefix}-{key}`.
    pub key: u64,
    /// Of a transfer: who is paid, numbered likewise; 0 elsewhere.
    pub other: u64,
    /// How much was added or moved; 0 for a read.
    pub amount: i64,
    /// When it should have begun by the plan.
    pub intended: Nanos,
    /// When the request was written.
    pub sent: Nanos,
    /// When its end was known.
    pub done: Nanos,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status; 0 where there was none.
    pub status: u16,
    /// The sequence that the answer named; 0 where it named none.
    pub sequence: u64,
    /// The value that the answer named.
    pub value: i64,
    /// Whether the answer said that it is a repetition.
    pub repeated: bool,
}

/// The `x-correlation-id` of an operation: its run's upper half, its number in the lower, marked as a
/// UUID of version 8. By it an event in the journal leads back to who asked for it.
#[must_use]
pub fn correlation(run: u64, op: u64) -> Uuid {
    uuid::Builder::from_custom_bytes(
        ((u128::from(run) << 64) | u128::from(op & 0x3fff_ffff_ffff_ffff)).to_be_bytes(),
    )
    .into_uuid()
}

/// The operation's number that a correlation id stands for, if it is of this run.
#[must_use]
pub fn op_of(run: u64, id: Uuid) -> Option<u64> {
    let op = (id.as_u128() & 0x3fff_ffff_ffff_ffff) as u64;
    (correlation(run, op) == id).then_some(op)
}
