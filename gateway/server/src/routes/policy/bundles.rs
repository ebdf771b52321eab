//! The policy bundle in force, and those before it.
//!
//! **Invariant:** a tenant sees what a bundle is called and never its lists, which name others.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::policy::{BundleStatus, BundleView};
use coppice_policy::{Known, Standing};

use super::{Deciding, publish};
use crate::auth::{Principal, Scope};
use crate::exchange::Exchange;
use crate::openapi::{Answer, Operation, Verb, faults, parameters, shape};
use crate::problem::Fault;
use crate::routes::{Params, answer, param, unreadable_path};

/// `GET /v1/policy/bundle`
pub(super) const IN_FORCE: Operation = Operation {
    method: Verb::Get,
    path: "/v1/policy/bundle",
    name: "view_policy_bundle",
    family: "policy",
    summary: "The policy bundle in force.",
    notes: "Its files are shown to the operators' keys only: the lists in them name tenants.",
    scope: Some(Scope::PolicyRead),
    parameters: &[],
    body: None,
    answers: &[Answer::json("The bundle.", shape::<BundleView>)],
    faults: &[],
};

/// `GET /v1/policy/bundles/{version}`
pub(super) const OF_VERSION: Operation = Operation {
    path: "/v1/policy/bundles/{version}",
    name: "view_policy_bundle_version",
    summary: "A policy bundle that is or was in force since the node started, or that was published.",
    parameters: &[parameters::BUNDLE_VERSION],
    faults: &[faults::ASKING, &[codes::POLICY_BUNDLE_NOT_FOUND]],
    ..IN_FORCE
};

/// `GET /v1/policy/bundle`
pub(super) async fn in_force(State(state): State<Deciding>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, looked(&state, &exchange, &parts).await)
}

async fn looked(state: &Deciding, exchange: &Exchange, parts: &Parts) -> Result<BundleView, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::PolicyRead).await?.principal;
    let policy = state.policy.authority.current();
    Ok(shown(state, &principal, &Known { policy, standing: Standing::InForce }))
}

/// `GET /v1/policy/bundles/{version}`
pub(super) async fn of_version(
    State(state): State<Deciding>,
    params: Params,
    request: Request,
) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, found(&state, &exchange, &parts, params).await)
}

async fn found(
    state: &Deciding,
    exchange: &Exchange,
    parts: &Parts,
    params: Params,
) -> Result<BundleView, Fault> {
    let admitted = state.app.admit(parts, exchange, Scope::PolicyRead).await?;
    let principal = admitted.principal;
    let params = params.map_err(|_| unreadable_path())?;
    let version = param(&params, "version");
    let known = state.policy.authority.known();
    let of_version = known.iter().find(|known| known.policy.reference().version == version);
    if let Some(known) = of_version {
        return Ok(shown(state, &principal, known));
    }
    match publish::of_version(state, version, admitted.deadline).await? {
        Some(policy) => {
            let policy = Arc::new(policy);
            Ok(shown(state, &principal, &Known { policy, standing: Standing::Superseded }))
        }
        None => {
            let detail = "no bundle of this version was published, or in force since the start";
            Err(Fault::new(codes::POLICY_BUNDLE_NOT_FOUND, detail))
        }
    }
}

fn shown(state: &Deciding, principal: &Principal, known: &Known) -> BundleView {
    let policy = known.policy.as_ref();
    let (reference, source) = (policy.reference(), policy.source());
    let is_operator = principal.is_operator();
    let files = is_operator.then(|| {
        BTreeMap::from([
            ("bundle.toml".to_owned(), source.title.clone()),
            ("data.toml".to_owned(), source.data.clone()),
            ("policies.cedar".to_owned(), source.policies.clone()),
            ("schema.cedarschema".to_owned(), source.schema.clone()),
        ])
    });
    let last_problem = state.policy.authority.status().last_problem;
    BundleView {
        version: reference.version.clone(),
        hash: reference.hash.clone(),
        stamp: policy.stamp().to_string(),
        status: match known.standing {
            Standing::InForce => BundleStatus::InForce,
            Standing::Superseded => BundleStatus::Superseded,
        },
        description: policy.description().to_owned(),
        files,
        last_problem: last_problem.filter(|_| is_operator),
    }
}
