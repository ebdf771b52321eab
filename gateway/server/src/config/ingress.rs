//! The settings of webhooks.

use std::path::PathBuf;

use coppice_core::TenantId;
use serde::Deserialize;

/// Webhooks. Their secrets come from the environment only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngressConfig {
    /// The file with the rules of what goes to which plan; empty for those of this build.
    pub routing: PathBuf,
    /// The largest body.
    pub body_bytes_max: usize,
    /// Bytes of bodies that are held at the same time.
    pub held_bytes_max: usize,
    /// GitHub's.
    pub github: GithubIngressConfig,
}

/// GitHub's webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubIngressConfig {
    /// Whose deliveries they are.
    pub tenant: TenantId,
}
