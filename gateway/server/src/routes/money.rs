//! `/v1/money`: accounts, deposits, and intents from their creation to their end.
//!
//! The treasury knows a repeat by what it is about, so a repeat needs no record: an idempotency key
//! only gives the new intent or transfer its id.

mod ledger;
mod operations;
mod shown;

use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use coppice_api::money::{
    AccountView, Authorization, AuthorizationDecision, IntentView, NewAccount, NewIntent,
    NewTransfer, Nothing, Posting, SettledIntent, TransferView,
};
use coppice_api::{codes, headers};
use coppice_core::{CommandId, EntityId, Sequence};
use coppice_domain::treasury::intent::Status;
use coppice_runtime::Failure;
use coppice_treasury::{Asker, Call, Settled, Treasury, TreasuryError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Params, param, unreadable_path};
use crate::admission::Admitted;
use crate::auth::{Identity, Scope};
use crate::body;
use crate::exchange::{Exchange, idempotency_key};
use crate::openapi::Routes;
use crate::places;
use crate::problem::Fault;
use crate::state::{AppState, JournalAccess};

/// What these routes can reach.
#[derive(Clone)]
pub(super) struct Spending {
    pub(super) app: AppState,
    pub(super) treasury: Treasury,
    /// For the ledger, which is a read model.
    pub(super) journal: JournalAccess,
}

/// The routes, on a node that moves money.
pub(super) fn routes() -> Routes<Spending> {
    Routes::new()
        .on(&operations::OPEN_ACCOUNT, open_account)
        .on(&operations::VIEW_ACCOUNT, view_account)
        .on(&operations::TRANSFER, transfer)
        .on(&operations::CREATE_INTENT, create_intent)
        .on(&operations::VIEW_INTENT, view_intent)
        .on(&operations::AUTHORIZE, authorize)
        .on(&operations::POST_INTENT, post_intent)
        .on(&operations::VOID_INTENT, void_intent)
        .on(&operations::LEDGER, ledger::ledger)
        .on(&operations::OLDER_CREATE_INTENT, create_intent)
        .on(&operations::OLDER_VIEW_INTENT, view_intent)
        .on(&operations::OLDER_AUTHORIZE, authorize)
        .on(&operations::OLDER_LEDGER, ledger::ledger)
}

/// An answer that went well.
struct Told<T> {
    body: T,
    /// Whether something came to be by it.
    created: bool,
    repeated: bool,
}

impl<T> Told<T> {
    const fn of(body: T) -> Self {
        Self { body, created: false, repeated: false }
    }
}

/// A request that was let in.
struct Asked<'a> {
    spending: &'a Spending,
    exchange: &'a Exchange,
    parts: &'a Parts,
    call: Call,
}

impl<'a> Asked<'a> {
    async fn admit(
        spending: &'a Spending,
        exchange: &'a Exchange,
        parts: &'a Parts,
        scope: Scope,
    ) -> Result<Self, Fault> {
        let Admitted { principal, deadline } = spending.app.admit(parts, exchange, scope).await?;
        let (kind, id) = match &principal.identity {
            Identity::ApiKey(id) => ("api_key", id.to_string()),
            Identity::Token { subject, .. } => ("token", subject.to_string()),
            Identity::Certificate(name) => ("certificate", name.to_string()),
        };
        let call = Call {
            tenant: principal.tenant.clone(),
            asker: Asker { kind, id, role: String::new() },
            correlation: exchange.correlation(),
            trace: Some(exchange.trace().clone()),
            deadline,
        };
        Ok(Self { spending, exchange, parts, call })
    }

    fn treasury(&self) -> &Treasury {
        &self.spending.treasury
    }

    async fn bytes(&self, body: Body) -> Result<Bytes, Fault> {
        let bytes_max = self.spending.app.limits.body_bytes_max;
        let bytes = body::read(body, bytes_max, self.call.deadline).await?;
        body::require_json(&self.parts.headers, &bytes)?;
        Ok(bytes)
    }

    async fn body<T: DeserializeOwned>(&self, body: Body) -> Result<T, Fault> {
        read(&self.bytes(body).await?)
    }

