//! What every route can reach.

use std::sync::Arc;
use std::time::Duration;

use coppice_runtime::{Eraser, Inspector, Registry};

use crate::auth::Auth;
use crate::config::ServerConfig;

/// What every route can reach. Cheap to clone.
pub type AppState = Arc<App>;

/// The parts of [`AppState`].
#[derive(Debug)]
pub struct App {
    /// Every entity kind of this node.
    pub registry: Registry,
    /// Verifies API keys.
    pub auth: Auth,
    /// Limits of one request.
    pub limits: RequestLimits,
    /// A look into the node; without it, there is nothing at `/v1/inspect`.
    pub inspector: Option<Inspector>,
    /// What erases subjects; without it, there is nothing at `/v1/subjects`.
    pub eraser: Option<Eraser>,
}

/// Limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// The largest body.
    pub body_bytes_max: usize,
    /// How long the client waits at most.
    pub timeout: Duration,
}

impl From<&ServerConfig> for RequestLimits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            body_bytes_max: config.body_bytes_max,
            timeout: Duration::from_millis(config.request_timeout_ms),
        }
    }
}
