//! Limits of plugins, with their defaults and reasons.

use std::num::NonZeroU32;
use std::time::Duration;

use coppice_domain::plugin::breaker;

use crate::secrets::PluginSecrets;

/// What is allowed to plugins that ask for no more: every scope that there is a meaning for.
pub const SCOPES: [&str; 7] = [
    "context:read",
    "store:read",
    "store:write",
    "knowledge:read",
    "knowledge:write",
    "plugin:chain",
    "secrets:*",
];

/// Limits of plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginOptions {
    /// The longest that any call may take, whatever its manifest says. Default two minutes.
    pub call_timeout: Duration,
    /// The largest answer, in bytes. Default 256 KiB: it becomes part of an event.
    pub answer_bytes_max: usize,
    /// Failures in a row that open a circuit breaker. Default 3.
    pub failures_max: NonZeroU32,
    /// Unhealthy reports in a row that open it. Default 3.
    pub unhealthy_max: NonZeroU32,
    /// How long it stays open. Default a minute.
    pub cooldown: Duration,
    /// How often a version is asked how it is. Default half a minute.
    pub health_every: Duration,
    /// How long it may think about it. Default 5 s.
    pub health_timeout: Duration,
    /// Versions that are asked at the same time. Default 8.
    pub health_at_once: usize,
    /// How long the node waits for its own entities. Default 5 s, longer than a commit takes.
    pub patience: Duration,
    /// What plugins may need; `secrets:*` stands for every secret's name.
    pub scopes: Vec<String>,
    /// What the names in their manifests stand for. Default none.
    pub secrets: PluginSecrets,
}

impl Default for PluginOptions {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(120),
            answer_bytes_max: 256 * 1024,
            failures_max: breaker::FAILURES_MAX,
            unhealthy_max: breaker::UNHEALTHY_MAX,
            cooldown: Duration::from_millis(u64::from(breaker::COOLDOWN_MS.get())),
            health_every: Duration::from_secs(30),
            health_timeout: Duration::from_secs(5),
            health_at_once: 8,
            patience: Duration::from_secs(5),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            secrets: PluginSecrets::default(),
        }
    }
}

impl PluginOptions {
    /// Whether a plugin may need a scope.
    #[must_use]
    pub fn allows(&self, scope: &str) -> bool {
        self.scopes.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(family) => scope.len() > family.len() && scope.starts_with(family),
            None => allowed == scope,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_what_follows_it_and_for_nothing_else() {
        let options = PluginOptions::default();
        for allowed in ["context:read", "store:write", "secrets:GITHUB_TOKEN"] {
            assert!(options.allows(allowed), "{allowed}");
        }
        for refused in ["", "context", "context:write", "secrets:", "secrets", "host:root", "*"] {
            assert!(!options.allows(refused), "{refused}");
        }
    }
}
