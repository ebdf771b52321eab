//! A workflow's progress: its events as they are committed, by the same follower as `/v1/events`.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::response::Response;
use coppice_core::{EntityKind, StreamKey};

use super::command::missing;
use super::{ID, KIND, MISSING, Params};
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::openapi::{Operation, Routes, parameters};
use crate::problem::Fault;
use crate::routes::journal::{Reading, unreadable};
use crate::routes::{entities, param, stream, unreadable_path};

const EVENTS: Operation = Operation {
    path: "/v1/workflows/{id}/events",
    name: "stream_workflow",
    family: "workflows",
    summary: "A workflow's events as they are committed, as server-sent events.",
    scope: Some(Scope::WorkflowsRead),
    parameters: &[
        ID,
        parameters::query(
            "after",
            "The position to go on behind; from now on where there is none.",
            parameters::COUNTED,
        ),
        parameters::header(
            "Last-Event-ID",
            "As `after`, which it stands above; libraries send it by themselves.",
            parameters::COUNTED,
        ),
    ],
    faults: &[MISSING, &[coppice_api::codes::STREAMS_FULL]],
    ..stream::EVENTS
};

const SOCKET: Operation = Operation {
    path: "/v1/workflows/{id}/ws",
    name: "stream_workflow_ws",
    summary: "The same over a WebSocket, a message for each event.",
    answers: stream::SOCKET.answers,
    notes: stream::SOCKET.notes,
    faults: &[MISSING, &[coppice_api::codes::STREAMS_FULL, coppice_api::codes::UPGRADE_REQUIRED]],
    ..EVENTS
};

pub(super) fn routes(routes: Routes<Reading>) -> Routes<Reading> {
    routes.on(&EVENTS, events).on(&SOCKET, socket)
}

async fn events(State(state): State<Reading>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    match wanted(&state, params, &parts, &exchange).await {
        Ok(wanted) => stream::events_of(&state, &parts, &exchange, wanted).await,
        Err(fault) => fault.respond(&exchange),
    }
}

async fn socket(
    State(state): State<Reading>,
    params: Params,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    match wanted(&state, params, &parts, &exchange).await {
        Ok(wanted) => stream::socket_of(&state, upgrade, &parts, &exchange, wanted).await,
        Err(fault) => fault.respond(&exchange),
    }
}

/// The workflow of the path, if the caller's tenant has it.
async fn wanted(
    state: &Reading,
    params: Params,
    parts: &axum::http::request::Parts,
    exchange: &Exchange,
) -> Result<stream::Wanted, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::WorkflowsRead).await?.principal;
    let params = params.map_err(|_| unreadable_path())?;
    let id = entities::entity_id(param(&params, "id"))?;
    let kind = EntityKind::new(KIND).map_err(|_| missing())?;
    let key = StreamKey::new(principal.tenant.clone(), kind.clone(), id.clone());
    let row = state.journal.store.entity(&key).await.map_err(|error| unreadable(&error))?;
    row.ok_or_else(missing)?;
    let query = crate::query::Query::read(parts, ["after"])?;
    let after = stream::after(parts, query.place(0)?)?;
    let scope = Scope::WorkflowsRead;
    Ok(stream::Wanted { principal, scope, kind: Some(kind), id: Some(id), after })
}
