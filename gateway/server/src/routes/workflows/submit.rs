//! Taking work in: planned where it is a task, checked where it brings its plan along.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use coppice_api::codes;
use coppice_api::workflow::{Budget, WorkflowAccepted, WorkflowRequest, WorkflowView};
use coppice_core::hash::sha256;
use coppice_core::{CommandId, EntityId, Json};
use coppice_domain::workflow::planner::Planned;
use coppice_domain::workflow::{Plan, plan};
use coppice_runtime::Failure;
use serde::Serialize;
use serde_json::Value;

use super::command::{Command, accepted, arguments, refused};
use super::{Working, look, wait};
use crate::admission::Admitted;
use crate::auth::Scope;
use crate::body;
use crate::exchange::{Exchange, idempotency_key};
use crate::planning::{PlanError, Task, open_budget, treasury_call};
use crate::problem::Fault;
use crate::routes::{answer, money, unreadable_path};

/// What is submitted, whichever way it came.
pub(super) struct Work {
    pub(super) objective: String,
    pub(super) task_type: Option<String>,
    pub(super) input: Option<Value>,
    pub(super) priority: Option<String>,
    pub(super) budget: Option<Budget>,
    pub(super) planned: Planned,
    /// Whether it is only planned, until it is told to begin.
    pub(super) waits: bool,
}

/// The kind's command.
#[derive(Serialize)]
struct Submit<'a> {
    objective: &'a str,
    task_type: Option<&'a str>,
    input: Value,
    priority: &'a str,
    budget: Option<&'a Budget>,
    source: Source<'a>,
    planning: &'a Json,
    plan: &'a Plan,
    waits: bool,
}

#[derive(Serialize)]
struct Source<'a> {
    channel: &'a str,
    request_hash: String,
    by: String,
}

/// What came of it.
pub(super) enum Taken {
    /// It is durable.
    Begun(WorkflowAccepted),
    /// It has ended already.
    Ended(Box<WorkflowView>),
}

/// A request that was let in and whose body was read.
pub(super) struct Arrived<'a> {
    pub(super) command: Command<'a>,
    pub(super) body: Bytes,
    /// How long its client waits for the end.
    patience: Option<std::time::Duration>,
}

impl Arrived<'_> {
    /// Waits for the end, whatever its client says.
    pub(super) const fn waiting(mut self, patience: std::time::Duration) -> Self {
        self.patience = Some(patience);
        self
    }
}

/// `POST /v1/workflows`
pub(super) async fn workflow(State(working): State<Working>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let exchange = Exchange::begin(&parts);
    match submitted(&working, &exchange, &parts, body).await {
        Ok(Taken::Begun(begun)) => {
            let place = format!("/v1/workflows/{}", begun.id);
            begun_with(answer(&exchange, Ok(begun)), StatusCode::CREATED, &place)
        }
        Ok(Taken::Ended(view)) => answer(&exchange, Ok(view)),
        Err(fault) => fault.respond(&exchange),
    }
}

/// An answer with the status of what has begun, and where it is.
pub(super) fn begun_with(mut response: Response, status: StatusCode, place: &str) -> Response {
    *response.status_mut() = status;
    // Ids have no byte that a header can't.
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

async fn submitted(
    working: &Working,
    exchange: &Exchange,
    parts: &Parts,
    body: Body,
) -> Result<Taken, Fault> {
    let arrived = arrived(working, exchange, parts, body).await?;
    let asked: WorkflowRequest = arguments(&arrived.body)?;
    let planned = match (asked.template, asked.plan) {
        (Some(name), None) => {
            let parameters = asked.input.clone().unwrap_or_default();
            let (tenant, by) = (&arrived.command.admitted.principal.tenant, arrived.command.by());
            let task = Task {
                tenant: tenant.as_str(),
                by: &by,
                task_type: &name,
                parameters: &parameters,
                trusted: true,
            };
            working.planner.plan_by(&name, &task).map_err(|error| unplanned(&error))?
        }
        (None, Some(plan)) => brought_along(&plan)?,
        (Some(_), Some(_)) | (None, None) => {
            let detail = "a workflow has a template or a plan, and one of them only";
            return Err(Fault::new(codes::INVALID_BODY, detail));
        }
    };
    let work = Work {
        objective: asked.objective,
        task_type: None,
        input: asked.input,
        priority: asked.priority,
        budget: asked.budget.or_else(|| budget_of(&planned)),
        planned,
        waits: asked.waits,
    };
    take(working, arrived, work).await
}

/// What a plan's workflows may spend, as its template says.
pub(super) fn budget_of(planned: &Planned) -> Option<Budget> {
    let budget = planned.budget.clone()?;
    Some(Budget { amount: budget.amount, asset: budget.asset })
}

/// A plan that a client wrote. Its calls ask policy one by one, when they are made.
fn brought_along(plan: &Value) -> Result<Planned, Fault> {
    let misfit = |error: serde_json::Error| Fault::new(codes::INVALID_BODY, error.to_string());
    // By way of text: a step's input is kept as it is written.
    let text = serde_json::to_string(plan).map_err(misfit)?;
    let plan: Plan = serde_json::from_str(&text).map_err(misfit)?;
    Ok(Planned { plan, planning: Json::null(), budget: None })
}

pub(super) fn unplanned(error: &PlanError) -> Fault {
    match error {
        PlanError::Unknown(_) => Fault::new(codes::PLAN_NOT_FOUND, error.to_string()),
        PlanError::Forbidden(_) | PlanError::Unapproved(_) => {
            Fault::new(codes::POLICY_DENIED, error.to_string())
        }
        PlanError::Unheard(_) => Fault::new(codes::POLICY_UNAVAILABLE, error.to_string()),
    }
}

/// Lets a request in and reads it.
pub(super) async fn arrived<'a>(
    working: &Working,
    exchange: &'a Exchange,
    parts: &Parts,
    body: Body,
) -> Result<Arrived<'a>, Fault> {
    let admitted = working.app.admit(parts, exchange, Scope::WorkflowsWrite).await?;
    let key = idempotency_key(&parts.headers)?;
    let patience = wait::patience(&parts.headers)?;
    let route = format!("POST {}", exchange.path());
    let command_id = key.map_or_else(
        || exchange.fresh_command_id(),
        |key| CommandId::from_idempotency_key(&admitted.principal.tenant, &route, key),
    );
    let bytes_max = working.app.limits.workflow_bytes_max;
    let body = body::read(body, bytes_max, admitted.deadline).await?;
    body::require_json(&parts.headers, &body)?;
    let id = EntityId::new(&command_id.0.to_string()).map_err(|_| unreadable_path())?;
    let keyed = key.is_some();
    let command = Command { admitted, id, command_id, keyed, begins: !keyed, exchange };
    Ok(Arrived { command, body, patience })
}

