//! `GET /v1/activity`: what the tenant did, per kind and day, from a read model.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::activity::{ActivityDay, ActivityList};
use coppice_api::codes;
use coppice_core::{EntityKind, Position};

use super::answer;
use super::journal::{Reading, unreadable};
use crate::activity::{ACTIVITY as READ_MODEL, Counts};
use crate::admission::Admitted;
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::openapi::{Answer, Operation, Verb, parameters, shape};
use crate::places;
use crate::problem::Fault;
use crate::query::Query;

/// `GET /v1/activity`
pub(super) const ACTIVITY: Operation = Operation {
    method: Verb::Get,
    path: "/v1/activity",
    name: "list_activity",
    family: "activity",
    summary: "What was done per kind and day, from a read model.",
    notes: "A read with `X-Read-After` waits until the read model has come that far.",
    scope: Some(Scope::EntitiesRead),
    parameters: &[
        parameters::query("kind", "Only this kind.", parameters::NAME),
        parameters::query("cursor", "What the page before gave.", parameters::TEXT),
        parameters::LIMIT,
        parameters::READ_AFTER,
    ],
    body: None,
    answers: &[Answer::json("A page.", shape::<ActivityList>)],
    faults: &[&[codes::UNKNOWN_KIND, codes::READ_MODEL_BEHIND]],
};

/// `GET /v1/activity`
pub(super) async fn activity(State(state): State<Reading>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, listed(&state, &parts, &exchange).await)
}

async fn listed(
    state: &Reading,
    parts: &Parts,
    exchange: &Exchange,
) -> Result<ActivityList, Fault> {
    let Admitted { principal, deadline } =
        state.app.admit(parts, exchange, Scope::EntitiesRead).await?;
    let query = Query::read(parts, ["kind", "cursor", "limit"])?;
    let kind = query.text(0).map(|kind| state.kind(kind)).transpose()?;
    let (cursor, limit) = (query.text(1).unwrap_or_default(), query.rows(2)?);
    let store = state.journal.store.as_ref();
    let wanted = places::read_after(parts, &principal.tenant, store).await?;
    let wanted = wanted.unwrap_or(Position(0));
    let reached = state.journal.read_models.reached(READ_MODEL, wanted, deadline).await;
    let at = reached.map_err(|at| {
        let detail = format!("the read model is at position {at} and not yet at {wanted}");
        Fault::new(codes::READ_MODEL_BEHIND, detail)
    })?;
    let prefix = kind.as_ref().map_or_else(String::new, |kind| format!("{kind}/"));
    let after = if cursor > prefix.as_str() { cursor } else { prefix.as_str() };
    let rows = store.documents(READ_MODEL, &principal.tenant, after, limit).await;
    let rows = rows.map_err(|error| unreadable(&error))?;
    let is_full = rows.len() == limit;
    let of_kind = rows.iter().take_while(|(id, _)| id.starts_with(&prefix));
    let days: Vec<ActivityDay> = of_kind.map(day).collect::<Result<_, Fault>>()?;
    let next_cursor = rows.last().filter(|_| is_full && days.len() == rows.len());
    let next_cursor = next_cursor.map(|(id, _)| id.clone());
    exchange.at(places::of_position(at));
    Ok(ActivityList { days, next_cursor })
}

fn day((id, body): &(String, String)) -> Result<ActivityDay, Fault> {
    let unreadable = || Fault::new(codes::INTERNAL_ERROR, "the read model can not be read");
    let (kind, day) = id.split_once('/').ok_or_else(unreadable)?;
    let kind = EntityKind::new(kind).map_err(|_| unreadable())?;
    let counts: Counts = serde_json::from_str(body).map_err(|_| unreadable())?;
    let Counts { events, created, deleted } = counts;
    Ok(ActivityDay { kind: kind.to_string(), day: day.to_owned(), events, created, deleted })
}
