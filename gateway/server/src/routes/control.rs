//! `/v1/control`: freezing the system, and stopping a kind or a tenant.
//!
//! **Invariant:** only keys of the operators' tenant come through; see [`Scope`].

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::control::{ControlView, Reason, StopView, StoppedKind, StoppedTenant, Turned};
use coppice_core::entity::parse_body;
use coppice_core::{CommandError, CommandId, EntityKind, Stop, Stops, Target, TenantId};
use coppice_persistence::Directory;
use coppice_runtime::{Control, Word};

use super::{Params, answer, param, unreadable_path};
use crate::admission::Admitted;
use crate::auth::Scope;
use crate::body;
use crate::exchange::{Exchange, idempotency_key};
use crate::openapi::older::alias;
use crate::openapi::{Answer, Operation, Routes, Verb, faults, parameters, shape};
use crate::problem::Fault;
use crate::state::AppState;

/// The switches as the gateway turns them.
#[derive(Clone)]
pub struct Switches {
    /// The hand on them.
    pub control: Control,
    /// Which tenants there are: a name that is misspelt must not pass for one that is stopped.
    pub tenants: Arc<dyn Directory>,
}

impl fmt::Debug for Switches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switches").field("control", &self.control).finish_non_exhaustive()
    }
}

/// What these routes can reach.
#[derive(Clone)]
pub(super) struct Controlling {
    pub(super) app: AppState,
    pub(super) switches: Switches,
}

const LOOK: Operation = Operation {
    method: Verb::Get,
    path: "/v1/control",
    name: "view_control",
    family: "control",
    summary: "What is stopped, by whom, why and since when.",
    notes: "For the operators' keys only.",
    scope: Some(Scope::ControlRead),
    parameters: &[],
    body: None,
    answers: &[Answer::json("The switches.", shape::<ControlView>)],
    faults: &[faults::ASKING],
};

const FREEZE: Operation = Operation {
    method: Verb::Post,
    path: "/v1/control/freeze",
    name: "freeze",
    summary: "Stops the whole system: no command is taken, no effect begun, no timer fired.",
    scope: Some(Scope::ControlWrite),
    parameters: &[parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<Reason>),
    answers: &[Answer::json("It stands so.", shape::<Turned>)],
    faults: &[faults::ASKING, faults::CHANGING, faults::BODY],
    ..LOOK
};

const UNFREEZE: Operation = Operation {
    path: "/v1/control/unfreeze",
    name: "unfreeze",
    summary: "Lets the system go on with all that it owes.",
    ..FREEZE
};

const OLDER_FREEZE: Operation = alias("/control/freeze", "older_freeze", FREEZE);
const OLDER_UNFREEZE: Operation = alias("/control/unfreeze", "older_unfreeze", UNFREEZE);

const KILL_KIND: Operation = Operation {
    path: "/v1/control/kinds/{kind}/kill",
    name: "kill_kind",
    summary: "Stops the entities of a kind, as a freeze stops all.",
    parameters: &[parameters::KIND, parameters::IDEMPOTENCY_KEY],
    faults: &[faults::ASKING, faults::CHANGING, faults::BODY, &[codes::UNKNOWN_KIND]],
    ..FREEZE
};

const REVIVE_KIND: Operation = Operation {
    path: "/v1/control/kinds/{kind}/revive",
    name: "revive_kind",
    summary: "Lets the entities of a kind go on.",
    ..KILL_KIND
};

const KILL_TENANT: Operation = Operation {
    path: "/v1/control/tenants/{tenant}/kill",
    name: "kill_tenant",
    summary: "Stops a tenant's entities, as a freeze stops all.",
    parameters: &[parameters::TENANT, parameters::IDEMPOTENCY_KEY],
    faults: &[faults::ASKING, faults::CHANGING, faults::BODY, &[codes::TENANT_NOT_FOUND]],
    ..FREEZE
};

const REVIVE_TENANT: Operation = Operation {
    path: "/v1/control/tenants/{tenant}/revive",
    name: "revive_tenant",
    summary: "Lets a tenant's entities go on.",
    ..KILL_TENANT
};

/// The routes, on a node that has switches.
pub(super) fn routes() -> Routes<Controlling> {
    Routes::new()
        .on(&LOOK, look)
        .on(&FREEZE, freeze)
        .on(&UNFREEZE, unfreeze)
        .on(&OLDER_FREEZE, freeze)
        .on(&OLDER_UNFREEZE, unfreeze)
        .on(&KILL_KIND, kill_kind)
        .on(&REVIVE_KIND, revive_kind)
        .on(&KILL_TENANT, kill_tenant)
        .on(&REVIVE_TENANT, revive_tenant)
}

/// `GET /v1/control`
async fn look(State(state): State<Controlling>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, looked(&state, &exchange, &parts).await)
}

