//! Streams in memory, for tests.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::served::{Event, Served, ServedError, View};
use crate::record::correlation;

/// How many events a page has: few, so that tests turn pages.
const PAGE: usize = 3;

/// What a node would serve.
#[derive(Debug, Default, Clone)]
pub(super) struct Memory {
    entities: BTreeMap<(String, String), Entity>,
}

#[derive(Debug, Default, Clone)]
struct Entity {
    events: Vec<Event>,
    view: Option<View>,
}

/// Who brought an event about.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    /// An operation of the run.
    Op(u64, u64),
    /// Somebody else.
    Other,
}

pub(super) fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

impl Memory {
    /// Appends an event.
    pub(super) fn event(&mut self, kind: &str, id: &str, by: By, event_type: &str, data: &Value) {
        let entity = self.entities.entry((kind.to_owned(), id.to_owned())).or_default();
        let sequence = entity.events.len() as u64 + 1;
        entity.events.push(Event {
            sequence,
            event_type: event_type.to_owned(),
            recorded_at: i64::try_from(sequence).unwrap(),
            correlation: match by {
                By::Op(run, op) => correlation(run, op),
                By::Other => Uuid::from_u128(0x1234),
            },
            previous_hash: format!("h{}", sequence - 1),
            hash: format!("h{sequence}"),
            data: raw(data),
        });
    }

    /// Says what is served.
    pub(super) fn serve(&mut self, kind: &str, id: &str, sequence: u64, state: &Value) {
        let entity = self.entities.entry((kind.to_owned(), id.to_owned())).or_default();
        entity.view = Some(View { sequence, state: raw(state) });
    }

    /// A counter with these adds, served as they fold.
    pub(super) fn counter(&mut self, id: &str, adds: &[(By, i64)]) {
        self.entities.remove(&("counter".to_owned(), id.to_owned()));
        for (by, n) in adds {
            self.event("counter", id, *by, "counter.added.v1", &json!({ "n": n }));
        }
        let value: i64 = adds.iter().map(|(_, n)| n).sum();
        if !adds.is_empty() {
            self.serve("counter", id, adds.len() as u64, &json!({ "value": value }));
        }
    }

    /// The events of an entity, to be spoilt.
    pub(super) fn events_of(&mut self, kind: &str, id: &str) -> &mut Vec<Event> {
        &mut self.entities.get_mut(&(kind.to_owned(), id.to_owned())).unwrap().events
    }
}

impl Served for Memory {
    async fn events(&self, kind: &str, id: &str, after: u64) -> Result<Vec<Event>, ServedError> {
        let entity = self.entities.get(&(kind.to_owned(), id.to_owned()));
        let events = entity.into_iter().flat_map(|entity| &entity.events);
        Ok(events.filter(|event| event.sequence > after).take(PAGE).cloned().collect())
    }

    async fn view(&self, kind: &str, id: &str) -> Result<Option<View>, ServedError> {
        let entity = self.entities.get(&(kind.to_owned(), id.to_owned()));
        Ok(entity.and_then(|entity| entity.view.clone()))
    }

    async fn ids(&self, kind: &str, after: Option<&str>) -> Result<Vec<String>, ServedError> {
        let of_kind = self.entities.keys().filter(|(of, _)| of == kind).map(|(_, id)| id);
        let behind = of_kind.filter(|id| after.is_none_or(|after| id.as_str() > after));
        Ok(behind.take(PAGE).cloned().collect())
    }
}
