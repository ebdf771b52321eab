//! Tasks, workflows, approvals.

use coppice_core::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What may be spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// In minor units of the asset.
    pub amount: i64,
    /// The asset, such as `USD`.
    pub asset: String,
}

/// A task to be planned and carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    /// What kind of task; one that has no plan of its own gets the generic one.
    pub task_type: String,
    /// What is to be reached, for people.
    pub description: String,
    /// What it is about: an object that the plan's steps refer to.
    #[serde(default)]
    pub parameters: Option<Value>,
    /// P0 to P3, or HIGH or NORMAL.
    #[serde(default)]
    pub priority: Option<String>,
    /// What it may spend.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Whether it is only planned, until `POST /v1/workflows/{id}/begin`.
    #[serde(default)]
    pub waits: bool,
}

/// A workflow to be carried out, by a plan of its own or one that is known by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowRequest {
    /// What is to be reached, for people.
    pub objective: String,
    /// The plan's name; this or `plan`.
    #[serde(default)]
    pub template: Option<String>,
    /// The plan itself: `name`, `parallel_max` and `steps`.
    #[serde(default)]
    pub plan: Option<Value>,
    /// An object that the plan's steps refer to.
    #[serde(default)]
    pub input: Option<Value>,
    /// P0 to P3, or HIGH or NORMAL.
    #[serde(default)]
    pub priority: Option<String>,
    /// What it may spend.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Whether it is only planned, until `POST /v1/workflows/{id}/begin`.
    #[serde(default)]
    pub waits: bool,
}

/// A task was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskAccepted {
    /// Its id, which is its workflow's.
    pub task_id: String,
    /// Where it stands.
    pub status: String,
    /// Whether this repeats the first answer.
    pub repeated: bool,
}

/// A workflow was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowAccepted {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: String,
    /// Whether this repeats the first answer.
    pub repeated: bool,
}

/// A person's word about a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequest {
    /// Whether the step may run.
    pub approved: bool,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Which step; the only one that waits where unset.
    #[serde(default)]
    pub step_id: Option<String>,
}

/// A workflow that waits is to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginRequest {}

/// Why a workflow is to be cancelled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// For people.
    #[serde(default)]
    pub reason: String,
}

/// Where work came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    /// `api`, `github` or another way in.
    pub channel: String,
    /// What it is called there.
    #[serde(default)]
    pub reference: Option<String>,
    /// SHA-256 of the request as it came, in hex.
    #[serde(default)]
    pub request_hash: Option<String>,
    /// Who asked.
    #[serde(default)]
    pub by: Option<String>,
}

/// Why a step's last try failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepErrorView {
    /// A stable code.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// A step of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// `pending`, `queued`, `running`, `waiting_approval`, `success`, `partial`, `failed`,
    /// `skipped`, `cancelled` or `rejected`.
    pub status: String,
    /// Runs that were begun.
    pub tries: u32,
    /// When it is tried again, in microseconds since 1970.
    pub retry_at: Option<i64>,
    /// What it gave.
    #[schemars(with = "Option<Value>")]
    pub output: Option<Json>,
    /// The same for people.
    pub result: String,
    /// Why its last try failed.
    pub error: Option<StepErrorView>,
    /// Who agreed.
    pub approved_by: Option<String>,
    /// The intent that it is paid under.
    pub intent: Option<String>,
    /// `posted`, `voided`, `expired` or `refused`, once that is known.
    pub settlement: Option<String>,
    /// When it was over.
    pub finished_at: Option<i64>,
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowView {
    /// Its id, also as a task.
    pub id: String,
    /// `pending`, `queued`, `running`, `waiting_approval`, `success`, `partial`, `failed`,
    /// `cancelled` or `rejected`.
    pub status: String,
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
    pub source: SourceView,
    /// What the planner found: its analysis, and what policy was asked and said.
    #[schemars(with = "Option<Value>")]
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
    pub submitted_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Its steps, in the order of the plan.
    pub steps: Vec<StepView>,
}

/// A task: a client's handle on a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskView {
    /// Its id, which is its workflow's.
    pub task_id: String,
    /// As the workflow's.
    pub status: String,
    /// What it gave: the output of its last step that did.
    #[schemars(with = "Option<Value>")]
    pub result: Option<Json>,
    /// The workflow behind it.
    pub workflow: WorkflowView,
}

/// A workflow in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowEntry {
    /// Its id, also as a task.
    pub id: String,
    /// What is to be reached.
    pub objective: String,
    /// The kind of task.
    pub task_type: Option<String>,
    /// The plan's name.
    pub plan: String,
    /// P0 to P3.
    pub priority: String,
    /// Where it stands.
    pub status: String,
    /// Steps in all.
    pub steps_total: usize,
    /// When it was submitted, in microseconds since 1970.
    pub submitted_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
}

/// A page of workflows, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowList {
    /// The workflows.
    pub workflows: Vec<WorkflowEntry>,
    /// What to ask for the next page with; none where this is the last.
    pub next_cursor: Option<String>,
}

/// A page of tasks, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskList {
    /// The tasks.
    pub tasks: Vec<WorkflowEntry>,
    /// What to ask for the next page with; none where this is the last.
    pub next_cursor: Option<String>,
}