    /// The id of what is to be made: from the caller's key, so that a repeat meets the same, else a
    /// fresh one.
    fn new_id(&self, route: &str) -> Result<String, Fault> {
        let key = idempotency_key(&self.parts.headers)?;
        let id = match key {
            Some(key) => CommandId::from_idempotency_key(&self.call.tenant, route, key),
            None => self.exchange.fresh_command_id(),
        };
        Ok(id.to_string())
    }

    fn at(&self, kind: &str, id: &str, sequence: Sequence) {
        if let Ok(id) = EntityId::new(id) {
            self.exchange.at(places::of_entity(kind, &id, sequence));
        }
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        let detail = error.to_string();
        if error.is_syntax() || error.is_eof() {
            Fault::new(codes::MALFORMED_JSON, format!("the body is not JSON: {detail}"))
        } else {
            Fault::new(codes::INVALID_BODY, detail)
        }
    })
}

fn told<T: Serialize>(exchange: &Exchange, outcome: Result<Told<T>, Fault>) -> Response {
    const IDEMPOTENCY_HIT: HeaderName = HeaderName::from_static(headers::IDEMPOTENCY_HIT);
    match outcome {
        Ok(Told { body, created, repeated }) => {
            // Strings, numbers and lists of them always serialize.
            let bytes = serde_json::to_vec(&body).unwrap_or_default();
            let mut response = super::json(bytes.into());
            if created {
                *response.status_mut() = StatusCode::CREATED;
            }
            if repeated {
                let hit = HeaderValue::from_static("true");
                response.headers_mut().insert(IDEMPOTENCY_HIT, hit);
            }
            exchange.finish(response)
        }
        Err(fault) => fault.respond(exchange),
    }
}

/// What the treasury doesn't do, as a problem.
pub(super) fn fault(error: TreasuryError) -> Fault {
    let detail = error.to_string();
    match error {
        TreasuryError::NoIntent(_) => Fault::new(codes::INTENT_NOT_FOUND, detail),
        TreasuryError::NoAccount(_) => Fault::new(codes::ACCOUNT_NOT_FOUND, detail),
        TreasuryError::Other(_) => Fault::new(codes::IDEMPOTENCY_KEY_REUSED, detail),
        TreasuryError::Invalid(_) => Fault::new(codes::INVALID_BODY, detail),
        TreasuryError::Failed(failure) => failure.into(),
    }
}

/// An id in a path; what isn't UTF-8 names nothing.
fn path_id<'a>(
    params: &'a Result<RawPathParams, impl Sized>,
    name: &str,
) -> Result<&'a str, Fault> {
    params.as_ref().map(|params| param(params, name)).map_err(|_| unreadable_path())
}

async fn open_account(State(state): State<Spending>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let opened: Result<Told<AccountView>, Fault> = async {
        let asked = Asked::admit(&state, &exchange, &parts, Scope::MoneyWrite).await?;
        let new: NewAccount = asked.body(body).await?;
        let (account, ceiling) = shown::account_of(&new)?;
        let opened = asked.treasury().open_account(&asked.call, &account, ceiling).await;
        let opened = opened.map_err(fault)?;
        asked.at("account", &account.id(), opened.sequence);
        let body = shown::account(&account.id(), &opened.view)?;
        Ok(Told { created: true, ..Told::of(body) })
    }
    .await;
    told(&exchange, opened)
}

async fn view_account(State(state): State<Spending>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let viewed: Result<Told<AccountView>, Fault> = async {
        let asked = Asked::admit(&state, &exchange, &parts, Scope::MoneyRead).await?;
        let id = path_id(&params, "id")?;
        let viewed = asked.treasury().account(&asked.call, id).await.map_err(fault)?;
        asked.at("account", id, viewed.sequence);
        Ok(Told::of(shown::account(id, &viewed.view)?))
    }
    .await;
    told(&exchange, viewed)
}

async fn transfer(State(state): State<Spending>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let moved: Result<Told<TransferView>, Fault> = async {
        let asked = Asked::admit(&state, &exchange, &parts, Scope::MoneyWrite).await?;
        let id = asked.new_id("POST /v1/money/transfers")?;
        let new: NewTransfer = asked.body(body).await?;
        let new = shown::transfer_of(&new)?;
        let moved = asked.treasury().transfer(&asked.call, &id, &new).await.map_err(fault)?;
        asked.at("transfer", &id, moved.sequence);
        let body = shown::transfer(&id, &moved.view)?;
        Ok(Told { body, created: true, repeated: moved.repeated })
    }
    .await;
    told(&exchange, moved)
}

