//! A workflow as a client sees it.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::workflow::WorkflowView;
use coppice_core::{EntityId, TenantId};
use tokio::time::Instant;

use super::command::missing;
use super::{KIND, Params, Working};
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::places;
use crate::problem::Fault;
use crate::routes::{answer, entities, param, unreadable_path};

/// `GET /v1/workflows/{id}`
pub(super) async fn workflow(
    State(working): State<Working>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, looked(&working, &exchange, params, &parts).await)
}

pub(super) async fn looked(
    working: &Working,
    exchange: &Exchange,
    params: Params,
    parts: &Parts,
) -> Result<WorkflowView, Fault> {
    let admitted = working.app.admit(parts, exchange, Scope::WorkflowsRead).await?;
    let params = params.map_err(|_| unreadable_path())?;
    let id = entities::entity_id(param(&params, "id"))?;
    let tenant = admitted.principal.tenant.clone();
    let view = view(working, exchange, tenant, id, admitted.deadline).await?;
    view.ok_or_else(missing)
}

/// The workflow of an id, if there is one; the answer shows its place.
pub(super) async fn view(
    working: &Working,
    exchange: &Exchange,
    tenant: TenantId,
    id: EntityId,
    deadline: Instant,
) -> Result<Option<WorkflowView>, Fault> {
    let view = working.app.registry.view(KIND, tenant, id.clone(), deadline).await;
    let view = view.map_err(Fault::of_read)?;
    exchange.at(places::of_entity(KIND, &id, view.sequence));
    serde_json::from_str(&view.state)
        .map_err(|error| Fault::internal("the workflow does not read", error.to_string()))
}
