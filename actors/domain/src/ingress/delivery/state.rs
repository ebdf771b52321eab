//! What a delivery is.

use coppice_core::{Effect, EffectId, EffectMode, Pending, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::event::NormalisedEvent;
use super::super::routing::Route;
use super::event::{Event, Received};
use crate::workflow::flow::Priority;

/// The effect handler that makes a workflow of an event.
pub const PLANNER: &str = "planner";

/// A delivery owes one call at most.
const PLAN: &str = "plan";

/// The entity of a source's delivery.
#[must_use]
pub fn entity_id(source: &str, delivery: &str) -> String {
    format!("{source}:{delivery}")
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    delivery: String,
    pub(super) body_sha256: String,
    /// JSON text: a snapshot can't hold what describes itself.
    event: String,
    route: Option<Route>,
    at: Timestamp,
}

/// What the planner made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Plan {
    Made { workflow: String },
    Failed { code: String, detail: String },
}

/// A delivery's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) message: Option<Message>,
    plan: Option<Plan>,
    pub(super) pending: Pending,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing has come yet.
    Expected,
    /// No rule matched: it is kept and nothing is done.
    Unrouted,
    /// The planner is asked.
    Planning,
    /// There is a workflow.
    Planned,
    /// There is none, and there will be none.
    Failed,
}

/// A delivery as a caller sees it.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// How far it has come.
    pub status: Status,
    /// The source's own id of it.
    pub delivery: Option<String>,
    /// SHA-256 of the body as it came, in hexadecimal.
    pub body_sha256: Option<String>,
    /// What it says.
    pub event: Option<Box<RawValue>>,
    /// Where it goes.
    pub route: Option<Route>,
    /// When it came, in microseconds since 1970.
    pub received_at: Option<Timestamp>,
    /// What was made of it.
    pub workflow: Option<String>,
    /// Why nothing was.
    pub failure: Option<Failure>,
}

/// Why a workflow could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// A stable code.
    pub code: String,
    /// The same for people.
    pub detail: String,
}

/// Whether a rule took a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// One did.
    Routed,
    /// None did.
    Unrouted,
}

/// The answer to whoever delivers: the first time and, but for the last members, every time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The source's own id of it.
    pub delivery: String,
    /// Whether a rule took it.
    pub outcome: Outcome,
    /// The plan that it goes to.
    pub plan: Option<String>,
    /// What was made of it, once it is.
    pub workflow: Option<String>,
    /// Whether it had come before.
    pub repeated: bool,
}

/// What the planner is asked; it needs nothing else.
#[derive(Serialize)]
struct PlanRequest<'a> {
    delivery: &'a str,
    plan: &'a str,
    priority: Priority,
    event: &'a NormalisedEvent,
}

impl State {
    pub(super) fn receipt(&self, repeated: bool) -> Receipt {
        let message = self.message.as_ref();
        let route = message.and_then(|message| message.route.as_ref());
        Receipt {
            delivery: message.map(|message| message.delivery.clone()).unwrap_or_default(),
            outcome: if route.is_some() { Outcome::Routed } else { Outcome::Unrouted },
            plan: route.map(|route| route.plan.clone()),
            workflow: self.workflow().map(str::to_owned),
            repeated,
        }
    }

    pub(super) fn workflow(&self) -> Option<&str> {
        match &self.plan {
            Some(Plan::Made { workflow }) => Some(workflow),
            Some(Plan::Failed { .. }) | None => None,
        }
    }

    pub(super) fn view(&self) -> View {
        let message = self.message.as_ref();
        let failure = match &self.plan {
            Some(Plan::Failed { code, detail }) => {
                Some(Failure { code: code.clone(), detail: detail.clone() })
            }
            Some(Plan::Made { .. }) | None => None,
        };
        View {
            status: self.status(),
            delivery: message.map(|message| message.delivery.clone()),
            body_sha256: message.map(|message| message.body_sha256.clone()),
            event: message.and_then(|message| RawValue::from_string(message.event.clone()).ok()),
            route: message.and_then(|message| message.route.clone()),
            received_at: message.map(|message| message.at),
            workflow: self.workflow().map(str::to_owned),
            failure,
        }
    }

    fn status(&self) -> Status {
        match (&self.message, &self.plan) {
            (None, _) => Status::Expected,
            (Some(_), Some(Plan::Made { .. })) => Status::Planned,
            (Some(_), Some(Plan::Failed { .. })) => Status::Failed,
            (Some(Message { route: Some(_), .. }), None) => Status::Planning,
            (Some(Message { route: None, .. }), None) => Status::Unrouted,
        }
    }

    fn receive(&mut self, received: &Received) {
        let Received { delivery, body_sha256, event, route, at } = received;
        if let Some(Route { plan, priority, .. }) = route {
            let request = PlanRequest { delivery, plan, priority: *priority, event };
            let effect = Effect {
                handler: PLANNER.into(),
                request: text(&request).into(),
                mode: EffectMode::Retry,
            };
            self.pending.add_effect(EffectId(PLAN.into()), effect);
        }
        self.message = Some(Message {
            delivery: delivery.clone(),
            body_sha256: body_sha256.clone(),
            event: text(event),
            route: route.clone(),
            at: *at,
        });
    }
}

/// Strings, numbers and maps of them always serialize; the handler would refuse an empty request.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::Received(received) => state.receive(received),
        Event::Planned(planned) => {
            state.pending.remove_effect(&planned.effect);
            state.plan = Some(Plan::Made { workflow: planned.workflow.clone() });
        }
        Event::PlanFailed(failed) => {
            state.pending.remove_effect(&failed.effect);
            let (code, detail) = (failed.code.clone(), failed.detail.clone());
            state.plan = Some(Plan::Failed { code, detail });
        }
    }
    state
}
