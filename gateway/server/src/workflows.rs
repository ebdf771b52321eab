//! Workflows of a tenant, newest first: the read models behind the lists.
//!
//! A document's id begins with the time of submission, counted down, so that the order of ids is
//! newest first. `workflows` has all of them, `active_workflows` those that haven't ended. What
//! happens between is not in them: whoever lists those that are active asks them.

use coppice_core::{DomainEvent, Entity, StoredEvent, Timestamp};
use coppice_domain::workflow::Workflow;
use coppice_domain::workflow::flow::{EndStatus, Event};
use coppice_runtime::projection::{
    Before, DocumentRef, ParkPolicy, Projection, Touched, Undigestible,
};
use serde::{Deserialize, Serialize};

/// Every workflow.
pub const WORKFLOWS: &str = "workflows";
/// Those that haven't ended.
pub const ACTIVE: &str = "active_workflows";

/// A workflow in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// What is to be reached.
    pub objective: String,
    /// The kind of task.
    pub task_type: Option<String>,
    /// The plan's name.
    pub plan: String,
    /// P0 to P3.
    pub priority: String,
    /// Steps in all.
    pub steps_total: usize,
    /// When it was submitted, in microseconds since 1970.
    pub submitted_at: i64,
    /// How it ended, once it has.
    pub status: Option<EndStatus>,
    /// When.
    pub ended_at: Option<i64>,
}

/// The projection, of all workflows or of the active ones.
#[derive(Debug, Clone, Copy)]
pub struct Listing {
    name: &'static str,
    keeps_ended: bool,
}

impl Listing {
    /// Of all workflows.
    pub const ALL: Self = Self { name: WORKFLOWS, keeps_ended: true };
    /// Of those that haven't ended.
    pub const ACTIVE: Self = Self { name: ACTIVE, keeps_ended: false };
}

/// The event types that lists follow.
const FOLLOWED: [&str; 3] = ["workflow.submitted.v1", "workflow.planned.v1", "workflow.ended.v1"];

fn followed(event: &StoredEvent) -> Result<Option<Event>, Undigestible> {
    let body = &event.record.body;
    if event.key.kind().as_str() != Workflow::KIND || !FOLLOWED.contains(&&*body.event_type) {
        return Ok(None);
    }
    let decoded = Event::decode(&body.event_type, &body.payload);
    decoded.map(Some).map_err(|error| Undigestible(error.to_string()))
}

/// Later times come first.
fn document_id(submitted_at: Timestamp, workflow: &str) -> String {
    let micros = u64::try_from(submitted_at.as_micros()).unwrap_or_default();
    format!("{:016x}.{workflow}", u64::MAX - micros)
}

/// What the lists follow of a workflow.
#[derive(Debug)]
pub enum Said {
    /// It was planned, as this entry has it.
    Submitted(Box<Entry>),
    /// It ended.
    Ended {
        /// How.
        status: EndStatus,
        /// When, in microseconds since 1970.
        at: i64,
    },
}

impl Projection for Listing {
    type Document = Entry;
    type Said = Said;

    fn name(&self) -> &'static str {
        self.name
    }

    fn model(&self) -> &'static str {
        self.name
    }

    fn park_policy(&self) -> ParkPolicy {
        // A list without one workflow is better than one that ends there.
        ParkPolicy::GoOn
    }

    fn read(&self, event: &StoredEvent) -> Touched<Said> {
        let (at, said) = match followed(event)? {
            Some(Event::Submitted(submitted) | Event::Planned(submitted)) => {
                let at = submitted.at;
                let entry = Entry {
                    id: submitted.workflow,
                    objective: submitted.objective,
                    task_type: submitted.task_type,
                    plan: submitted.plan.name,
                    priority: submitted.priority,
                    steps_total: submitted.plan.steps.len(),
                    submitted_at: at.as_micros(),
                    status: None,
                    ended_at: None,
                };
                (at, Said::Submitted(Box::new(entry)))
            }
            Some(Event::Ended(ended)) => {
                let said = Said::Ended { status: ended.status, at: ended.at.as_micros() };
                (ended.submitted_at, said)
            }
            _ => return Ok(None),
        };
        let id = document_id(at, event.key.id().as_str()).into();
        Ok(Some((DocumentRef { tenant: event.key.tenant().clone(), id }, said)))
    }

    fn read_deletion(&self, _: &StoredEvent) -> Touched<Said> {
        // Callers can't delete a guarded kind, and the platform never does.
        Ok(None)
    }

    fn fold(&self, entry: Before<Entry>, said: Said) -> Result<Option<Entry>, Undigestible> {
        match said {
            Said::Submitted(entry) => Ok(Some(*entry)),
            Said::Ended { .. } if !self.keeps_ended => Ok(None),
            Said::Ended { status, at } => {
                let missing = || Undigestible("the workflow's beginning is missing".to_owned());
                let entry = entry.read()?.ok_or_else(missing)?;
                Ok(Some(Entry { status: Some(status), ended_at: Some(at), ..entry }))
            }
        }
    }
}
