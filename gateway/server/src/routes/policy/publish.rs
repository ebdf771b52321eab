//! Publishing a policy bundle, and the publications so far.
//!
//! **Invariants:** nothing is recorded that does not load; what is recorded decides from the answer
//! on, and by each decision's own record it is known which bundle made it. A node that takes its
//! bundle from a directory publishes nothing: what decides has one source.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::policy::{BundleGiven, BundlePublished, Publication, Publications};
use coppice_api::{Code, codes};
use coppice_core::{CommandId, Entity};
use coppice_domain::policy::PublishedBundle;
use coppice_domain::policy::bundle::{Reply, State as Stored};
use coppice_policy::{BundleError, CedarPolicy, Source};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::info;

use super::Deciding;
use crate::auth::Scope;
use crate::exchange::{Exchange, idempotency_key};
use crate::openapi::{Answer, Operation, Verb, faults, parameters, shape};
use crate::places;
use crate::policy::published::{self, PublishedError};
use crate::problem::{Chain, Fault};
use crate::routes::answer;

/// The largest body: a bundle of the largest size, each byte of which JSON may write as two.
const BODY_BYTES_MAX: usize = 1_100_000;

/// What the kind refuses by itself, and what is refused here for the same reason.
const VERSION_REUSED: Code = Code::refusal("policy_bundle_version_reused");

/// `GET /v1/policy/bundles`
pub(super) const LIST: Operation = Operation {
    method: Verb::Get,
    path: "/v1/policy/bundles",
    name: "list_policy_bundles",
    family: "policy",
    summary: "The policy bundles that were published, the latest first.",
    notes: "Reasons and names are shown to the operators' keys only.",
    scope: Some(Scope::PolicyRead),
    parameters: &[],
    body: None,
    answers: &[Answer::json("The publications.", shape::<Publications>)],
    faults: &[faults::ASKING],
};

/// `POST /v1/policy/bundles`
pub(super) const PUBLISH: Operation = Operation {
    method: Verb::Post,
    path: "/v1/policy/bundles",
    name: "publish_policy_bundle",
    family: "policy",
    summary: "Publishes a policy bundle: it decides whatever is decided from then on.",
    notes: "For the operators' keys only. What is in force already is accepted and changes nothing; \
        an earlier bundle is put in force again by publishing it. Where the node takes its bundle \
        from a directory, nothing is published.",
    scope: Some(Scope::PolicyPublish),
    parameters: &[parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<BundleGiven>),
    answers: &[Answer::json("It decides.", shape::<BundlePublished>)],
    faults: &[
        faults::ASKING,
        faults::CHANGING,
        faults::BODY,
        &[codes::POLICY_BUNDLE_INVALID, codes::POLICY_BUNDLE_FROM_DIRECTORY],
    ],
};

/// `POST /v1/policy/bundles`
pub(super) async fn publish(State(state): State<Deciding>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    answer(&exchange, published(&state, &exchange, &parts, body).await)
}

