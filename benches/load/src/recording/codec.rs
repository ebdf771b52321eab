//! An entry as bytes.

use crate::record::{Entry, Operation, Outcome};

pub(super) const MAGIC: &[u8; 8] = b"COPLOAD1";
pub(super) const HEADER_BYTES: usize = 64;
pub(super) const RECORD_BYTES: usize = 88;
/// Where the prefix stands in the header.
pub(super) const PREFIX_AT: usize = 28;

/// By their numbers. A number stays what it is; a new operation gets the next.
const OPERATIONS: [Operation; 9] = [
    Operation::Add,
    Operation::Read,
    Operation::Workflow,
    Operation::Transfer,
    Operation::Intent,
    Operation::Authorize,
    Operation::Post,
    Operation::Void,
    Operation::Alarm,
];

const OUTCOMES: [Outcome; 7] = [
    Outcome::Acknowledged,
    Outcome::Refused,
    Outcome::Overloaded,
    Outcome::NotSent,
    Outcome::Unknown,
    Outcome::Broken,
    Outcome::TimedOut,
];

fn number_of<T: PartialEq>(table: &[T], one: &T) -> u8 {
    let at = table.iter().position(|entry| entry == one);
    u8::try_from(at.expect("the tables have every variant")).expect("the tables are short")
}

pub(super) fn encode(entry: &Entry) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    let words = [
        entry.op,
        entry.key,
        entry.other,
        entry.intended,
        entry.sent,
        entry.done,
        entry.amount.cast_unsigned(),
        entry.value.cast_unsigned(),
        entry.sequence,
    ];
    for (at, word) in words.into_iter().enumerate() {
        bytes[at * 8..][..8].copy_from_slice(&word.to_le_bytes());
    }
    bytes[72..76].copy_from_slice(&entry.session.to_le_bytes());
    bytes[76..78].copy_from_slice(&entry.attempt.to_le_bytes());
    bytes[78..80].copy_from_slice(&entry.status.to_le_bytes());
    bytes[80] = number_of(&OPERATIONS, &entry.operation);
    bytes[81] = number_of(&OUTCOMES, &entry.outcome);
    bytes[82] = u8::from(entry.keyed);
    bytes[83] = u8::from(entry.repeated);
    bytes
}

/// None where a number stands for nothing.
pub(super) fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<Entry> {
    let word = |at: usize| u64::from_le_bytes(taken(&bytes[at * 8..]));
    let flag = |at: usize| match bytes[at] {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    Some(Entry {
        op: word(0),
        key: word(1),
        other: word(2),
        intended: word(3),
        sent: word(4),
        done: word(5),
        amount: word(6).cast_signed(),
        value: word(7).cast_signed(),
        sequence: word(8),
        session: u32::from_le_bytes(taken(&bytes[72..])),
        attempt: u16::from_le_bytes(taken(&bytes[76..])),
        status: u16::from_le_bytes(taken(&bytes[78..])),
        operation: *OPERATIONS.get(usize::from(bytes[80]))?,
        outcome: *OUTCOMES.get(usize::from(bytes[81]))?,
        keyed: flag(82)?,
        repeated: flag(83)?,
    })
}

/// The first bytes, of which there are enough.
pub(super) fn taken<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut taken = [0; N];
    taken.copy_from_slice(&bytes[..N]);
    taken
}
