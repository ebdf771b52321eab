//! What a plugin answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::input::InputEnvelope;
use crate::{ENVELOPE_VERSION, speaks};

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStatus {
    /// All of it was done.
    Success,
    /// Some of it was done.
    Partial,
    /// Nothing of it was done.
    Failed,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputEnvelope {
    /// The call's task.
    pub task_id: String,
    /// Which envelopes the plugin speaks.
    pub envelope_version: String,
    /// How it went.
    pub status: OutputStatus,
    /// What came of it, for people.
    #[serde(default)]
    pub result: String,
    /// What came of it, for programs: fits the manifest's `output_schema`, unless it failed.
    #[serde(default)]
    pub output: Value,
    /// What was made.
    #[serde(default)]
    pub artifacts: Vec<Value>,
    /// How sure the plugin is, from 0 to 1.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// Why it failed, for people. A failure always says it.
    #[serde(default)]
    pub error: Option<String>,
    /// Why it failed, one of [`codes`](crate::codes) or the plugin's own.
    #[serde(default)]
    pub error_code: Option<String>,
    /// What could be done next, for people.
    #[serde(default)]
    pub next_steps: Vec<String>,
    /// That something which was used will go.
    #[serde(default)]
    pub deprecation_warning: Option<String>,
    /// What it took.
    #[serde(default)]
    pub execution_meta: ExecutionMeta,
}

/// What a call took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecutionMeta {
    /// Tokens, both ways.
    #[serde(default)]
    pub tokens_used: u64,
    /// Time, by the plugin's own clock.
    #[serde(default)]
    pub latency_seconds: f64,
    /// Agents that took part.
    #[serde(default)]
    pub agents_invoked: u32,
    /// The model.
    #[serde(default)]
    pub model_used: Option<String>,
    /// What it cost, about: a decimal number with its currency, as text.
    #[serde(default)]
    pub cost_estimate: Option<String>,
    /// How it was decided who does it.
    #[serde(default)]
    pub routing_method: Option<String>,
    /// Whether it took more tokens than the budget had.
    #[serde(default)]
    pub budget_exceeded: bool,
}

/// What an answer says that no answer may say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OutputError {
    /// It answers something else.
    #[error("the answer is of the task {found:?} and not of {expected:?}")]
    Task {
        /// The call's task.
        expected: String,
        /// The answer's.
        found: String,
    },
    /// It speaks other envelopes.
    #[error("envelopes of version {0:?} are not understood")]
    Version(String),
    /// It is surer than sure.
    #[error("the confidence is not between 0 and 1")]
    Confidence,
    /// A time below zero, or none at all.
    #[error("the latency is no time")]
    Latency,
    /// It failed and doesn't say why.
    #[error("a failure says why")]
    Silent,
}

impl OutputEnvelope {
    /// All of it was done.
    #[must_use]
    pub fn success(input: &InputEnvelope, result: impl Into<String>) -> Self {
        Self::of(input, OutputStatus::Success, result.into())
    }

    /// Some of it was done.
    #[must_use]
    pub fn partial(input: &InputEnvelope, result: impl Into<String>) -> Self {
        Self::of(input, OutputStatus::Partial, result.into())
    }

    /// Nothing of it was done.
    #[must_use]
    pub fn failed(input: &InputEnvelope, code: &str, error: impl Into<String>) -> Self {
        let failed = Self::of(input, OutputStatus::Failed, String::new());
        Self { error: Some(error.into()), error_code: Some(code.to_owned()), ..failed }
    }

    fn of(input: &InputEnvelope, status: OutputStatus, result: String) -> Self {
        Self {
            task_id: input.task_id.clone(),
            envelope_version: ENVELOPE_VERSION.to_owned(),
            status,
            result,
            output: Value::Null,
            artifacts: Vec::new(),
            confidence: None,
            error: None,
            error_code: None,
            next_steps: Vec::new(),
            deprecation_warning: None,
            execution_meta: ExecutionMeta::default(),
        }
    }

    /// What came of it, for programs.
    #[must_use]
    pub fn with_output(mut self, output: Value) -> Self {
        self.output = output;
        self
    }

    /// Something that was made.
    #[must_use]
    pub fn with_artifact(mut self, artifact: Value) -> Self {
        self.artifacts.push(artifact);
        self
    }

    /// How sure the plugin is.
    #[must_use]
    pub fn with_confidence(mut self, confidence: f64) -> Self {
        self.confidence = Some(confidence);
        self
    }

    /// Something that could be done next.
    #[must_use]
    pub fn with_next_step(mut self, step: impl Into<String>) -> Self {
        self.next_steps.push(step.into());
        self
    }

    /// What it took.
    #[must_use]
    pub fn with_meta(mut self, meta: ExecutionMeta) -> Self {
        self.execution_meta = meta;
        self
    }

    /// Checks what types can't say.
    ///
    /// # Errors
    /// The first thing that no answer to that task may say.
    pub fn check(&self, task_id: &str) -> Result<(), OutputError> {
        if self.task_id != task_id {
            let (expected, found) = (task_id.to_owned(), self.task_id.clone());
            return Err(OutputError::Task { expected, found });
        }
        if !speaks(&self.envelope_version) {
            return Err(OutputError::Version(self.envelope_version.clone()));
        }
        if self.confidence.is_some_and(|sure| !(0.0..=1.0).contains(&sure)) {
            return Err(OutputError::Confidence);
        }
        let latency = self.execution_meta.latency_seconds;
        if !latency.is_finite() || latency < 0.0 {
            return Err(OutputError::Latency);
        }
        let says = self.error.as_deref().is_some_and(|error| !error.is_empty());
        if self.status == OutputStatus::Failed && !says {
            return Err(OutputError::Silent);
        }
        Ok(())
    }
}
