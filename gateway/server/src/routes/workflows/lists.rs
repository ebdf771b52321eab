//! Lists of workflows, from read models; those that haven't ended are asked where they stand.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::workflow::{WorkflowEntry, WorkflowList};
use coppice_core::{EntityId, Position, TenantId};
use serde::Deserialize;
use tokio::time::Instant;

use super::{KIND, Working};
use crate::admission::Admitted;
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::places;
use crate::problem::Fault;
use crate::query::Query;
use crate::routes::answer;
use crate::routes::journal::unreadable;
use crate::workflows::{ACTIVE, Entry, WORKFLOWS};

/// Where a workflow stands that a list didn't see end.
#[derive(Deserialize)]
struct Standing {
    status: String,
    ended_at: Option<i64>,
}

/// `GET /v1/workflows`
pub(super) async fn workflows(State(working): State<Working>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, listed(&working, &parts, &exchange).await)
}

pub(super) async fn listed(
    working: &Working,
    parts: &Parts,
    exchange: &Exchange,
) -> Result<WorkflowList, Fault> {
    listed_of(working, parts, exchange, WORKFLOWS).await
}

/// The same, of a read model that is shown where the query names none.
pub(super) async fn listed_of(
    working: &Working,
    parts: &Parts,
    exchange: &Exchange,
    unless_said: &'static str,
) -> Result<WorkflowList, Fault> {
    let Admitted { principal, deadline } =
        working.app.admit(parts, exchange, Scope::WorkflowsRead).await?;
    let query = Query::read(parts, ["active", "cursor", "limit"])?;
    let model = match query.text(0) {
        None => unless_said,
        Some("false") => WORKFLOWS,
        Some("true") => ACTIVE,
        Some(_) => {
            let detail = "the query parameter active is true or false";
            return Err(Fault::new(codes::MALFORMED_REQUEST, detail));
        }
    };
    let (cursor, limit) = (query.text(1).unwrap_or_default(), query.rows(2)?);
    let store = working.journal.store.as_ref();
    let wanted = places::read_after(parts, &principal.tenant, store).await?;
    let wanted = wanted.unwrap_or(Position(0));
    let reached = working.journal.read_models.reached(model, wanted, deadline).await;
    let at = reached.map_err(|at| {
        let detail = format!("the read model is at position {at} and not yet at {wanted}");
        Fault::new(codes::READ_MODEL_BEHIND, detail)
    })?;
    let rows = store.documents(model, &principal.tenant, cursor, limit).await;
    let rows = rows.map_err(|error| unreadable(&error))?;
    let next_cursor = rows.last().filter(|_| rows.len() == limit);
    let next_cursor = next_cursor.map(|(id, _)| id.clone());
    let mut workflows = Vec::with_capacity(rows.len());
    for (_, body) in &rows {
        let entry: Entry = serde_json::from_str(body)
            .map_err(|error| Fault::internal("the read model does not read", error.to_string()))?;
        workflows.push(shown(working, &principal.tenant, entry, deadline).await?);
    }
    exchange.at(places::of_position(at));
    Ok(WorkflowList { workflows, next_cursor })
}

async fn shown(
    working: &Working,
    tenant: &TenantId,
    entry: Entry,
    deadline: Instant,
) -> Result<WorkflowEntry, Fault> {
    let (status, ended_at) = match entry.status {
        Some(status) => {
            let text = serde_json::to_value(status).unwrap_or_default();
            (text.as_str().unwrap_or_default().to_owned(), entry.ended_at)
        }
        None => {
            let standing = standing(working, tenant, &entry.id, deadline).await?;
            (standing.status, standing.ended_at)
        }
    };
    Ok(WorkflowEntry {
        id: entry.id,
        objective: entry.objective,
        task_type: entry.task_type,
        plan: entry.plan,
        priority: entry.priority,
        status,
        steps_total: entry.steps_total,
        submitted_at: entry.submitted_at,
        ended_at,
    })
}

async fn standing(
    working: &Working,
    tenant: &TenantId,
    id: &str,
    deadline: Instant,
) -> Result<Standing, Fault> {
    let unreadable = |inner: String| Fault::internal("the workflow does not read", inner);
    let id = EntityId::new(id).map_err(|error| unreadable(error.to_string()))?;
    let view = working.app.registry.view(KIND, tenant.clone(), id, deadline).await;
    let view = view.map_err(Fault::of_read)?;
    serde_json::from_str(&view.state).map_err(|error| unreadable(error.to_string()))
}
