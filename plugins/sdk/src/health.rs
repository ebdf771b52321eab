//! How a plugin says that it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It does all that it should.
    Healthy,
    /// It works, and not all of it.
    Degraded,
    /// It is of no use.
    Unhealthy,
}

/// A plugin's answer to how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// As a whole. An unhealthy version is offered to nobody, a degraded one only where no version
    /// is healthy; three unhealthy reports in a row open its circuit breaker.
    pub status: Health,
    /// The same of its parts, such as a model or a remote service.
    #[serde(default)]
    pub components: BTreeMap<String, Health>,
    /// What there is to say about it, for people.
    #[serde(default)]
    pub message: Option<String>,
}

impl HealthReport {
    /// All is well.
    #[must_use]
    pub fn healthy() -> Self {
        Self { status: Health::Healthy, components: BTreeMap::new(), message: None }
    }

    /// It works, and not all of it.
    #[must_use]
    pub fn degraded(message: impl Into<String>) -> Self {
        Self { status: Health::Degraded, message: Some(message.into()), ..Self::healthy() }
    }

    /// It is of no use.
    #[must_use]
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self { status: Health::Unhealthy, message: Some(message.into()), ..Self::healthy() }
    }

    /// Says how a part is. The whole stays what it was said to be.
    #[must_use]
    pub fn component(mut self, name: impl Into<String>, health: Health) -> Self {
        self.components.insert(name.into(), health);
        self
    }
}
