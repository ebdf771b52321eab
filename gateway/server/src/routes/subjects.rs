//! `/v1/subjects/{id}`: erasing a person's data.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::subject::ErasedSubject;
use coppice_core::SubjectId;
use coppice_runtime::Eraser;

use super::{Params, answer};
use crate::admission::Admitted;
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::openapi::{Answer, Operation, Routes, Verb, faults, parameters, shape};
use crate::problem::Fault;
use crate::state::AppState;

/// What these routes can reach.
#[derive(Clone)]
pub(super) struct Erasing {
    pub(super) app: AppState,
    pub(super) eraser: Eraser,
}

const ERASE: Operation = Operation {
    method: Verb::Delete,
    path: "/v1/subjects/{id}",
    name: "erase_subject",
    family: "subjects",
    summary: "Makes a subject's personal data unreadable for good, by destroying its key.",
    notes: "Answers the same for one that nobody has heard of.",
    scope: Some(Scope::SubjectsWrite),
    parameters: &[parameters::SUBJECT],
    body: None,
    answers: &[Answer::json("It is erased.", shape::<ErasedSubject>)],
    faults: &[faults::ASKING, &[codes::INVALID_SUBJECT_ID]],
};

/// The routes, on a node that can erase.
pub(super) fn routes() -> Routes<Erasing> {
    Routes::new().on(&ERASE, erase)
}

/// `DELETE /v1/subjects/{id}`. Whether the subject was ever heard of makes no difference: one that
/// wasn't will never have data.
async fn erase(State(state): State<Erasing>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, erased(&state, &exchange, &parts, params).await)
}

async fn erased(
    state: &Erasing,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<ErasedSubject, Fault> {
    let Admitted { principal, deadline } =
        state.app.admit(parts, exchange, Scope::SubjectsWrite).await?;
    let unreadable = |detail: String| Fault::new(codes::INVALID_SUBJECT_ID, detail);
    let params = params.map_err(|_| unreadable("the path is not UTF-8".to_owned()))?;
    let text = params.iter().next().map_or("", |(_, text)| text);
    let subject = SubjectId::new(text).map_err(|error| unreadable(error.to_string()))?;
    let by = format!("{}, request {}", principal.identity, exchange.request_id());
    let tenant = principal.tenant.clone();
    let erasure = state.eraser.erase(tenant, subject.clone(), &by, deadline).await?;
    Ok(ErasedSubject { subject: subject.into(), erased_at: erasure.erased_at.as_micros() })
}
