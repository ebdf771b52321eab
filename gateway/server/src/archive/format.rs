//! The lines of an archive file, each a JSON object on its own.
//!
//! | Line | Holds |
//! |---|---|
//! | first | [`Begin`]: the format, the first batch, and the hash that it continues |
//! | a batch | [`BatchLine`]: its number, positions and hashes; its events follow |
//! | an event | [`EventLine`]: everything that its hash covers, and the payload as the text that is stored |
//! | last | [`End`]: the last batch and its hash; a file without it was cut off |
//!
//! Hashes and ids are lower-case hexadecimal, times microseconds since 1970. What each hash covers
//! is in `coppice_core::envelope` and `coppice_persistence::chain`.

use coppice_core::envelope::EventBody;
use coppice_core::{
    CommandId, CorrelationId, EntityId, EntityKind, EventRecord, Hash, Position, Sequence,
    StoredEvent, StreamKey, SubjectId, TenantId, Timestamp,
};
use coppice_persistence::BatchRow;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The format that this build writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// A line of an archive file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Begin(Begin),
    /// A batch.
    Batch(BatchLine),
    /// An event of the batch before it.
    Event(Box<EventLine>),
    /// The last.
    End(End),
}

/// How a file begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// [`FORMAT`].
    pub format: u32,
    /// The number of the first batch.
    pub first_batch: u64,
    /// The hash of the batch before it.
    pub previous_hash: String,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchLine {
    /// Its number.
    pub number: u64,
    /// Its first position.
    pub first: u64,
    /// Its last position.
    pub last: u64,
    /// The hash of the batch before it.
    pub previous_hash: String,
    /// Its hash.
    pub hash: String,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// Its place in the journal.
    pub position: u64,
    /// The tenant of its stream.
    pub tenant: String,
    /// The kind of its stream.
    pub kind: String,
    /// The entity of its stream.
    pub id: String,
    /// Its place in the stream.
    pub sequence: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The payload, byte for byte as it is stored: JSON text, as a string.
    pub payload: String,
    /// When it was decided.
    pub recorded_at: i64,
    /// The command that caused it.
    pub causation: Uuid,
    /// The conversation that it belongs to.
    pub correlation: Uuid,
    /// The workflow that it belongs to.
    pub workflow: Option<String>,
    /// The policy bundle in force.
    pub policy_bundle: Option<String>,
    /// Whose personal data the payload holds.
    pub subject: Option<String>,
    /// The key that the personal data is sealed under.
    pub key_id: Option<String>,
    /// The hash of the event before it in its stream.
    pub previous_hash: String,
    /// Its hash.
    pub hash: String,
}

/// How a file ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The number of the last batch.
    pub last_batch: u64,
    /// Its hash.
    pub hash: String,
}

impl From<&BatchRow> for BatchLine {
    fn from(batch: &BatchRow) -> Self {
        Self {
            number: batch.number,
            first: batch.first.0,
            last: batch.last.0,
            previous_hash: batch.previous_hash.to_string(),
            hash: batch.hash.to_string(),
        }
    }
}

impl BatchLine {
    /// The batch, where its hashes are some.
    #[must_use]
    pub fn batch(&self) -> Option<BatchRow> {
        Some(BatchRow {
            number: self.number,
            first: Position(self.first),
            last: Position(self.last),
            previous_hash: hash(&self.previous_hash)?,
            hash: hash(&self.hash)?,
        })
    }
}

impl From<StoredEvent> for EventLine {
    fn from(event: StoredEvent) -> Self {
        let StoredEvent { position, key, record } = event;
        let EventRecord { sequence, previous_hash, hash, body } = record;
        Self {
            position: position.0,
            tenant: key.tenant().as_str().to_owned(),
            kind: key.kind().as_str().to_owned(),
            id: key.id().as_str().to_owned(),
            sequence: sequence.0,
            event_type: body.event_type.into(),
            payload: body.payload.into(),
            recorded_at: body.recorded_at.as_micros(),
            causation: body.causation.0,
            correlation: body.correlation.0,
            workflow: body.workflow.map(Into::into),
            policy_bundle: body.policy_bundle.as_deref().map(str::to_owned),
            subject: body.subject.map(|subject| subject.as_str().to_owned()),
            key_id: body.key_id.map(Into::into),
            previous_hash: previous_hash.to_string(),
            hash: hash.to_string(),
        }
    }
}

impl EventLine {
    /// The event as the journal has it, where its names and hashes are some.
    #[must_use]
    pub fn event(self) -> Option<StoredEvent> {
        let key = StreamKey::new(
            TenantId::new(&self.tenant).ok()?,
            EntityKind::new(&self.kind).ok()?,
            EntityId::new(&self.id).ok()?,
        );
        let subject = self.subject.as_deref().map(SubjectId::new).transpose().ok()?;
        let body = EventBody {
            event_type: self.event_type.into(),
            payload: self.payload.into(),
            recorded_at: Timestamp::from_micros(self.recorded_at),
            causation: CommandId(self.causation),
            correlation: CorrelationId(self.correlation),
            workflow: self.workflow.map(Into::into),
            policy_bundle: self.policy_bundle.map(Into::into),
            subject,
            key_id: self.key_id.map(Into::into),
        };
        let record = EventRecord {
            sequence: Sequence(self.sequence),
            previous_hash: hash(&self.previous_hash)?,
            hash: hash(&self.hash)?,
            body,
        };
        Some(StoredEvent { position: Position(self.position), key, record })
    }
}

/// A hash out of its 64 digits.
#[must_use]
pub fn hash(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 64 || !digits.iter().all(is_digit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(Hash(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written_and_nothing_else_is() {
        let whole = coppice_core::hash::sha256(b"a");
        assert_eq!(hash(&whole.to_string()), Some(whole));
        let text = whole.to_string();
        for bad in ["", "00", &text[1..], &text.to_uppercase(), &format!("+{}", &text[1..])] {
            assert_eq!(hash(bad), None, "{bad}");
        }
    }
}