/// Submits work, and waits for its end as long as its client does.
pub(super) async fn take(
    working: &Working,
    arrived: Arrived<'_>,
    work: Work,
) -> Result<Taken, Fault> {
    let Arrived { command, body, patience } = arrived;
    let deadline = command.admitted.deadline;
    let tenant = command.admitted.principal.tenant.clone();
    // In line before it begins, so that its end isn't missed. One that waits has none to be waited for.
    let ending = match patience {
        Some(patience) if !work.waits => {
            let id = command.id.clone();
            Some(wait::Ending::of(&working.journal, tenant.clone(), id, patience).await?)
        }
        _ => None,
    };
    let request_hash = sha256(&body).to_string();
    open_the_budget(working, &command, &work).await?;
    let begun = begin(working, &command, &work, &request_hash).await?;
    let Some(ending) = ending else { return Ok(Taken::Begun(begun)) };
    if !begun.repeated {
        ending.waited(deadline).await;
    }
    let view = look::view(working, command.exchange, tenant, command.id.clone(), deadline).await;
    match view {
        Ok(Some(view)) if view.ended_at.is_some() => Ok(Taken::Ended(Box::new(view))),
        Err(fault) if fault.code() == codes::INTERNAL_ERROR => Err(fault.behind_a_commit()),
        // It is durable, also where it can't be looked at just now.
        Ok(_) | Err(_) => Ok(Taken::Begun(begun)),
    }
}

/// Opens what it may spend before it can spend: the request's budget, or its plan's.
async fn open_the_budget(
    working: &Working,
    command: &Command<'_>,
    work: &Work,
) -> Result<(), Fault> {
    let Some(budget) = &work.budget else { return Ok(()) };
    // The workflow itself refuses such a budget, and says why.
    if budget.amount <= 0 {
        return Ok(());
    }
    let Some(treasury) = &working.app.treasury else {
        return Err(Fault::internal("the node has no treasury", String::new()));
    };
    let Admitted { principal, deadline } = &command.admitted;
    let correlation = command.exchange.correlation();
    let call = treasury_call(principal.tenant.clone(), command.by(), correlation, *deadline);
    let budget = coppice_domain::workflow::flow::Budget {
        amount: budget.amount,
        asset: budget.asset.clone(),
    };
    open_budget(treasury, &call, command.id.as_str(), &budget).await.map_err(money::fault)
}

async fn begin(
    working: &Working,
    command: &Command<'_>,
    work: &Work,
    request_hash: &str,
) -> Result<WorkflowAccepted, Fault> {
    let submit = Submit {
        objective: &work.objective,
        task_type: work.task_type.as_deref(),
        input: work.input.clone().unwrap_or_else(|| Value::Object(serde_json::Map::default())),
        priority: work.priority.as_deref().unwrap_or("P2"),
        budget: work.budget.as_ref(),
        source: Source { channel: "api", request_hash: request_hash.to_owned(), by: command.by() },
        planning: &work.planned.planning,
        plan: &work.planned.plan,
        waits: work.waits,
    };
    debug_assert!(submit.plan.steps.len() <= plan::STEPS_MAX || submit.plan.check().is_err());
    match command.send(working, "submit", &submit).await {
        Ok(answer) => accepted(&answer),
        // Planned anew, the same request may come to another plan: the first one stands.
        Err(failure) if is_repeat(&failure) => {
            let (tenant, id) = (command.admitted.principal.tenant.clone(), command.id.clone());
            let deadline = command.admitted.deadline;
            let view = look::view(working, command.exchange, tenant, id, deadline).await;
            let view = view.map_err(Fault::behind_a_commit)?;
            let same =
                view.filter(|view| view.source.request_hash.as_deref() == Some(request_hash));
            let first = |view: WorkflowView| WorkflowAccepted {
                id: view.id,
                status: view.status,
                repeated: true,
            };
            same.map(first).ok_or_else(|| Failure::KeyReused.into())
        }
        Err(failure) => Err(refused(failure)),
    }
}

fn is_repeat(failure: &Failure) -> bool {
    match failure {
        Failure::KeyReused => true,
        Failure::Rejected { code, .. } => *code == "workflow_exists",
        _ => false,
    }
}
