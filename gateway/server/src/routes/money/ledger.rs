//! `GET /v1/ledger/{workflow_id}`: what a workflow spent, from a read model that is waited for.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::money::LedgerView;
use coppice_core::TenantId;
use coppice_domain::treasury::names::Name;
use coppice_persistence::StoreError;
use coppice_treasury::ledger::{self as model, LEDGER, Rows};
use futures_util::future::BoxFuture;

use super::{Asked, Spending, path_id, shown};
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::places;
use crate::problem::Fault;
use crate::query::Query;
use crate::routes::journal::unreadable;
use crate::routes::{Params, answer};
use crate::state::JournalAccess;

impl Rows for JournalAccess {
    type Error = StoreError;

    fn rows<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, StoreError>> {
        Box::pin(self.store.documents(LEDGER, tenant, after, limit))
    }
}

/// `GET /v1/ledger/{workflow_id}`
pub(super) async fn ledger(
    State(state): State<Spending>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let shown = shown_to(&state, &exchange, &parts, params).await;
    answer(&exchange, shown)
}

async fn shown_to(
    state: &Spending,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<LedgerView, Fault> {
    let asked = Asked::admit(state, exchange, parts, Scope::MoneyRead).await?;
    let query = Query::read(parts, ["cursor", "limit"])?;
    let (cursor, limit) = (query.text(0).unwrap_or_default(), query.rows(1)?);
    let workflow = Name::new(path_id(&params, "workflow_id")?)
        .map_err(|error| Fault::new(codes::MALFORMED_REQUEST, error.to_string()))?;
    // Money isn't shown as it was a moment ago: whatever was answered before is waited for.
    let (store, deadline) = (&state.journal.store, asked.call.deadline);
    let wanted = store.last_position().await.map_err(|error| unreadable(&error))?;
    let reached = state.journal.read_models.reached(LEDGER, wanted, deadline).await;
    let at = reached.map_err(|at| {
        let detail = format!("the ledger is at position {at} and not yet at {wanted}");
        Fault::new(codes::READ_MODEL_BEHIND, detail)
    })?;
    let tenant = &asked.call.tenant;
    let read = model::read(&state.journal, tenant, &workflow, cursor, limit).await;
    let read = read.map_err(|error| unreadable(&error))?;
    exchange.at(places::of_position(at));
    let lines = read.lines.into_iter();
    Ok(LedgerView {
        transfers: lines.filter_map(|(id, line)| shown::line(id, line)).collect(),
        sums: read.sums.into_iter().map(shown::sum).collect(),
        next_cursor: read.next_cursor,
    })
}