async fn published(
    state: &Deciding,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<BundlePublished, Fault> {
    let admitted = state.app.admit(parts, exchange, Scope::PolicyPublish).await?;
    let (principal, deadline) = (&admitted.principal, admitted.deadline);
    let key = idempotency_key(&parts.headers)?;
    let given: BundleGiven = Deciding::told_within(parts, body, BODY_BYTES_MAX, deadline).await?;
    let authority = &state.policy.authority;
    if authority.is_reloading() {
        let detail = "this node takes its policy bundle from policy.directory";
        return Err(Fault::new(codes::POLICY_BUNDLE_FROM_DIRECTORY, detail));
    }
    let files = given.files;
    let source = Source::of(&files.title, &files.data, &files.policies, &files.schema);
    let policy = loaded(source).await?;
    let reference = policy.reference().clone();
    authority
        .check_version(&reference)
        .map_err(|error| Fault::new(VERSION_REUSED, error.to_string()))?;
    let by = principal.identity.to_string();
    let route = format!("POST {}", exchange.path());
    let stream = PublishedBundle::stream();
    let told = json!({
        "files": published::files_of(policy.source()), "version": reference.version,
        "reason": given.reason, "by": by,
    });
    let request = coppice_runtime::Request {
        tenant: stream.tenant().clone(),
        id: stream.id().clone(),
        command: "publish".to_owned(),
        body: Bytes::from(told.to_string()),
        command_id: key.map_or_else(
            || exchange.fresh_command_id(),
            |key| CommandId::from_idempotency_key(&principal.tenant, &route, key),
        ),
        keyed: key.is_some(),
        correlation: exchange.correlation(),
        trace: Some(exchange.trace().clone()),
        sender: None,
        expected: None,
        begins: false,
        deadline,
    };
    let answer = state.app.registry.ask_trusted(PublishedBundle::KIND, request).await?;
    exchange.at(places::of_entity(PublishedBundle::KIND, stream.id(), answer.sequence));
    let reply: Reply = serde_json::from_str(&answer.reply)
        .map_err(|error| Fault::internal("the reply does not read", error.to_string()))?;
    let stamp = policy.stamp();
    if authority.publish(reply.number, policy) {
        info!(policy_bundle = &*stamp, number = reply.number, by, "a policy bundle was published");
    }
    Ok(BundlePublished {
        number: reply.number,
        version: reference.version,
        hash: reply.hash.into(),
        stamp: stamp.to_string(),
        changed: reply.changed,
        repeated: answer.repeated,
    })
}

/// Reads a bundle off the event loop: it validates every policy.
async fn loaded(source: Source) -> Result<CedarPolicy, Fault> {
    let made = spawn_blocking(move || CedarPolicy::new(source)).await;
    let made =
        made.map_err(|error| Fault::internal("reading the bundle crashed", error.to_string()))?;
    made.map_err(|error| Fault::new(codes::POLICY_BUNDLE_INVALID, told(&error)))
}

/// Every fault with its file, policy and line.
fn told(error: &BundleError) -> String {
    Chain(error).to_string()
}

async fn stored(state: &Deciding, deadline: Instant) -> Result<Stored, Fault> {
    let stream = PublishedBundle::stream();
    let (tenant, id) = (stream.tenant().clone(), stream.id().clone());
    let registry = &state.app.registry;
    let view = registry.view(PublishedBundle::KIND, tenant, id, deadline).await;
    serde_json::from_str(&view.map_err(Fault::of_read)?.state)
        .map_err(|error| Fault::internal("the publications do not read", error.to_string()))
}

/// `GET /v1/policy/bundles`
pub(super) async fn list(State(state): State<Deciding>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, listed(&state, &exchange, &parts).await)
}

async fn listed(
    state: &Deciding,
    exchange: &Exchange,
    parts: &Parts,
) -> Result<Publications, Fault> {
    let admitted = state.app.admit(parts, exchange, Scope::PolicyRead).await?;
    let Stored { latest, earlier } = stored(state, admitted.deadline).await?;
    let latest = latest.map(|of| (of.number, of.version, of.hash, of.at, of.reason, of.by));
    let earlier = earlier.into_iter();
    let earlier = earlier.map(|of| (of.number, of.version, of.hash, of.at, of.reason, of.by));
    let is_operator = admitted.principal.is_operator();
    let publications = latest.into_iter().chain(earlier);
    let publications = publications.map(|(number, version, hash, at, reason, by)| Publication {
        number,
        version: version.into(),
        hash: hash.into(),
        published_at: at.as_micros(),
        reason: is_operator.then(|| reason.into()),
        published_by: is_operator.then(|| by.into()),
    });
    Ok(Publications { publications: publications.collect() })
}

/// A bundle that was published under a version and isn't in force, from the journal.
pub(super) async fn of_version(
    state: &Deciding,
    version: &str,
    deadline: Instant,
) -> Result<Option<CedarPolicy>, Fault> {
    let Some(journal) = &state.app.journal else { return Ok(None) };
    let Stored { latest, earlier } = stored(state, deadline).await?;
    let latest = latest.iter().map(|of| (of.number, &of.version));
    let all = latest.chain(earlier.iter().map(|of| (of.number, &of.version)));
    let Some((number, _)) = all.into_iter().find(|(_, known)| &***known == version) else {
        return Ok(None);
    };
    let found = published::publication(journal.store.as_ref(), number).await;
    let found = found.map_err(|error| match error {
        PublishedError::Store(error) => Fault::of_store(&error, "the bundle can't be read"),
        other => Fault::internal("the bundle can't be read", Chain(&other).to_string()),
    })?;
    loaded(published::source_of(&found.files)).await.map(Some)
}
