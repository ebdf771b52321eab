//! What a plugin is handed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ENVELOPE_VERSION;

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputEnvelope {
    /// The task that it belongs to; the answer names it.
    pub task_id: String,
    /// What is to be done, in words.
    pub task_description: String,
    /// Which envelopes the caller speaks.
    pub envelope_version: String,
    /// Which of the manifest's capabilities is asked for.
    pub capability: String,
    /// What it is to be done with; fits the manifest's `input_schema`.
    pub input: Value,
    /// For whom, and with what at hand.
    pub context: InputContext,
    /// Where the call comes from.
    pub metadata: InputMetadata,
    /// Files, snippets, addresses.
    #[serde(default)]
    pub attachments: Vec<Value>,
}

/// For whom something is done, and with what at hand.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InputContext {
    /// The user, where one stands behind it.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The tenant.
    pub tenant_id: String,
    /// What is known of the user.
    #[serde(default)]
    pub user_profile: Value,
    /// The latest turns of the conversation, the oldest first.
    #[serde(default)]
    pub conversation_history: Vec<Value>,
    /// What the tenant's documents have on it.
    #[serde(default)]
    pub org_knowledge_chunks: Vec<Value>,
    /// How the tenant has set the plugin.
    #[serde(default)]
    pub plugin_config: Value,
    /// The secrets that the manifest names. For this call alone.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
}

/// Leaves the secrets out: what is printed is kept.
impl fmt::Debug for InputContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputContext")
            .field("user_id", &self.user_id)
            .field("tenant_id", &self.tenant_id)
            .field("user_profile", &self.user_profile)
            .field("conversation_history", &self.conversation_history)
            .field("org_knowledge_chunks", &self.org_knowledge_chunks)
            .field("plugin_config", &self.plugin_config)
            .field("secrets", &format_args!("({} secrets)", self.secrets.len()))
            .finish()
    }
}

/// Where a call comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputMetadata {
    /// The way by which the task came in, such as `api` or `webhook`.
    pub source_channel: String,
    /// `P0`, the most urgent, to `P3`.
    pub priority: String,
    /// The plugin that asked for it, where one did.
    #[serde(default)]
    pub source_plugin: Option<String>,
    /// What ties together all that follows from one request.
    pub correlation_id: String,
    /// When it was asked for, by RFC 3339.
    pub timestamp: String,
    /// The same for every repeat of this call and for no other; also the header `idempotency-key`.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

impl InputEnvelope {
    /// A call with nothing but what it must have, of the tenant `default`.
    #[must_use]
    pub fn new(task_id: impl Into<String>, description: impl Into<String>) -> Self {
        let task_id = task_id.into();
        Self {
            task_description: description.into(),
            envelope_version: ENVELOPE_VERSION.to_owned(),
            capability: String::new(),
            input: Value::Object(serde_json::Map::new()),
            context: InputContext { tenant_id: "default".to_owned(), ..InputContext::default() },
            metadata: InputMetadata {
                source_channel: "api".to_owned(),
                priority: "P2".to_owned(),
                source_plugin: None,
                correlation_id: task_id.clone(),
                timestamp: "1970-01-01T00:00:00Z".to_owned(),
                idempotency_key: None,
            },
            attachments: Vec::new(),
            task_id,
        }
    }

    /// Asks for a capability.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.capability = capability.into();
        self
    }

    /// What it is to be done with.
    #[must_use]
    pub fn input(mut self, input: Value) -> Self {
        self.input = input;
        self
    }

    /// For whom.
    #[must_use]
    pub fn tenant(mut self, tenant_id: impl Into<String>) -> Self {
        self.context.tenant_id = tenant_id.into();
        self
    }

    /// How the tenant has set the plugin.
    #[must_use]
    pub fn config(mut self, plugin_config: Value) -> Self {
        self.context.plugin_config = plugin_config;
        self
    }

    /// A secret.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, secret: impl Into<String>) -> Self {
        self.context.secrets.insert(name.into(), secret.into());
        self
    }

    /// Something that goes along.
    #[must_use]
    pub fn attachment(mut self, attachment: Value) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// What a repeat of the call is known by.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.metadata.idempotency_key = Some(key.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_envelope_holds_no_secret() {
        let input = InputEnvelope::new("t", "d").secret("GITHUB_TOKEN", "hunter2");
        let printed = format!("{input:?} {input:#?}");
        assert!(!printed.contains("hunter2") && printed.contains("(1 secrets)"), "{printed}");
        assert_eq!(input.context.secrets["GITHUB_TOKEN"], "hunter2");
    }
}
