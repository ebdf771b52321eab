//! A workflow as a reader sees it.

use coppice_core::{Json, Timestamp};
use serde::Serialize;

use super::decide::end_name;
use super::event::{Budget, EndStatus, Settlement, Source};
use super::graph::{StepStatus, index};
use super::state::{State, Work};

/// What whoever commands it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The workflow.
    pub id: String,
    /// Where it stands.
    pub status: &'static str,
}

impl Receipt {
    pub(super) fn new(work: &Work, status: &'static str) -> Self {
        Self { id: work.about.workflow.clone(), status }
    }
}

/// Why a step's last try failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepError {
    /// A stable code.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepView {
    /// Its id.
    pub id: String,
    /// What it needs.
    pub needs: Vec<String>,
    /// Who carries it out, as `name@version` once it has.
    pub plugin: String,
    /// What is asked for.
    pub capability: String,
    /// Whether its plan has a person agree before.
    pub approval: bool,
    /// Where it stands.
    pub status: &'static str,
    /// Runs that were begun.
    pub tries: u32,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
    /// What it gave.
    pub output: Option<Json>,
    /// The same for people.
    pub result: String,
    /// Why its last try failed.
    pub error: Option<StepError>,
    /// Who agreed.
    pub approved_by: Option<String>,
    /// The intent that it is paid under.
    pub intent: Option<String>,
    /// How that ended.
    pub settlement: Option<Settlement>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// Its id, also as a task.
    pub id: String,
    /// Where it stands.
    pub status: &'static str,
    /// What is to be reached.
    pub objective: String,
    /// The kind of task.
    pub task_type: Option<String>,
    /// The plan's name.
    pub plan: String,
    /// P0 to P3.
    pub priority: String,
    /// What it may spend.
    pub budget: Option<Budget>,
    /// Where it came from.
    pub source: Source,
    /// What the planner found.
    pub planning: Option<Json>,
    /// Why it failed, was cancelled or rejected.
    pub reason: Option<String>,
    /// Steps in all.
    pub steps_total: usize,
    /// Steps that are over.
    pub steps_over: usize,
    /// Steps that wait for a person.
    pub approvals: Vec<String>,
    /// When it was submitted, in microseconds since 1970.
    pub submitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its steps, in the order of the plan.
    pub steps: Vec<StepView>,
}

/// Where a workflow stands, in the words of its one state machine.
pub(super) fn status_of(work: &Work) -> &'static str {
    match &work.ended {
        Some(ended) => end_name(ended.status),
        None if work.waits => StepStatus::Pending.name(),
        None if work.tally.in_flight > 0 || work.tally.settling > 0 => "running",
        None if !work.retrying.is_empty() => "running",
        None if !work.asked.is_empty() => StepStatus::WaitingApproval.name(),
        None => StepStatus::Queued.name(),
    }
}

/// A step that isn't over when its workflow is halted never runs.
fn step_status(work: &Work, status: StepStatus) -> StepStatus {
    let Some(halted) = work.tally.halted else { return status };
    if status.is_over() || status == StepStatus::Running {
        return status;
    }
    match halted {
        EndStatus::Cancelled => StepStatus::Cancelled,
        EndStatus::Success | EndStatus::Partial | EndStatus::Failed | EndStatus::Rejected => {
            StepStatus::Skipped
        }
    }
}

pub(super) fn view(state: &State) -> Option<View> {
    let work = state.work.as_deref()?;
    let about = &work.about;
    let places = 0..work.graph.count();
    let steps: Vec<StepView> = places.map(|place| step(work, place)).collect();
    let over = |place: &u32| step_status(work, work.cells[index(*place)].status).is_over();
    let named = |place: &u32| work.graph.plan.steps[index(*place)].id.clone();
    Some(View {
        id: about.workflow.clone(),
        status: status_of(work),
        objective: about.objective.clone(),
        task_type: about.task_type.clone(),
        plan: work.graph.plan.name.clone(),
        priority: about.priority.clone(),
        budget: about.budget.clone(),
        source: about.source.clone(),
        planning: about.planning.clone(),
        reason: work.halt_reason.clone(),
        steps_total: steps.len(),
        steps_over: (0..work.graph.count()).filter(over).count(),
        approvals: work.asked.iter().map(named).collect(),
        submitted_at: about.at,
        ended_at: work.ended.as_ref().map(|ended| ended.at),
        steps,
    })
}

fn step(work: &Work, place: u32) -> StepView {
    let (step, record) = (&work.graph.plan.steps[index(place)], &work.records[index(place)]);
    let plugin = if record.plugin.is_empty() { &step.plugin } else { &record.plugin };
    let error = record.error.as_ref();
    StepView {
        id: step.id.clone(),
        needs: step.needs.clone(),
        plugin: plugin.clone(),
        capability: step.capability.clone(),
        approval: step.approval,
        status: step_status(work, work.cells[index(place)].status).name(),
        tries: record.tries,
        retry_at: work.pending.timer(&super::state::timer(place)),
        output: record.end.map(|_| record.output.clone()),
        result: record.result.clone(),
        error: error.map(|(code, detail)| StepError { code: code.clone(), detail: detail.clone() }),
        approved_by: record.approved_by.clone(),
        intent: record.intent.clone(),
        settlement: record.settlement,
        finished_at: record.finished_at,
    }
}
