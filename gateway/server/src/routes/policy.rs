//! `/v1/policy`: what is allowed and why, the schemas of tasks, and the bundle in force.
//!
//! **Invariants:** these routes decide nothing themselves, they ask the one authority; where it
//! can't decide, the answer is a problem and never an allow. A tenant asks for itself: who asks is
//! its key, and what is shown names no other tenant.

mod bundles;
mod decisions;
mod publish;
mod schemas;

use axum::body::Body;
use axum::http::request::Parts;
use coppice_api::codes;
use coppice_api::policy::{BundleName, Decision};
use coppice_core::entity::parse_body;
use coppice_policy::{
    Action, Policy, PolicyRecord, PolicyUnavailable, Question, Subject, SubjectKind,
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::admission::Admitted;
use crate::auth::{Principal, Scope};
use crate::body;
use crate::exchange::Exchange;
use crate::openapi::older::alias;
use crate::openapi::{Operation, Routes};
use crate::problem::Fault;
use crate::state::{AppState, PolicyAccess};

/// The longest name of a role, tool, action type or recipient that is asked about, in bytes.
const NAME_BYTES_MAX: usize = 256;

const OLDER_RULE: Operation = alias("/policy", "older_policy_rule", decisions::RULE);
const OLDER_EVALUATE: Operation =
    alias("/evaluate-intent", "older_evaluate_intent", decisions::EVALUATE);
const OLDER_CHECK_TOOL: Operation =
    alias("/check-tool-allowed", "older_check_tool", decisions::CHECK_TOOL);
const OLDER_SCHEMA: Operation = alias("/schemas/{task_type}", "older_task_schema", schemas::VIEW);
const OLDER_REGISTER: Operation =
    alias("/schemas/register", "older_register_schema", schemas::REGISTER);
const OLDER_BUNDLE: Operation =
    alias("/policy-bundle/{version}", "older_policy_bundle", bundles::OF_VERSION);
const OLDER_PUBLISH: Operation =
    alias("/policies/publish", "older_publish_policy", publish::PUBLISH);

/// What these routes can reach.
#[derive(Clone)]
pub(super) struct Deciding {
    pub(super) app: AppState,
    pub(super) policy: PolicyAccess,
}

/// The routes, on a node that has a policy.
pub(super) fn routes() -> Routes<Deciding> {
    Routes::new()
        .on(&decisions::RULE, decisions::rule)
        .on(&decisions::EVALUATE, decisions::evaluate)
        .on(&decisions::CHECK_TOOL, decisions::check_tool)
        .on(&schemas::VIEW, schemas::view)
        .on(&schemas::REGISTER, schemas::register)
        .on(&bundles::IN_FORCE, bundles::in_force)
        .on(&bundles::OF_VERSION, bundles::of_version)
        .on(&publish::LIST, publish::list)
        .on(&publish::PUBLISH, publish::publish)
        .on(&OLDER_RULE, decisions::rule)
        .on(&OLDER_EVALUATE, decisions::evaluate)
        .on(&OLDER_CHECK_TOOL, decisions::check_tool)
        .on(&OLDER_SCHEMA, schemas::view)
        .on(&OLDER_REGISTER, schemas::register)
        .on(&OLDER_BUNDLE, bundles::of_version)
        .on(&OLDER_PUBLISH, publish::publish)
}

impl Deciding {
    /// Lets a request in and reads its body.
    async fn told<T: DeserializeOwned>(
        &self,
        exchange: &Exchange,
        parts: &Parts,
        body: Body,
        scope: Scope,
    ) -> Result<(Admitted, T), Fault> {
        let admitted = self.app.admit(parts, exchange, scope).await?;
        let bytes_max = self.app.limits.body_bytes_max;
        let told = Self::told_within(parts, body, bytes_max, admitted.deadline).await?;
        Ok((admitted, told))
    }

    /// Reads a body of so many bytes at most.
    async fn told_within<T: DeserializeOwned>(
        parts: &Parts,
        body: Body,
        bytes_max: usize,
        deadline: Instant,
    ) -> Result<T, Fault> {
        let bytes = body::read(body, bytes_max, deadline).await?;
        body::require_json(&parts.headers, &bytes)?;
        read(&bytes)
    }

    /// A question of a caller about something, in a role.
    fn question(
        principal: &Principal,
        role: &str,
        action: Action,
        resource: &str,
    ) -> Result<Question, Fault> {
        let (role, resource) = (name("role", role)?, name("what is asked about", resource)?);
        let id = principal.identity.to_string();
        let subject = Subject { kind: SubjectKind::ApiKey, id, role: role.to_owned() };
        Ok(Question::new(principal.tenant.as_str(), subject, action, resource))
    }

    fn decide(&self, question: &Question) -> Result<PolicyRecord, Fault> {
        self.policy.authority.decide(question).map_err(|why| unavailable(&why))
    }
}

/// Reads a body strictly, and tells one that is no JSON from one that doesn't fit.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    parse_body(bytes).map_err(|error| {
        match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
            Err(error) if !bytes.is_empty() => {
                Fault::new(codes::MALFORMED_JSON, format!("the body is not JSON: {error}"))
            }
            Ok(_) | Err(_) => Fault::new(codes::INVALID_BODY, error.to_string()),
        }
    })
}

fn name<'a>(what: &str, text: &'a str) -> Result<&'a str, Fault> {
    if text.len() > NAME_BYTES_MAX {
        let detail = format!("{what} has {NAME_BYTES_MAX} bytes at most");
        return Err(Fault::new(codes::INVALID_BODY, detail));
    }
    Ok(text)
}

fn unavailable(why: &PolicyUnavailable) -> Fault {
    Fault::new(codes::POLICY_UNAVAILABLE, format!("policy can not decide: {why}"))
}

fn decision(record: PolicyRecord) -> Decision {
    Decision {
        allowed: record.allowed,
        requires_approval: record.requires_approval,
        risk: record.risk.map(|risk| risk.name().to_owned()),
        reason_code: record.reason_code,
        policies: record.policies,
        bundle: BundleName { version: record.bundle.version, hash: record.bundle.hash },
    }
}
