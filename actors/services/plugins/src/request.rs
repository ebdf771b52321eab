//! What the effect `plugin` asks for, and what it gives.

use coppice_core::{Json, Timestamp, calendar};
use coppice_plugin_sdk::{
    ENVELOPE_VERSION, ExecutionMeta, InputContext, InputEnvelope, InputMetadata, OutputStatus,
};
use coppice_runtime::EffectCall;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The request of an effect with the handler `plugin`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRequest {
    /// The workflow; it is the envelope's task.
    pub workflow: String,
    /// The step.
    pub step: String,
    /// The plugin's name.
    pub plugin: String,
    /// Which versions will do, such as `^1.2`; any, where it is none.
    #[serde(default)]
    pub version: Option<String>,
    /// What is asked for.
    pub capability: String,
    /// The same in words.
    #[serde(default)]
    pub description: String,
    /// What it is to be done with.
    #[serde(default)]
    pub input: Value,
    /// `P0` to `P3`.
    #[serde(default = "ordinary")]
    pub priority: String,
    /// Whether a person has said that it may be done.
    #[serde(default)]
    pub approved: bool,
    /// Files, snippets, addresses.
    #[serde(default)]
    pub attachments: Vec<Value>,
    /// Another plugin, which is asked the same where this one fails for good.
    #[serde(default)]
    pub fallback: Option<String>,
    /// What a repeat is known by, where the effect's own key would be another each time that the
    /// step is tried again.
    #[serde(default)]
    pub idempotency_key: Option<Uuid>,
    /// When it was asked for; now, where it isn't said.
    #[serde(default)]
    pub requested_at: Option<Timestamp>,
    /// What ties together all that follows from one request; the trace of this try, where it isn't
    /// said.
    #[serde(default)]
    pub correlation: Option<String>,
    /// The way by which the task came in.
    #[serde(default = "api")]
    pub channel: String,
    /// The user behind it.
    #[serde(default)]
    pub user: Option<String>,
}

fn ordinary() -> String {
    "P2".to_owned()
}

fn api() -> String {
    "api".to_owned()
}

/// The response of such an effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallResponse {
    /// `success` or `partial`.
    pub status: OutputStatus,
    /// For programs.
    pub output: Value,
    /// For people.
    pub result: String,
    /// What was made.
    pub artifacts: Vec<Value>,
    /// The version that did it: `name@version`.
    pub plugin: String,
    /// The policy's answer as it is to be recorded.
    pub policy: Json,
    /// What it took; left out where the plugin says nothing of it.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub meta: ExecutionMeta,
    /// How sure the plugin is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// What could be done next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next_steps: Vec<String>,
    /// That something which was used will go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_warning: Option<String>,
    /// The version that failed before this one was asked in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_of: Option<String>,
}

fn is_unsaid(meta: &ExecutionMeta) -> bool {
    *meta == ExecutionMeta::default()
}

impl CallRequest {
    /// What a repeat is known by.
    pub(crate) fn key(&self, call: &EffectCall) -> Uuid {
        self.idempotency_key.unwrap_or(call.idempotency_key)
    }

    fn correlation(&self, call: &EffectCall) -> String {
        self.correlation.clone().unwrap_or_else(|| call.trace.uuid().to_string())
    }

    /// The envelope of a call.
    pub(crate) fn envelope(&self, call: &EffectCall, now: Timestamp) -> InputEnvelope {
        InputEnvelope {
            task_id: self.workflow.clone(),
            task_description: self.description.clone(),
            envelope_version: ENVELOPE_VERSION.to_owned(),
            capability: self.capability.clone(),
            input: self.input.clone(),
            context: InputContext {
                user_id: self.user.clone(),
                tenant_id: call.entity.tenant().to_string(),
                ..InputContext::default()
            },
            metadata: InputMetadata {
                source_channel: self.channel.clone(),
                priority: self.priority.clone(),
                source_plugin: None,
                correlation_id: self.correlation(call),
                timestamp: calendar::utc(self.requested_at.unwrap_or(now).as_micros()),
                idempotency_key: Some(self.key(call).to_string()),
            },
            attachments: self.attachments.clone(),
        }
    }
}
