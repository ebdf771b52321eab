//! `/v1/audit`: the trail of a workflow, and the proof of a hash.
//!
//! The trail is the journal itself. A hash is proven by what is recorded: its workflow's stream is
//! walked from its beginning against its chain, the output is hashed anew, and the input is made
//! again by replay.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::audit::{AuditEntry, AuditTrail, HashPlace, HashProof};
use coppice_api::codes;
use coppice_core::hash::Hash;
use coppice_core::{
    DomainEvent, Entity, EntityId, EntityKind, Position, Sequence, StoredEvent, StreamHead,
    StreamKey, TenantId,
};
use coppice_domain::workflow::Workflow;
use coppice_domain::workflow::flow::{Event, State as WorkflowState};
use serde_json::Value;

use super::journal::{Reading, unreadable};
use super::{Params, answer, entities, param, unreadable_path};
use crate::audit::{Place, Places, Side};
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::openapi::older::alias;
use crate::openapi::{Answer, Operation, Parameter, Routes, Verb, faults, parameters, shape};
use crate::places;
use crate::problem::Fault;
use crate::query::Query;

/// Events that are read at once while a stream is walked.
const PAGE: usize = 512;

const ID: Parameter = Parameter { description: "A workflow or task.", ..parameters::ID };

const HASH: Parameter = Parameter {
    name: "hash",
    description: "SHA-256 of a canonical input or output, in hex.",
    schema: r#"{"type":"string","pattern":"^[0-9a-f]{64}$"}"#,
    ..parameters::ID
};

const TRAIL: Operation = Operation {
    method: Verb::Get,
    path: "/v1/audit/{id}",
    name: "audit_trail",
    family: "audit",
    summary: "What happened in a workflow, the oldest first, with hashes.",
    notes: "Each entry is an event of the journal; its hash covers all of it and the one before.",
    scope: Some(Scope::WorkflowsRead),
    parameters: &[
        ID,
        parameters::query("cursor", "What the page before gave.", parameters::COUNTED),
        parameters::LIMIT,
    ],
    body: None,
    answers: &[Answer::json("A page.", shape::<AuditTrail>)],
    faults: &[faults::ENTITY, &[codes::WORKFLOW_NOT_FOUND, codes::JOURNAL_DAMAGED]],
};

const VERIFY: Operation = Operation {
    path: "/v1/audit/verify/{hash}",
    name: "verify_hash",
    summary: "Whether a hash is of what a step was given or gave, proven by the journal.",
    notes: "A hash that stands nowhere is not verified, which is an answer and no error.",
    parameters: &[HASH, parameters::READ_AFTER],
    answers: &[Answer::json("What is known of it.", shape::<HashProof>)],
    faults: &[&[codes::READ_MODEL_BEHIND, codes::JOURNAL_DAMAGED]],
    ..TRAIL
};

const OLDER_VERIFY: Operation = alias("/audit/verify/{hash}", "older_verify_hash", VERIFY);

pub(super) fn routes(routes: Routes<Reading>) -> Routes<Reading> {
    routes.on(&TRAIL, trail).on(&VERIFY, verify).on(&OLDER_VERIFY, verify)
}

fn key_of(tenant: &TenantId, id: EntityId) -> Result<StreamKey, Fault> {
    let kind = EntityKind::new(Workflow::KIND)
        .map_err(|error| Fault::internal("the kind has no name", error.to_string()))?;
    Ok(StreamKey::new(tenant.clone(), kind, id))
}

/// `GET /v1/audit/{id}`
async fn trail(State(state): State<Reading>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, trailed(&state, params, &parts, &exchange).await)
}

async fn trailed(
    state: &Reading,
    params: Params,
    parts: &Parts,
    exchange: &Exchange,
) -> Result<AuditTrail, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::WorkflowsRead).await?.principal;
    let params = params.map_err(|_| unreadable_path())?;
    let query = Query::read(parts, ["cursor", "limit"])?;
    let id = entities::entity_id(param(&params, "id"))?;
    let (after, limit) = (query.place(0)?.unwrap_or(0), query.rows(1)?);
    let key = key_of(&principal.tenant, id)?;
    let store = &state.journal.store;
    let found = store.read_stream(&key, Sequence(after), limit).await;
    let found = found.map_err(|error| unreadable(&error))?;
    if found.is_empty() && store.entity(&key).await.map_err(|error| unreadable(&error))?.is_none() {
        return Err(Fault::new(codes::WORKFLOW_NOT_FOUND, "there is no such workflow"));
    }
    if let Some(last) = found.last() {
        exchange.at(places::of_position(last.position));
    }
    let next_cursor = found.last().filter(|_| found.len() == limit);
    let next_cursor = next_cursor.map(|last| last.record.sequence.to_string());
    let entries: Result<Vec<AuditEntry>, Fault> = found.iter().map(entry).collect();
    Ok(AuditTrail {
        id: key.id().to_string(),
        kind: Workflow::KIND.to_owned(),
        entries: entries?,
        next_cursor,
    })
}