async fn looked(
    state: &Controlling,
    exchange: &Exchange,
    parts: &Parts,
) -> Result<ControlView, Fault> {
    let deadline = state.app.admit(parts, exchange, Scope::ControlRead).await?.deadline;
    let view = state.switches.control.look(deadline).await.map_err(Fault::of_read)?;
    let stops: Stops = serde_json::from_str(&view.state)
        .map_err(|_| Fault::new(codes::INTERNAL_ERROR, "the switches do not read"))?;
    let kinds = stops.kinds.into_iter();
    let tenants = stops.tenants.into_iter();
    Ok(ControlView {
        sequence: view.sequence.0,
        frozen: stops.frozen.map(shown),
        kinds: kinds
            .map(|(kind, stop)| StoppedKind { kind: kind.into(), stop: shown(stop) })
            .collect(),
        tenants: tenants
            .map(|(tenant, stop)| StoppedTenant { tenant: tenant.into(), stop: shown(stop) })
            .collect(),
    })
}

fn shown(stop: Stop) -> StopView {
    let since = stop.since.as_micros();
    StopView { reason: stop.reason.into(), by: stop.by.into(), since }
}

/// What a path names.
#[derive(Debug, Clone, Copy)]
enum Named {
    Everything,
    Kind,
    Tenant,
}

/// A path's last word.
#[derive(Debug, Clone, Copy)]
struct Turn {
    named: Named,
    stops: bool,
}

/// `POST /v1/control/freeze`
async fn freeze(state: State<Controlling>, params: Params, request: Request) -> Response {
    turn(state, params, request, Turn { named: Named::Everything, stops: true }).await
}

/// `POST /v1/control/unfreeze`
async fn unfreeze(state: State<Controlling>, params: Params, request: Request) -> Response {
    turn(state, params, request, Turn { named: Named::Everything, stops: false }).await
}

/// `POST /v1/control/kinds/{kind}/kill`
async fn kill_kind(state: State<Controlling>, params: Params, request: Request) -> Response {
    turn(state, params, request, Turn { named: Named::Kind, stops: true }).await
}

/// `POST /v1/control/kinds/{kind}/revive`
async fn revive_kind(state: State<Controlling>, params: Params, request: Request) -> Response {
    turn(state, params, request, Turn { named: Named::Kind, stops: false }).await
}

/// `POST /v1/control/tenants/{tenant}/kill`
async fn kill_tenant(state: State<Controlling>, params: Params, request: Request) -> Response {
    turn(state, params, request, Turn { named: Named::Tenant, stops: true }).await
}

/// `POST /v1/control/tenants/{tenant}/revive`
async fn revive_tenant(state: State<Controlling>, params: Params, request: Request) -> Response {
    turn(state, params, request, Turn { named: Named::Tenant, stops: false }).await
}

async fn turn(
    State(state): State<Controlling>,
    params: Params,
    request: Request,
    turn: Turn,
) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    answer(&exchange, turned(&state, &exchange, &parts, params, body, turn).await)
}

async fn turned(
    state: &Controlling,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
    body: axum::body::Body,
    turn: Turn,
) -> Result<Turned, Fault> {
    let Admitted { principal, deadline } =
        state.app.admit(parts, exchange, Scope::ControlWrite).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let target = match turn.named {
        Named::Everything => Target::Everything,
        Named::Kind => Target::Kind(kind(param(&params, "kind"))?),
        Named::Tenant => Target::Tenant(tenant(state, param(&params, "tenant")).await?),
    };
    let key = idempotency_key(&parts.headers)?;
    let body = body::read(body, state.app.limits.body_bytes_max, deadline).await?;
    body::require_json(&parts.headers, &body)?;
    let Reason { reason } = parse_body(&body).map_err(|error| misread(&error))?;
    let route = format!("POST {}", exchange.path());
    let word = Word {
        target,
        stops: turn.stops,
        reason,
        by: principal.identity.to_string(),
        command_id: key.map_or_else(
            || exchange.fresh_command_id(),
            |key| CommandId::from_idempotency_key(&principal.tenant, &route, key),
        ),
        keyed: key.is_some(),
        correlation: exchange.correlation(),
        deadline,
    };
    let spoken = state.switches.control.say(word).await?;
    Ok(Turned { sequence: spoken.sequence, changed: spoken.changed, repeated: spoken.repeated })
}

fn misread(error: &CommandError) -> Fault {
    Fault::new(codes::INVALID_BODY, error.to_string())
}

/// Whether there is such a kind is the node's to say.
fn kind(text: &str) -> Result<EntityKind, Fault> {
    EntityKind::new(text).map_err(|error| Fault::new(codes::UNKNOWN_KIND, error.to_string()))
}

async fn tenant(state: &Controlling, text: &str) -> Result<TenantId, Fault> {
    let missing = || Fault::new(codes::TENANT_NOT_FOUND, "there is no such tenant");
    let tenant = TenantId::new(text).map_err(|_| missing())?;
    let found = state.switches.tenants.has_tenant(&tenant).await;
    let found = found.map_err(|error| Fault::of_store(&error, "the tenants can't be read"))?;
    // The platform's own work is never stopped.
    if found && !tenant.is_reserved() { Ok(tenant) } else { Err(missing()) }
}
