//! Lists of entities, and events as they stand in the journal.

use coppice_core::Sequence;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

/// A page of a kind's entities, in order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntityList {
    /// The entities.
    pub entities: Vec<EntityEntry>,
    /// What to ask for the next page with; none where this is the last.
    pub next_cursor: Option<String>,
}

/// One entity of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntityEntry {
    /// Its kind.
    pub kind: String,
    /// Its id within tenant and kind.
    pub id: String,
    /// How many events it has.
    #[schemars(with = "u64")]
    pub sequence: Sequence,
}

/// A page of an entity's events, in order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EventList<D = Box<RawValue>> {
    /// The events.
    pub events: Vec<EventView<D>>,
    /// What to ask for the next page with; none where this is the last.
    pub next_cursor: Option<String>,
}

/// An event as it stands in the journal. `D` is its payload.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EventView<D = Box<RawValue>> {
    /// Its place in the whole journal, which a stream goes on from.
    pub position: u64,
    /// The kind of its entity.
    pub kind: String,
    /// Its entity.
    pub id: String,
    /// Its place among the entity's events.
    #[schemars(with = "u64")]
    pub sequence: Sequence,
    /// Names the event; made of its hash.
    pub event_id: Uuid,
    /// Its type with the version, such as `counter.added.v1`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it was decided, in microseconds since 1970.
    pub recorded_at: i64,
    /// The command that caused it.
    pub causation: Uuid,
    /// The conversation that it belongs to.
    pub correlation: Uuid,
    /// The workflow that it belongs to.
    pub workflow: Option<String>,
    /// The policy bundle in force.
    pub policy_bundle: Option<String>,
    /// Whose personal data it holds, as a pseudonym.
    pub subject: Option<String>,
    /// Hash of the event before it, in hex.
    pub previous_hash: String,
    /// Its own hash, in hex.
    pub hash: String,
    /// Its payload. Personal data in it is sealed.
    pub data: D,
}

/// Why a stream of events has ended, as its last event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEnd {
    /// The code of a problem.
    pub code: String,
    /// What happened, for people.
    pub detail: String,
    /// The event that it can't go on with, where that is the reason.
    pub position: Option<u64>,
}
