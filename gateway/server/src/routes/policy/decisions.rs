//! Asking what is allowed: an intent, a tool, a type of action.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use coppice_api::codes;
use coppice_api::policy::{
    CeilingView, Intent, IntentAnswer, RuleAnswer, Rules, SchemaName, ToolAnswer, ToolQuestion,
    Violation,
};
use coppice_policy::{Action, Fact, Policy, Question, fact};

use super::{Deciding, decision, name, schemas};
use crate::auth::Scope;
use crate::exchange::Exchange;
use crate::openapi::{Answer, Operation, Parameter, Verb, faults, parameters, shape};
use crate::problem::Fault;
use crate::query::Query;
use crate::routes::answer;

/// The code of an intent whose parameters don't fit their schema.
const PARAMETERS_INVALID: &str = "parameters_invalid";

/// What a rule is called where no policy permits it.
const NONE: &str = "none";

/// `GET /v1/policy`
pub(super) const RULE: Operation = Operation {
    method: Verb::Get,
    path: "/v1/policy",
    name: "view_policy_rule",
    family: "policy",
    summary: "What stands for a type of action, before anything is to be done.",
    notes: "A type that isn't listed is denied, as everything is that isn't.",
    scope: Some(Scope::PolicyRead),
    parameters: &[Parameter {
        required: true,
        ..parameters::query(
            "action_type",
            "The type of action.",
            r#"{"type":"string","maxLength":256,"examples":["transaction"]}"#,
        )
    }],
    body: None,
    answers: &[Answer::json("The rule.", shape::<RuleAnswer>)],
    faults: &[&[codes::POLICY_UNAVAILABLE]],
};

/// `POST /v1/policy/evaluate-intent`
pub(super) const EVALUATE: Operation = Operation {
    method: Verb::Post,
    path: "/v1/policy/evaluate-intent",
    name: "evaluate_intent",
    summary: "Whether a task with these parameters would be allowed; nothing is done.",
    notes: "Parameters are checked against the schema registered for the type of task, then policy \
        is asked about the type of action that it comes to.",
    parameters: &[],
    body: Some(shape::<Intent>),
    answers: &[Answer::json("The decision.", shape::<IntentAnswer>)],
    faults: &[
        faults::ASKING,
        faults::BODY,
        &[codes::POLICY_UNAVAILABLE, codes::SCHEMA_NOT_FOUND, codes::INVALID_ENTITY_ID],
    ],
    ..RULE
};

/// `POST /v1/policy/check-tool`
pub(super) const CHECK_TOOL: Operation = Operation {
    path: "/v1/policy/check-tool",
    name: "check_tool",
    summary: "Whether a role may use a tool.",
    notes: "",
    body: Some(shape::<ToolQuestion>),
    answers: &[Answer::json("The decision.", shape::<ToolAnswer>)],
    faults: &[faults::BODY, &[codes::POLICY_UNAVAILABLE]],
    ..EVALUATE
};

/// `GET /v1/policy?action_type=`
pub(super) async fn rule(State(state): State<Deciding>, request: Request) -> Response {
    let parts = request.into_parts().0;
    let exchange = Exchange::begin(&parts);
    answer(&exchange, ruled(&state, &exchange, &parts).await)
}

async fn ruled(state: &Deciding, exchange: &Exchange, parts: &Parts) -> Result<RuleAnswer, Fault> {
    let principal = state.app.admit(parts, exchange, Scope::PolicyRead).await?.principal;
    let query = Query::read(parts, ["action_type"])?;
    let Some(action_type) = query.text(0) else {
        let detail = "the query parameter action_type is missing";
        return Err(Fault::new(codes::MALFORMED_REQUEST, detail));
    };
    let question = Deciding::question(&principal, "", Action::RunAction, action_type)
        .map_err(|fault| Fault::new(codes::MALFORMED_REQUEST, fault.detail().to_owned()))?;
    let record = state.decide(&question.with(fact::PREVIEW, Fact::Flag(true)))?;
    let rules = state.policy.authority.rule(action_type).map(|rule| Rules {
        risk_level: rule.risk.name().to_owned(),
        max_amount: rule
            .ceilings
            .into_iter()
            .map(|ceiling| CeilingView { asset: ceiling.asset, amount: ceiling.amount })
            .collect(),
    });
    Ok(RuleAnswer {
        policy_id: record.policies.first().map_or(NONE, String::as_str).to_owned(),
        action_type: action_type.to_owned(),
        rules,
        decision: decision(record),
    })
}

/// `POST /v1/policy/evaluate-intent`
pub(super) async fn evaluate(State(state): State<Deciding>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    answer(&exchange, evaluated(&state, &exchange, &parts, body).await)
}

async fn evaluated(
    state: &Deciding,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<IntentAnswer, Fault> {
    let (admitted, intent) = state.told::<Intent>(exchange, parts, body, Scope::PolicyRead).await?;
    let (principal, deadline) = (admitted.principal, admitted.deadline);
    let schema = schemas::latest(state, &principal.tenant, &intent.task_type, deadline).await?;
    let checked = state.policy.schemas.validate(&schema.latest.schema, &intent.parameters);
    let violations = checked.err().unwrap_or_default();
    let action_type = state.policy.authority.action_type(&intent.task_type);
    let role = intent.role.as_deref().unwrap_or_default();
    let question = Deciding::question(&principal, role, Action::RunAction, &action_type)?;
    let record = state.decide(&with_facts(question, &intent)?)?;
    let mut decision = decision(record);
    if !violations.is_empty() {
        decision.allowed = false;
        decision.requires_approval = false;
        decision.reason_code = PARAMETERS_INVALID.to_owned();
    }
    let violations = violations.into_iter().map(|found| Violation {
        at: found.at,
        rule: found.rule,
        message: found.message,
    });
    Ok(IntentAnswer {
        task_type: intent.task_type,
        action_type,
        schema: SchemaName { version: schema.latest.version, hash: schema.latest.hash.into() },
        violations: violations.collect(),
        decision,
    })
}

fn with_facts(question: Question, intent: &Intent) -> Result<Question, Fault> {
    let question = question.trusted(intent.trusted);
    let question = match &intent.recipient {
        Some(recipient) => question.with_text(fact::RECIPIENT, name("recipient", recipient)?),
        None => question,
    };
    Ok(match &intent.amount {
        Some(given) => {
            question.with_amount(given.amount, name("asset", &given.asset)?, given.scale)
        }
        None => question,
    })
}

/// `POST /v1/policy/check-tool`
pub(super) async fn check_tool(State(state): State<Deciding>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    answer(&exchange, checked(&state, &exchange, &parts, body).await)
}

async fn checked(
    state: &Deciding,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<ToolAnswer, Fault> {
    let (admitted, ToolQuestion { role, tool }) =
        state.told(exchange, parts, body, Scope::PolicyRead).await?;
    let question = Deciding::question(&admitted.principal, &role, Action::UseTool, &tool)?;
    let record = state.decide(&question)?;
    Ok(ToolAnswer { role, tool, decision: decision(record) })
}