fn entry(event: &StoredEvent) -> Result<AuditEntry, Fault> {
    let (record, body) = (&event.record, &event.record.body);
    let data: Value = serde_json::from_str(&body.payload)
        .map_err(|error| Fault::internal("an event does not read", error.to_string()))?;
    let text = |name: &str| data[name].as_str().map(str::to_owned);
    Ok(AuditEntry {
        sequence: record.sequence.0,
        position: event.position.0,
        event_type: body.event_type.to_string(),
        step: text("step"),
        input_hash: text("input_hash"),
        output_hash: text("output_hash"),
        recorded_at: body.recorded_at.as_micros(),
        policy_bundle: body.policy_bundle.as_deref().map(str::to_owned),
        previous_hash: record.previous_hash.to_string(),
        hash: record.hash.to_string(),
        data,
    })
}

/// `GET /v1/audit/verify/{hash}`
async fn verify(State(state): State<Reading>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, verified(&state, params, &parts, &exchange).await)
}

async fn verified(
    state: &Reading,
    params: Params,
    parts: &Parts,
    exchange: &Exchange,
) -> Result<HashProof, Fault> {
    let admitted = state.app.admit(parts, exchange, Scope::WorkflowsRead).await?;
    let tenant = &admitted.principal.tenant;
    let params = params.map_err(|_| unreadable_path())?;
    let hash = param(&params, "hash");
    if hash.len() != 64 || !hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        let detail = "a hash is 64 hexadecimal digits in lower case";
        return Err(Fault::new(codes::MALFORMED_REQUEST, detail));
    }
    let store = state.journal.store.as_ref();
    let wanted = places::read_after(parts, tenant, store).await?.unwrap_or(Position(0));
    let mut proof =
        HashProof { hash: hash.to_owned(), verified: false, places: Vec::new(), count: 0 };
    for side in [Side::Input, Side::Output] {
        let reached = state.journal.read_models.reached(side.model(), wanted, admitted.deadline);
        reached.await.map_err(|at| {
            let detail = format!("the read model is at position {at} and not yet at {wanted}");
            Fault::new(codes::READ_MODEL_BEHIND, detail)
        })?;
        let body = store.document(side.model(), tenant, hash).await;
        let Some(body) = body.map_err(|error| unreadable(&error))? else { continue };
        let known: Places = serde_json::from_str(&body)
            .map_err(|error| Fault::internal("the read model does not read", error.to_string()))?;
        proof.count += known.count;
        for place in known.places {
            proof.places.push(proven(state, tenant, side, place, hash).await?);
        }
    }
    proof.verified = !proof.places.is_empty() && proof.places.iter().all(|place| place.verified);
    Ok(proof)
}

/// Walks a stream to an event and hashes anew what is recorded in it.
async fn proven(
    state: &Reading,
    tenant: &TenantId,
    side: Side,
    place: Place,
    hash: &str,
) -> Result<HashPlace, Fault> {
    let key = key_of(tenant, entities::entity_id(&place.workflow)?)?;
    let mut walk = Walk::new(&key);
    let mut found = None;
    'pages: loop {
        let page = state.journal.store.read_stream(&key, walk.head.sequence, PAGE).await;
        let page = page.map_err(|error| unreadable(&error))?;
        if page.is_empty() {
            break;
        }
        for event in page {
            if event.record.sequence.0 == place.sequence {
                found = Some((walk.holds(&event, side, hash), event.record.hash));
                break 'pages;
            }
            walk.step(&event);
        }
    }
    let (verified, event_hash) = found.unwrap_or((false, Hash([0; 32])));
    let of = if side == Side::Input { "input" } else { "output" }.to_owned();
    let (event_hash, sequence) = (event_hash.to_string(), place.sequence);
    let (workflow, step) = (place.workflow, place.step);
    Ok(HashPlace { workflow, step, of, sequence, event_hash, verified })
}

/// A stream from its beginning: its chain, and what replays from it.
struct Walk {
    head: StreamHead,
    state: WorkflowState,
    /// Whether everything so far continues what was before it.
    is_whole: bool,
}

impl Walk {
    fn new(key: &StreamKey) -> Self {
        let (head, state) = (StreamHead::genesis(key), WorkflowState::default());
        Self { head, state, is_whole: true }
    }

    fn continues(&self, event: &StoredEvent) -> bool {
        let record = &event.record;
        record.sequence == self.head.sequence.next()
            && record.previous_hash == self.head.hash
            && record.computed_hash() == record.hash
    }

    fn step(&mut self, event: &StoredEvent) {
        self.is_whole &= self.continues(event);
        self.head = event.record.head();
        match Event::decode(&event.record.body.event_type, &event.record.body.payload) {
            Ok(decoded) => {
                self.state = Workflow::evolve(std::mem::take(&mut self.state), &decoded);
            }
            Err(_) => self.is_whole = false,
        }
    }

    /// Whether what the event records has the hash, in a stream that is whole up to it.
    fn holds(&self, event: &StoredEvent, side: Side, hash: &str) -> bool {
        let body = &event.record.body;
        let Ok(decoded) = Event::decode(&body.event_type, &body.payload) else { return false };
        let step = match &decoded {
            Event::StepFinished(event) => &event.step,
            Event::StepFailed(event) => &event.step,
            _ => return false,
        };
        let value = match (side, &decoded) {
            (Side::Output, Event::StepFinished(event)) => Some(event.output.clone()),
            (Side::Output, _) => None,
            (Side::Input, _) => Workflow::input_of(&self.state, step),
        };
        let digest = value.and_then(|value| value.digest().ok());
        self.is_whole
            && self.continues(event)
            && digest.is_some_and(|digest| digest.to_string() == hash)
    }
}

#[cfg(test)]
mod tests;
