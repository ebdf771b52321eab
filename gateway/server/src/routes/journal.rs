//! `GET /v1/entities` and the events of an entity: what the journal holds of a tenant.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::journal::{EntityEntry, EntityList, EventList, EventView};
use coppice_core::{EntityId, EntityKind, Sequence, StoredEvent, StreamKey};
use coppice_persistence::StoreError;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Params, activity, answer, audit, entities, param, stream, unreadable_path, workflows};
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::openapi::{Answer, Operation, Parameter, Routes, Verb, faults, parameters, shape};
use crate::places;
use crate::problem::Fault;
use crate::query::Query;
use crate::state::{AppState, JournalAccess};

/// What these routes can reach.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) app: AppState,
    pub(super) journal: JournalAccess,
}

const LIST: Operation = Operation {
    method: Verb::Get,
    path: "/v1/entities",
    name: "list_entities",
    family: "entities",
    summary: "The entities of a kind, in order of their ids.",
    notes: "",
    scope: Some(Scope::EntitiesRead),
    parameters: &[
        Parameter { required: true, ..parameters::query("kind", "The kind.", parameters::NAME) },
        parameters::query("cursor", "What the page before gave.", parameters::ENTITY_ID),
        parameters::LIMIT,
    ],
    body: None,
    answers: &[Answer::json("A page.", shape::<EntityList>)],
    faults: &[faults::ENTITY],
};

const EVENTS: Operation = Operation {
    path: "/v1/entities/{kind}/{id}/events",
    name: "list_entity_events",
    family: "events",
    summary: "The events of an entity, the oldest first.",
    parameters: &[
        parameters::KIND,
        parameters::ID,
        parameters::query("cursor", "What the page before gave.", parameters::COUNTED),
        parameters::LIMIT,
    ],
    answers: &[Answer::json("A page.", shape::<EventList<Value>>)],
    faults: &[faults::ENTITY, &[codes::ENTITY_NOT_FOUND, codes::JOURNAL_DAMAGED]],
    ..LIST
};

/// The routes, on a node whose journal can be read.
pub(super) fn routes() -> Routes<Reading> {
    let routes = Routes::new()
        .on(&LIST, list)
        .on(&EVENTS, events)
        .on(&activity::ACTIVITY, activity::activity)
        .on(&stream::EVENTS, stream::events)
        .on(&stream::SOCKET, stream::socket);
    audit::routes(workflows::progress_routes(routes))
}

impl Reading {
    /// The kind of a name, if this node serves it.
    pub(super) fn kind(&self, name: &str) -> Result<EntityKind, Fault> {
        let known = self.app.registry.names().any(|known| known == name);
        let unknown = || {
            let detail = format!("there is no entity kind {name}");
            Fault::new(codes::UNKNOWN_KIND, detail)
        };
        EntityKind::new(name).ok().filter(|_| known).ok_or_else(unknown)
    }
}

async fn list(State(state): State<Reading>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, listed(&state, &parts, &exchange).await)
}

async fn listed(state: &Reading, parts: &Parts, exchange: &Exchange) -> Result<EntityList, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::EntitiesRead).await?.principal;
    let query = Query::read(parts, ["kind", "cursor", "limit"])?;
    let Some(kind) = query.text(0) else {
        return Err(Fault::new(codes::MALFORMED_REQUEST, "the query parameter kind is missing"));
    };
    let (kind, limit) = (state.kind(kind)?, query.rows(2)?);
    let after = query.text(1).map(entities::entity_id).transpose()?;
    let after = after.as_ref().map_or("", EntityId::as_str);
    // Before the rows: they show at least that much.
    let end = state.journal.store.last_position().await.map_err(|error| unreadable(&error))?;
    exchange.at(places::of_position(end));
    let rows = state.journal.store.entities_of(&principal.tenant, &kind, after, limit).await;
    let rows = rows.map_err(|error| unreadable(&error))?;
    let next_cursor = rows.last().filter(|_| rows.len() == limit);
    let next_cursor = next_cursor.map(|last| last.key.id().to_string());
    let entry = |row: &coppice_persistence::EntityRow| EntityEntry {
        kind: row.key.kind().to_string(),
        id: row.key.id().to_string(),
        sequence: row.head.sequence,
    };
    Ok(EntityList { entities: rows.iter().map(entry).collect(), next_cursor })
}

async fn events(State(state): State<Reading>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, page(&state, params, &parts, &exchange).await)
}

async fn page(
    state: &Reading,
    params: Params,
    parts: &Parts,
    exchange: &Exchange,
) -> Result<EventList, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::EntitiesRead).await?.principal;
    let params = params.map_err(|_| unreadable_path())?;
    let query = Query::read(parts, ["cursor", "limit"])?;
    let kind = state.kind(param(&params, "kind"))?;
    let id = entities::entity_id(param(&params, "id"))?;
    let (after, limit) = (query.place(0)?.unwrap_or(0), query.rows(1)?);
    let key = StreamKey::new(principal.tenant.clone(), kind, id);
    let store = &state.journal.store;
    let found = store
        .read_stream(&key, Sequence(after), limit)
        .await
        .map_err(|error| unreadable(&error))?;
    if found.is_empty() && store.entity(&key).await.map_err(|error| unreadable(&error))?.is_none() {
        let detail = format!("there is no {} {}", key.kind(), key.id());
        return Err(Fault::new(codes::ENTITY_NOT_FOUND, detail));
    }
    if let Some(last) = found.last() {
        exchange.at(places::of_position(last.position));
    }
    let next_cursor = found.last().filter(|_| found.len() == limit);
    let next_cursor = next_cursor.map(|last| last.record.sequence.to_string());
    let events: Result<Vec<EventView>, Fault> = found.iter().map(view).collect();
    Ok(EventList { events: events?, next_cursor })
}

/// An event as clients see it.
pub(crate) fn view(event: &StoredEvent) -> Result<EventView, Fault> {
    let (record, body) = (&event.record, &event.record.body);
    let data = RawValue::from_string(body.payload.to_string()).map_err(|_| {
        let detail = format!("event {} of {} is not JSON", record.sequence, event.key);
        Fault::new(codes::JOURNAL_DAMAGED, detail)
    })?;
    Ok(EventView {
        position: event.position.0,
        kind: event.key.kind().to_string(),
        id: event.key.id().to_string(),
        sequence: record.sequence,
        event_id: record.event_id().0,
        event_type: body.event_type.to_string(),
        recorded_at: body.recorded_at.as_micros(),
        causation: body.causation.0,
        correlation: body.correlation.0,
        workflow: body.workflow.as_deref().map(str::to_owned),
        policy_bundle: body.policy_bundle.as_deref().map(str::to_owned),
        subject: body.subject.as_ref().map(ToString::to_string),
        previous_hash: record.previous_hash.to_string(),
        hash: record.hash.to_string(),
        data,
    })
}

/// What the store can't give. Its own words stay in the log.
pub(super) fn unreadable(error: &StoreError) -> Fault {
    Fault::of_store(error, "the journal can not be read")
}
