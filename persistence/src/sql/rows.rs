//! Rows as tuples, and tuples as what they mean. Whatever doesn't read is an error with the table's
//! name, never a default.

use coppice_core::envelope::EventBody;
use coppice_core::{
    CommandId, CorrelationId, EntityId, EntityKind, Epoch, EventRecord, Hash, Position, Sequence,
    StoredEvent, StreamHead, StreamId, StreamKey, SubjectId, TenantId, Timestamp,
};
use uuid::Uuid;

use crate::error::StoreError;
use crate::store::{CommandRecord, EntityRow};

pub(super) const EVENT_COLUMNS: &str = "position, sequence, event_type, payload, recorded_at, \
     causation, correlation, workflow, policy_bundle, subject, key_id, previous_hash, hash";

/// [`EVENT_COLUMNS`].
pub(super) type EventTuple = (
    i64,
    i64,
    String,
    String,
    i64,
    Vec<u8>,
    Vec<u8>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Vec<u8>,
    Vec<u8>,
);

/// [`EVENT_COLUMNS`] and the stream as tenant/kind/id.
pub(super) type JournalTuple = (
    i64,
    i64,
    String,
    String,
    i64,
    Vec<u8>,
    Vec<u8>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Vec<u8>,
    Vec<u8>,
    String,
);

/// [`JournalTuple`], where the entity may be missing, and the stream's id.
pub(super) type FollowedTuple = (
    i64,
    i64,
    String,
    String,
    i64,
    Vec<u8>,
    Vec<u8>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Vec<u8>,
    Vec<u8>,
    Option<String>,
    Vec<u8>,
);

pub(super) const ENTITY_COLUMNS: &str =
    "stream, tenant, kind, id, sequence, hash, epoch, wake_at, owes";

pub(super) type EntityTuple =
    (Vec<u8>, String, String, String, i64, Vec<u8>, i64, Option<i64>, bool);

pub(super) const COMMAND_COLUMNS: &str =
    "command_id, body_hash, sequence, reply, recorded_at, sender";

/// [`COMMAND_COLUMNS`].
pub(super) type CommandTuple = (Vec<u8>, Vec<u8>, i64, String, i64, Option<Vec<u8>>);

#[expect(clippy::needless_pass_by_value, reason = "it takes errors as map_err has them")]
pub(super) fn unreadable(table: &'static str, problem: impl ToString) -> StoreError {
    let problem = format!("table {table}: {}", problem.to_string());
    StoreError::Unreadable { during: "converting it", problem }
}

/// A row whose columns don't have the types that they must have.
pub(super) fn undecodable(during: &'static str, error: &sqlx::Error) -> Option<StoreError> {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Some(StoreError::Unreadable { during, problem: error.to_string() })
        }
        _ => None,
    }
}

pub(super) fn hash(table: &'static str, bytes: &[u8]) -> Result<Hash, StoreError> {
    Hash::from_slice(bytes).ok_or_else(|| unreadable(table, "a hash is not 32 bytes"))
}

pub(super) fn uuid(table: &'static str, bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|error| unreadable(table, error))
}

pub(super) fn key_of(
    table: &'static str,
    tenant: &str,
    kind: &str,
    id: &str,
) -> Result<StreamKey, StoreError> {
    Ok(StreamKey::new(
        TenantId::new(tenant).map_err(|error| unreadable(table, error))?,
        EntityKind::new(kind).map_err(|error| unreadable(table, error))?,
        EntityId::new(id).map_err(|error| unreadable(table, error))?,
    ))
}

pub(super) fn event(key: StreamKey, row: EventTuple) -> Result<StoredEvent, StoreError> {
    let subject = row.9.as_deref().map(SubjectId::new).transpose();
    let body = EventBody {
        event_type: row.2.into(),
        payload: row.3.into(),
        recorded_at: Timestamp::from_micros(row.4),
        causation: CommandId(uuid("events", &row.5)?),
        correlation: CorrelationId(uuid("events", &row.6)?),
        workflow: row.7.map(Into::into),
        policy_bundle: row.8.map(Into::into),
        subject: subject.map_err(|error| unreadable("events", error))?,
        key_id: row.10.map(Into::into),
    };
    let record = EventRecord {
        sequence: Sequence::from_i64(row.1),
        previous_hash: hash("events", &row.11)?,
        hash: hash("events", &row.12)?,
        body,
    };
    Ok(StoredEvent { position: Position::from_i64(row.0), key, record })
}

/// A stream's name, as tenant/kind/id.
pub(super) fn named(name: &str) -> Result<StreamKey, StoreError> {
    let parts: Vec<&str> = name.split('/').collect();
    let [tenant, kind, id] = parts[..] else {
        return Err(unreadable("entities", "a stream's name does not have three parts"));
    };
    key_of("entities", tenant, kind, id)
}

pub(super) fn journal_event(row: JournalTuple) -> Result<StoredEvent, StoreError> {
    let key = named(&row.13)?;
    event(
        key,
        (
            row.0, row.1, row.2, row.3, row.4, row.5, row.6, row.7, row.8, row.9, row.10, row.11,
            row.12,
        ),
    )
}

pub(super) fn entity(row: &EntityTuple) -> Result<EntityRow, StoreError> {
    let (stored, tenant, kind, id, sequence, hash_bytes, epoch, wake_at, owes) = row;
    let key = key_of("entities", tenant, kind, id)?;
    if stream("entities", stored)? != key.stream() {
        return Err(unreadable("entities", format!("the row of {key} is under another stream id")));
    }
    Ok(EntityRow {
        key,
        head: StreamHead {
            sequence: Sequence::from_i64(*sequence),
            hash: hash("entities", hash_bytes)?,
        },
        epoch: Epoch::from_i64(*epoch),
        wake_at: wake_at.map(Timestamp::from_micros),
        owes: *owes,
    })
}

pub(super) fn command(row: CommandTuple) -> Result<CommandRecord, StoreError> {
    Ok(CommandRecord {
        command_id: CommandId(uuid("commands", &row.0)?),
        body_hash: hash("commands", &row.1)?,
        sequence: Sequence::from_i64(row.2),
        reply: row.3.into(),
        recorded_at: Timestamp::from_micros(row.4),
        sender: row.5.as_deref().map(|sender| stream("commands", sender)).transpose()?,
    })
}

pub(super) fn stream(table: &'static str, bytes: &[u8]) -> Result<StreamId, StoreError> {
    uuid(table, bytes).map(StreamId)
}
