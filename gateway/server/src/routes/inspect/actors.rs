//! `GET /v1/inspect/actors/{kind}`, `GET /v1/inspect/actors/{kind}/{id}` and
//! `POST /v1/inspect/actors/{kind}/{id}/restart`

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::inspect::{ActorList, ActorRestarted, ActorView};
use coppice_core::{EntityId, EntityKind, StreamKey, TenantId};
use coppice_runtime::{Activity, ActorReport, Failure, Temperature};

use super::{Inspection, millis};
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::problem::Fault;
use crate::query::Query;
use crate::routes::{Params, answer, param, unreadable_path};

pub(super) async fn actors(
    State(state): State<Inspection>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, list(&state, &parts, &exchange, params).await)
}

async fn list(
    state: &Inspection,
    parts: &Parts,
    exchange: &Exchange,
    params: Params,
) -> Result<ActorList, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::InspectRead).await?.principal;
    let params = params.map_err(|_| unreadable_path())?;
    let limit = Query::read(parts, ["limit"])?.rows(0)?;
    let at = state.inspector.clock().now().as_micros();
    let registry = state.inspector.registry();
    let reports = registry.actors(param(&params, "kind"), &principal.tenant, limit);
    let reports = reports.map_err(Fault::of_read)?;
    Ok(ActorList { actors: reports.into_iter().map(|report| view(&report, at)).collect() })
}

pub(super) async fn actor(
    State(state): State<Inspection>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, one(&state, &parts, &exchange, params).await)
}

async fn one(
    state: &Inspection,
    parts: &Parts,
    exchange: &Exchange,
    params: Params,
) -> Result<ActorView, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::InspectRead).await?.principal;
    let params = params.map_err(|_| unreadable_path())?;
    let kind = param(&params, "kind");
    let id = EntityId::new(param(&params, "id"))
        .map_err(|error| Fault::new(codes::INVALID_ENTITY_ID, error.to_string()))?;
    let at = state.inspector.clock().now().as_micros();
    let resident = state.inspector.registry().actor(kind, &principal.tenant, &id);
    match resident.map_err(Fault::of_read)? {
        Some(report) => Ok(view(&report, at)),
        None => asleep(state, &principal.tenant, kind, id, at).await,
    }
}

pub(super) async fn restart(
    State(state): State<Inspection>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, restarted(&state, &parts, &exchange, params).await)
}

async fn restarted(
    state: &Inspection,
    parts: &Parts,
    exchange: &Exchange,
    params: Params,
) -> Result<ActorRestarted, Fault> {
    let admitted = state.app.admit(parts, exchange, Scope::InspectWrite).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let kind = param(&params, "kind");
    let id = EntityId::new(param(&params, "id"))
        .map_err(|error| Fault::new(codes::INVALID_ENTITY_ID, error.to_string()))?;
    let unknown = |_| Fault::from(Failure::UnknownKind(kind.to_owned()));
    let entity_kind = EntityKind::new(kind).map_err(unknown)?;
    let key = StreamKey::new(admitted.principal.tenant.clone(), entity_kind, id.clone());
    // One that has no event may be in memory all the same, since somebody asked for it.
    if !exists(state, &key).await? {
        return Err(missing(kind, &id));
    }
    let restarted = state.inspector.registry().restart(&key, admitted.deadline).await?;
    Ok(ActorRestarted { kind: kind.to_owned(), id: id.to_string(), restarted })
}

fn missing(kind: &str, id: &EntityId) -> Fault {
    Fault::new(codes::ENTITY_NOT_FOUND, format!("there is no {kind} {id}"))
}

async fn exists(state: &Inspection, key: &StreamKey) -> Result<bool, Fault> {
    state.inspector.exists(key).await.map_err(|error| {
        Fault::new(codes::STORE_UNAVAILABLE, format!("the entity can't be looked up: {error}"))
    })
}

/// One that has only its rows.
async fn asleep(
    state: &Inspection,
    tenant: &TenantId,
    kind: &str,
    id: EntityId,
    at: i64,
) -> Result<ActorView, Fault> {
    let entity_kind = EntityKind::new(kind).map_err(|_| missing(kind, &id))?;
    let key = StreamKey::new(tenant.clone(), entity_kind, id.clone());
    if !exists(state, &key).await? {
        return Err(missing(kind, &id));
    }
    Ok(ActorView {
        kind: kind.to_owned(),
        id: id.to_string(),
        at,
        temperature: temperature(Temperature::Passivated).to_owned(),
        activity: "idle".to_owned(),
        activity_ms: 0,
        waits_for: "nothing".to_owned(),
        mailbox_len: 0,
        mailbox_oldest_ms: None,
        tickets_open: 0,
        epoch: None,
        decided_total: 0,
        crashes_total: 0,
        crashes_in_window: 0,
        last_error: None,
        unused_ms: 0,
        quarantined: state.inspector.is_quarantined(&key),
    })
}

fn view(report: &ActorReport, at: i64) -> ActorView {
    ActorView {
        kind: report.key.kind().to_string(),
        id: report.key.id().to_string(),
        at,
        temperature: temperature(report.temperature).to_owned(),
        activity: activity(report.activity).to_owned(),
        activity_ms: millis(report.activity_for),
        waits_for: waits_for(report).to_owned(),
        mailbox_len: report.mailbox_len,
        mailbox_oldest_ms: report.oldest_age.map(millis),
        tickets_open: report.tickets_open,
        epoch: report.epoch.map(|epoch| epoch.0),
        decided_total: report.decided_total,
        crashes_total: report.crashes_total,
        crashes_in_window: report.crashes_in_window,
        last_error: report.last_error.clone(),
        unused_ms: millis(report.unused_for),
        quarantined: report.quarantined,
    }
}

const fn temperature(temperature: Temperature) -> &'static str {
    match temperature {
        Temperature::Running => "running",
        Temperature::Hibernated => "hibernated",
        Temperature::Passivated => "passivated",
    }
}

const fn activity(activity: Activity) -> &'static str {
    match activity {
        Activity::Idle => "idle",
        Activity::Recovering => "recovering",
        Activity::Deciding => "deciding",
        Activity::LookingUp => "looking_up",
    }
}

const fn waits_for(report: &ActorReport) -> &'static str {
    match report.activity {
        Activity::Recovering | Activity::LookingUp => "store",
        Activity::Idle | Activity::Deciding if report.tickets_open > 0 => "commit",
        Activity::Idle | Activity::Deciding => "nothing",
    }
}
