//! `/v1/inspect/dead-letters`: listing, replaying and discarding.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::inspect::{DeadLetterList, DeadLetterView, LetterDecided};
use coppice_persistence::{DeadLetter, StoreError};
use coppice_runtime::OfficeError;
use uuid::Uuid;

use super::Inspection;
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::problem::Fault;
use crate::query::Query;
use crate::routes::{Params, answer, param, unreadable_path};

pub(super) async fn list(State(state): State<Inspection>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, page(&state, &parts, &exchange).await)
}

async fn page(
    state: &Inspection,
    parts: &Parts,
    exchange: &Exchange,
) -> Result<DeadLetterList, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::InspectRead).await?.principal;
    let query = Query::read(parts, ["after", "limit"])?;
    let (after, limit) = (query.number(0)?, query.rows(1)?);
    let office = state.inspector.dead_letters();
    let letters = office.list(&principal.tenant, after.unwrap_or(0), limit).await;
    let letters = letters.map_err(|error| store(&error))?;
    let next_after = letters.last().filter(|_| letters.len() == limit).map(|last| last.number);
    Ok(DeadLetterList { dead_letters: letters.into_iter().map(view).collect(), next_after })
}

#[derive(Debug, Clone, Copy)]
enum Wish {
    Replay,
    Discard,
}

pub(super) async fn replay(
    State(state): State<Inspection>,
    params: Params,
    request: Request,
) -> Response {
    decide(&state, params, request, Wish::Replay).await
}

pub(super) async fn discard(
    State(state): State<Inspection>,
    params: Params,
    request: Request,
) -> Response {
    decide(&state, params, request, Wish::Discard).await
}

async fn decide(state: &Inspection, params: Params, request: Request, wish: Wish) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, decided(state, &parts, &exchange, params, wish).await)
}

async fn decided(
    state: &Inspection,
    parts: &Parts,
    exchange: &Exchange,
    params: Params,
    wish: Wish,
) -> Result<LetterDecided, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::InspectWrite).await?.principal;
    let params = params.map_err(|_| unreadable_path())?;
    let id = Uuid::parse_str(param(&params, "id")).map_err(|_| missing())?;
    let office = state.inspector.dead_letters();
    let decided = match wish {
        Wish::Replay => office.replay(&principal.tenant, id).await,
        Wish::Discard => office.discard(&principal.tenant, id).await,
    };
    decided.map_err(fault)?;
    Ok(LetterDecided { id })
}

fn missing() -> Fault {
    Fault::new(codes::DEAD_LETTER_NOT_FOUND, "there is no such dead letter")
}

fn store(error: &StoreError) -> Fault {
    Fault::new(codes::STORE_UNAVAILABLE, format!("the dead letters can't be reached: {error}"))
}

fn fault(error: OfficeError) -> Fault {
    match error {
        OfficeError::NotFound => missing(),
        OfficeError::Store(error) => store(&error),
        OfficeError::NotTaken(failure) => failure.into(),
        stays @ (OfficeError::BodyNotKept
        | OfficeError::TimerStays
        | OfficeError::UnderWay
        | OfficeError::NothingToReplay) => Fault::new(codes::DEAD_LETTER_STAYS, stays.to_string()),
    }
}

fn view(letter: DeadLetter) -> DeadLetterView {
    DeadLetterView {
        id: letter.id,
        number: letter.number,
        kind: letter.key.kind().to_string(),
        entity: letter.key.id().to_string(),
        message: letter.kind.as_str().to_owned(),
        name: letter.name.into(),
        body: letter.body.map(Into::into),
        reason: letter.reason.as_str().to_owned(),
        detail: letter.detail.into(),
        attempts: letter.attempts,
        at: letter.at.as_micros(),
    }
}