async fn create_intent(State(state): State<Spending>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let created: Result<Told<IntentView>, Fault> = async {
        let asked = Asked::admit(&state, &exchange, &parts, Scope::MoneyWrite).await?;
        let id = asked.new_id("POST /v1/money/intents")?;
        let new: NewIntent = asked.body(body).await?;
        let new = shown::intent_of(&new)?;
        let created = asked.treasury().create_intent(&asked.call, &id, &new).await;
        let created = created.map_err(fault)?;
        asked.at("intent", &id, created.sequence);
        let body = shown::intent(&id, &created.view)?;
        Ok(Told { body, created: true, repeated: created.repeated })
    }
    .await;
    told(&exchange, created)
}

async fn view_intent(State(state): State<Spending>, params: Params, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    let viewed: Result<Told<IntentView>, Fault> = async {
        let asked = Asked::admit(&state, &exchange, &parts, Scope::MoneyRead).await?;
        let id = path_id(&params, "id")?;
        let viewed = asked.treasury().intent(&asked.call, id).await.map_err(fault)?;
        asked.at("intent", id, viewed.sequence);
        Ok(Told::of(shown::intent(id, &viewed.view)?))
    }
    .await;
    told(&exchange, viewed)
}

async fn authorize(State(state): State<Spending>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let decided: Result<Told<AuthorizationDecision>, Fault> = async {
        let asked = Asked::admit(&state, &exchange, &parts, Scope::MoneyWrite).await?;
        let Authorization { intent_id } = asked.body(body).await?;
        let decided = asked.treasury().authorize(&asked.call, &intent_id, false).await;
        let decided = decided.map_err(fault)?;
        asked.at("intent", &intent_id, decided.sequence);
        let decision = if decided.approved { "approved" } else { "denied" }.to_owned();
        let reason_code = decided.reason.code().to_owned();
        let body = AuthorizationDecision { intent_id, decision, reason_code };
        Ok(Told { body, created: false, repeated: decided.repeated })
    }
    .await;
    told(&exchange, decided)
}

async fn post_intent(State(state): State<Spending>, params: Params, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let posted: Result<Told<SettledIntent>, Fault> = async {
        let asked = Asked::admit(&state, &exchange, &parts, Scope::MoneyWrite).await?;
        let id = path_id(&params, "id")?;
        let Posting { amount } = asked.body(body).await?;
        let amount = amount.map(shown::amount_of).transpose()?;
        let settled = asked.treasury().post(&asked.call, id, amount).await.map_err(fault)?;
        settled_as(&asked, id, settled, Status::Posted)
    }
    .await;
    told(&exchange, posted)
}

async fn void_intent(State(state): State<Spending>, params: Params, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    let voided: Result<Told<SettledIntent>, Fault> = async {
        let asked = Asked::admit(&state, &exchange, &parts, Scope::MoneyWrite).await?;
        let id = path_id(&params, "id")?;
        let _nothing: Nothing = asked.body(body).await?;
        let settled = asked.treasury().void(&asked.call, id).await.map_err(fault)?;
        settled_as(&asked, id, settled, Status::Voided)
    }
    .await;
    told(&exchange, voided)
}

/// An end that is another than was wanted is a refusal.
fn settled_as(
    asked: &Asked<'_>,
    id: &str,
    settled: Settled,
    wanted: Status,
) -> Result<Told<SettledIntent>, Fault> {
    let code = match settled.status {
        status if status == wanted => {
            asked.at("intent", id, settled.sequence);
            let status = shown::status(settled.status).to_owned();
            let posted = shown::units(settled.posted);
            let body = SettledIntent { intent_id: id.to_owned(), status, posted };
            return Ok(Told { body, created: false, repeated: settled.repeated });
        }
        Status::Expired => "intent_expired",
        Status::Posted | Status::Voided => "transfer_ended",
        Status::None | Status::Created | Status::Approved | Status::Denied => "intent_not_approved",
    };
    let detail = format!("the intent is {}", shown::status(settled.status));
    Err(Failure::Rejected { code, detail }.into())
}
