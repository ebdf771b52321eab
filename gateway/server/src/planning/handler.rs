//! The effect handler `planner`: what a delivery owes becomes a workflow.
//!
//! **Invariant:** the workflow's id and its command's id are the effect's key, so that a delivery
//! makes one workflow, however often its effect is carried out.

use coppice_core::{CommandId, CorrelationId, EntityId, Json};
use coppice_domain::ingress::event::NormalisedEvent;
use coppice_domain::workflow::flow::Priority;
use coppice_runtime::{
    Door, EffectCall, EffectError, EffectHandler, Failure, Outcome, Registry, Request,
};
use coppice_treasury::Treasury;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::budget::{open_budget, treasury_call};
use super::{PlanError, Planner, Task};

/// What a delivery asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    delivery: String,
    plan: String,
    priority: Priority,
    event: Value,
}

/// Plans what deliveries owe.
#[derive(Debug, Clone)]
pub struct PlannerHandler {
    planner: Planner,
    treasury: Treasury,
    door: Door,
    patience: Duration,
}

impl PlannerHandler {
    /// Waits for entities for so long.
    #[must_use]
    pub const fn new(planner: Planner, treasury: Treasury, door: Door, patience: Duration) -> Self {
        Self { planner, treasury, door, patience }
    }

    async fn carry_out(&self, call: EffectCall) -> Result<String, EffectError> {
        let invalid = |why: String| refused("invalid", why);
        let wanted: Wanted =
            serde_json::from_str(&call.request).map_err(|error| invalid(error.to_string()))?;
        let Some(registry) = self.door.registry() else {
            return Err(EffectError::NotSent { detail: "the node starts or has ended".into() });
        };
        let event: NormalisedEvent = serde_json::from_value(wanted.event.clone())
            .map_err(|error| invalid(error.to_string()))?;
        let by = event.sender.as_ref().map_or(event.source.as_str(), |sender| &sender.login);
        let task = Task {
            tenant: call.entity.tenant().as_str(),
            by,
            task_type: &wanted.plan,
            parameters: &wanted.event,
            // Whoever can open a pull request can write what is in it.
            trusted: false,
        };
        let planned = self.planner.plan_by(&wanted.plan, &task).map_err(|error| match error {
            PlanError::Unknown(_) => refused("plan_not_found", error.to_string()),
            PlanError::Forbidden(_) | PlanError::Unapproved(_) | PlanError::Unheard(_) => {
                refused("policy_denied", error.to_string())
            }
        })?;
        let id = EntityId::new(&call.idempotency_key.to_string())
            .map_err(|error| invalid(error.to_string()))?;
        let deadline = Instant::now() + self.patience;
        let tenant = call.entity.tenant();
        if let Some(budget) = &planned.budget {
            let correlation = CorrelationId(call.idempotency_key);
            let asked = treasury_call(tenant.clone(), by.to_owned(), correlation, deadline);
            open_budget(&self.treasury, &asked, id.as_str(), budget)
                .await
                .map_err(|error| EffectError::NotSent { detail: error.to_string() })?;
        }
        let body = json!({
            "objective": objective(&event),
            "task_type": wanted.plan,
            "input": wanted.event,
            "priority": wanted.priority,
            "budget": planned.budget,
            "source": {"channel": event.source, "reference": wanted.delivery, "by": by},
            "planning": as_value(&planned.planning),
            "plan": as_value(&planned.plan),
        });
        submit(&registry, &call, id, &body, deadline).await
    }
}

fn as_value(value: &impl Serialize) -> Value {
    // What came out of JSON goes into it again.
    serde_json::to_value(value).unwrap_or_default()
}

/// In a line, what happened.
fn objective(event: &NormalisedEvent) -> String {
    let place = event.repository.as_ref().map_or("", |place| place.full_name.as_str());
    let action = event.action.as_deref().unwrap_or("told");
    let title = event.subject.title.as_deref().unwrap_or_default();
    format!("{} {action} in {place}: {title}", event.event_type)
}

async fn submit(
    registry: &Registry,
    call: &EffectCall,
    id: EntityId,
    body: &Value,
    deadline: Instant,
) -> Result<String, EffectError> {
    let workflow = id.to_string();
    let request = Request {
        tenant: call.entity.tenant().clone(),
        id,
        command: "submit".to_owned(),
        body: Json::from(body.clone()).to_string().into(),
        command_id: CommandId(call.idempotency_key),
        keyed: true,
        correlation: CorrelationId(call.idempotency_key),
        trace: Some(call.trace.clone()),
        sender: Some(call.entity.stream()),
        expected: None,
        begins: false,
        deadline,
    };
    match registry.ask_trusted("workflow", request).await {
        Ok(_) => Ok(json!({ "workflow": workflow }).to_string()),
        // Submitted before, perhaps by another plan than would be made today: the first stands.
        Err(Failure::KeyReused | Failure::Rejected { code: "workflow_exists", .. }) => {
            Ok(json!({ "workflow": workflow }).to_string())
        }
        Err(Failure::Rejected { code, detail }) => Err(refused(code, detail)),
        Err(failure) if failure.outcome() == Outcome::Unknown => {
            Err(EffectError::Unknown { detail: failure.to_string() })
        }
        Err(failure) => Err(EffectError::NotSent { detail: failure.to_string() }),
    }
}

fn refused(code: &str, detail: String) -> EffectError {
    EffectError::Refused { code: code.to_owned(), detail }
}

impl EffectHandler for PlannerHandler {
    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        Box::pin(self.carry_out(call))
    }
}
