//! Bodies of the older paths, in the words that their clients know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A task to be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStart {
    /// What kind of task.
    pub task_type: String,
    /// What is to be reached, for people.
    #[serde(default)]
    pub description: String,
    /// What it is about.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Further members are parameters as well, such as `wallet_address`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A task was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStarted {
    /// Its id, which is its workflow's.
    pub task_id: String,
    /// `pending`, `executing`, `waiting_approval`, `completed`, `failed` or `rejected`.
    pub status: String,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanStep {
    /// Its id.
    pub step_id: String,
    /// What is done.
    #[serde(rename = "type")]
    pub step_type: String,
    /// Whether a person has to agree before.
    pub requires_approval: bool,
}

/// A plan, before it is carried out and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanView {
    /// Its id.
    pub plan_id: String,
    /// The id of its task, which is the same.
    pub task_id: String,
    /// `pending` before it is carried out, and then as the task's.
    pub status: String,
    /// What kind of task.
    pub task_type: Option<String>,
    /// The steps, in the order of the plan.
    pub steps: Vec<PlanStep>,
    /// What the planner found of the task.
    pub analysis: Option<Value>,
    /// What policy was asked and said.
    pub policy: Option<Value>,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
}

/// A plan is to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanExecute {
    /// Which.
    pub plan_id: String,
}

/// A step of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStep {
    /// Its id.
    pub step_id: String,
    /// What is done.
    #[serde(rename = "type")]
    pub step_type: String,
    /// As the task's.
    pub status: String,
    /// What it gave.
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A task with where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStatus {
    /// Its id.
    pub task_id: String,
    /// `pending`, `executing`, `waiting_approval`, `completed`, `failed` or `rejected`.
    pub status: String,
    /// Where it stands in the words of `/v1`, which tell more apart.
    pub state: String,
    /// What kind of task.
    pub task_type: Option<String>,
    /// What is to be reached.
    pub description: String,
    /// The plan's name.
    pub plan_id: String,
    /// Who started it.
    pub user_id: Option<String>,
    /// The step that it is at, from 1; `total_steps` once all are over.
    pub current_step: usize,
    /// Steps in all.
    pub total_steps: usize,
    /// The steps, in the order of the plan.
    pub steps: Vec<TaskStep>,
    /// Steps that wait for a person.
    pub waiting_approval: Vec<String>,
    /// When it was started, in microseconds since 1970.
    pub created_at: i64,
    /// When it last changed in a way that shows here, likewise.
    pub updated_at: i64,
}

/// An objective to be reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveGiven {
    /// What is to be reached, in 2,000 characters at most.
    pub objective: String,
    /// What it may spend, in US cents.
    #[serde(default)]
    pub budget_cents: Option<i64>,
    /// The plan's name; the generic one where unset.
    #[serde(default)]
    pub plan: Option<String>,
    /// An object that the plan's steps refer to.
    #[serde(default)]
    pub parameters: Option<Value>,
}

/// An objective was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectiveTaken {
    /// The workflow's id.
    pub id: String,
    /// `PENDING`.
    pub status: String,
}

/// One step to be carried out by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepGiven {
    /// The caller's name for the task that it belongs to.
    pub task_id: String,
    /// The step.
    pub step: StepBody,
}

/// The step itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepBody {
    /// Its name within the task.
    pub step_id: String,
    /// What is done: a step type of the plugin `builtin`; one that it doesn't know is handled as
    /// `generic_action`, and recorded as such.
    #[serde(rename = "type")]
    pub step_type: String,
    /// What it is done with.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Whether a person must agree before.
    #[serde(default)]
    pub requires_approval: bool,
}

/// The record of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Execution {
    /// The workflow that it is recorded in.
    pub task_id: String,
    /// The step.
    pub step_id: String,
    /// What was done.
    pub step_type: String,
    /// `pending`, `executing`, `waiting_approval`, `completed`, `failed` or `rejected`.
    pub status: String,
    /// What it gave.
    pub result: Option<Value>,
    /// SHA-256 of its canonical input, in hex; none before it has run.
    pub input_hash: Option<String>,
    /// SHA-256 of its canonical output, in hex.
    pub output_hash: Option<String>,
    /// When it was over, in microseconds since 1970.
    pub timestamp: Option<i64>,
}

/// What was recorded of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditLog {
    /// The task.
    pub task_id: String,
    /// The step's place in the plan, from 0.
    pub step_index: usize,
    /// The step.
    pub step_id: String,
    /// What was done.
    pub step_type: String,
    /// SHA-256 of its canonical input, in hex.
    pub input_hash: String,
    /// SHA-256 of its canonical output, in hex; none where it failed.
    pub output_hash: Option<String>,
    /// `completed` or `failed`.
    pub status: String,
    /// When, in microseconds since 1970.
    pub timestamp: i64,
    /// The hash of the event that records it, in hex: it covers everything before it in the task.
    pub event_hash: String,
}

/// What was recorded of a task's steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditLogs {
    /// The task.
    pub task_id: String,
    /// What the id names: `workflow`, which is the task.
    pub kind: String,
    /// Its records, in the order of the plan's steps.
    pub logs: Vec<AuditLog>,
}
