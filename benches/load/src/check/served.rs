//! What a node serves after a run: the events of each entity and its state.

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use uuid::Uuid;

/// An event as `GET /v1/entities/{kind}/{id}/events` shows it, as far as checks need it.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// Its place among the entity's events, from 1.
    pub sequence: u64,
    /// Its type with the version.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it was decided, in microseconds since 1970.
    pub recorded_at: i64,
    /// The conversation that it belongs to: [`crate::record::correlation`] of who asked.
    pub correlation: Uuid,
    /// Hash of the event before it, in hex.
    pub previous_hash: String,
    /// Its own hash, in hex.
    pub hash: String,
    /// Its payload.
    pub data: Box<RawValue>,
}

/// An entity as `GET /v1/entities/{kind}/{id}` shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct View {
    /// The sequence that the state stands at.
    pub sequence: u64,
    /// The state, as its kind shows it.
    pub state: Box<RawValue>,
}

/// Why it can't be had. The run can't be judged then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServedError {
    /// Nobody answered, however often it was asked.
    #[error("{path} was not answered within {within_s} s: {problem}")]
    Unreachable {
        /// What was asked for.
        path: String,
        /// For how long it was tried.
        within_s: u64,
        /// What the last try came to.
        problem: String,
    },
    /// The node answered otherwise than by what was asked for.
    #[error("{path} was answered with {status}: {body}")]
    Refused {
        /// What was asked for.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        body: String,
    },
    /// The answer can't be read.
    #[error("the answer to {path} can not be read: {problem}")]
    Unreadable {
        /// What was asked for.
        path: String,
        /// Why.
        problem: String,
    },
}

/// Where the journal and the states come from.
pub trait Served: Sync {
    /// The events of an entity after a sequence, in order. Only the end gives none; of an entity
    /// that isn't there, there are none.
    fn events(
        &self,
        kind: &str,
        id: &str,
        after: u64,
    ) -> impl Future<Output = Result<Vec<Event>, ServedError>> + Send;

    /// The state of an entity; none where there is no such entity.
    fn view(
        &self,
        kind: &str,
        id: &str,
    ) -> impl Future<Output = Result<Option<View>, ServedError>> + Send;

    /// The ids of a kind's entities behind one, in their order. Only the end gives none.
    fn ids(
        &self,
        kind: &str,
        after: Option<&str>,
    ) -> impl Future<Output = Result<Vec<String>, ServedError>> + Send;
}

/// All ids of a kind.
///
/// # Errors
/// What [`Served::ids`] says.
pub(super) async fn all_ids(served: &impl Served, kind: &str) -> Result<Vec<String>, ServedError> {
    let mut ids: Vec<String> = Vec::new();
    loop {
        let page = served.ids(kind, ids.last().map(String::as_str)).await?;
        if page.is_empty() {
            return Ok(ids);
        }
        ids.extend(page);
    }
}

/// All events of an entity that is known to have few.
///
/// # Errors
/// What [`Served::events`] says.
pub(super) async fn all_events(
    served: &impl Served,
    kind: &str,
    id: &str,
) -> Result<Vec<Event>, ServedError> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.sequence);
        let page = served.events(kind, id, after).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}
