//! `POST /ingress/github`: webhooks, which show a signature in place of a key.
//!
//! **Invariant:** what is answered with 200 or 202, but for a ping, is durable.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::ingress::{DeliveryAnswer, DeliveryOutcome};
use coppice_api::{Code, codes};
use coppice_core::{Entity, EntityId};
use coppice_domain::ingress::delivery::{Delivery, Outcome, Receipt, Receive, entity_id};
use tokio::time::Instant;

use super::json;
use crate::exchange::Exchange;
use crate::ingress::{Examined, Ingress, Secrets, examine};
use crate::openapi::{self, Operation, Parameter, Place, Routes, Verb, faults, shape};
use crate::places;
use crate::problem::Fault;
use crate::rates::Class;
use crate::state::AppState;

/// What these routes can reach.
#[derive(Debug, Clone)]
pub(super) struct Receiving {
    pub(super) app: AppState,
    pub(super) ingress: Arc<Ingress>,
}

/// The largest body that is read where its request is served. A larger one would hold a thread of
/// the node for longer than a few milliseconds and is read aside.
const INLINE_BYTES_MAX: usize = 1 << 20;

const fn required(
    name: &'static str,
    description: &'static str,
    schema: &'static str,
) -> Parameter {
    Parameter { place: Place::Header, name, description, required: true, schema }
}

const GITHUB: Operation = Operation {
    method: Verb::Post,
    path: "/ingress/github",
    name: "ingress_github",
    family: "ingress",
    summary: "Takes up a webhook of GitHub's, once for each delivery.",
    notes: "Needs no key: the signature shows whose it is. The body may also be GitHub's form \
        (`application/x-www-form-urlencoded`) with the JSON in the field `payload`. What was taken \
        up is the entity `github:` and the delivery's id, of the kind `delivery`.",
    scope: None,
    parameters: &[
        required(
            "X-GitHub-Event",
            "The type of the event.",
            r#"{"type":"string","pattern":"^[A-Za-z0-9_]{1,64}$","examples":["pull_request"]}"#,
        ),
        required(
            "X-GitHub-Delivery",
            "The delivery; a repeat has the same.",
            r#"{"type":"string","pattern":"^[A-Za-z0-9-]{1,64}$"}"#,
        ),
        required(
            "X-Hub-Signature-256",
            "HMAC-SHA-256 of the body under the webhook's secret.",
            r#"{"type":"string","pattern":"^sha256=[0-9A-Fa-f]{64}$"}"#,
        ),
    ],
    body: Some(|_| openapi::anything()),
    answers: &[
        openapi::Answer::json("It had come before, or is a ping.", shape::<DeliveryAnswer>),
        openapi::Answer::with(202, "It is taken up.", shape::<DeliveryAnswer>),
    ],
    faults: &[REFUSED, faults::ASKING, CHANGING],
};

const REFUSED: &[Code] = &[
    codes::WEBHOOK_HEADER_INVALID,
    codes::MALFORMED_REQUEST,
    codes::MALFORMED_JSON,
    codes::WEBHOOK_SIGNATURE_INVALID,
    codes::BODY_TIMEOUT,
    codes::BODY_TOO_LARGE,
    codes::UNSUPPORTED_MEDIA_TYPE,
    codes::RATE_LIMITED,
    codes::INGRESS_FULL,
    codes::WEBHOOK_SECRET_MISSING,
    codes::DEADLINE_EXCEEDED,
    codes::INTERNAL_ERROR,
    Code::refusal("delivery_body_differs"),
];

/// A delivery is created and never deleted, linked or expected to be somewhere.
const CHANGING: &[Code] = &[
    codes::FROZEN,
    codes::CONFLICT,
    codes::MESSAGE_QUARANTINED,
    codes::STORE_UNAVAILABLE,
    codes::STORE_FULL,
];

/// The routes, on a node that takes webhooks.
pub(super) fn routes() -> Routes<Receiving> {
    Routes::new().on(&GITHUB, github)
}

/// `POST /ingress/github`
async fn github(State(state): State<Receiving>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match taken_up(&state, &exchange, parts, body).await {
        Ok((status, answer)) => {
            // Strings always serialize.
            let mut response = json(serde_json::to_vec(&answer).unwrap_or_default().into());
            *response.status_mut() = status;
            exchange.finish(response)
        }
        Err(fault) => fault.respond(&exchange),
    }
}

async fn taken_up(
    state: &Receiving,
    exchange: &Exchange,
    parts: Parts,
    body: Body,
) -> Result<(StatusCode, DeliveryAnswer), Fault> {
    let (app, ingress) = (&state.app, &state.ingress);
    let Some(secrets) = ingress.github.clone() else {
        let detail = "the node has no secret of GitHub's webhooks";
        return Err(Fault::new(codes::WEBHOOK_SECRET_MISSING, detail));
    };
    let deadline = exchange.received() + app.limits.timeout;
    let read = crate::body::read_within(body, ingress.body_bytes_max, deadline, &ingress.places);
    let (body, _held) = read.await?;
    let examined = aside(Arc::clone(ingress), secrets, parts, body).await?;

    let tenant = &ingress.github_tenant;
    exchange.belongs_to(tenant);
    let (allowance, room) = app.rates.take(tenant, Class::Ingress);
    exchange.allow(allowance);
    room.inspect_err(|_| app.observed.http.ingress_rate_refused())?;
    match examined {
        Examined::Ping(delivery) => {
            let outcome = DeliveryOutcome::Pong;
            Ok((StatusCode::OK, DeliveryAnswer { delivery, outcome, plan: None, workflow: None }))
        }
        Examined::Delivery(receive) => {
            let receipt = record(state, exchange, &receive, deadline).await?;
            Ok(answered(receipt))
        }
    }
}

/// Examines a body, a large one on a thread that nobody else waits for.
async fn aside(
    ingress: Arc<Ingress>,
    secrets: Arc<Secrets>,
    parts: Parts,
    body: Bytes,
) -> Result<Examined, Fault> {
    let work = move |body: &Bytes| examine(&ingress, &secrets, &parts.headers, body);
    if body.len() <= INLINE_BYTES_MAX {
        return work(&body);
    }
    let done = tokio::task::spawn_blocking(move || work(&body)).await;
    done.map_err(|error| Fault::internal("the webhook could not be read", error.to_string()))?
}

/// Has the delivery's entity take it up. The id of the command is a fresh one: it is the entity that
/// knows a repeat, for as long as there are journals.
async fn record(
    state: &Receiving,
    exchange: &Exchange,
    receive: &Receive,
    deadline: Instant,
) -> Result<Receipt, Fault> {
    let unwritable = |error: String| Fault::internal("the webhook could not be kept", error);
    let id = entity_id(&receive.event.source, &receive.delivery);
    let id = EntityId::new(&id).map_err(|error| unwritable(error.to_string()))?;
    let body = serde_json::to_vec(receive).map_err(|error| unwritable(error.to_string()))?;
    let request = coppice_runtime::Request {
        tenant: state.ingress.github_tenant.clone(),
        id: id.clone(),
        command: "receive".to_owned(),
        body: body.into(),
        command_id: exchange.fresh_command_id(),
        keyed: false,
        correlation: exchange.correlation(),
        trace: Some(exchange.trace().clone()),
        sender: None,
        expected: None,
        begins: false,
        deadline,
    };
    let answer = state.app.registry.ask_trusted(Delivery::KIND, request).await?;
    exchange.at(places::of_entity(Delivery::KIND, &id, answer.sequence));
    serde_json::from_str(&answer.reply).map_err(|error| unwritable(error.to_string()))
}

fn answered(receipt: Receipt) -> (StatusCode, DeliveryAnswer) {
    let Receipt { delivery, outcome, plan, workflow, repeated } = receipt;
    let (status, outcome) = match (repeated, outcome) {
        (true, _) => (StatusCode::OK, DeliveryOutcome::Repeated),
        (false, Outcome::Routed) => (StatusCode::ACCEPTED, DeliveryOutcome::Routed),
        (false, Outcome::Unrouted) => (StatusCode::ACCEPTED, DeliveryOutcome::Unrouted),
    };
    (status, DeliveryAnswer { delivery, outcome, plan, workflow })
}
