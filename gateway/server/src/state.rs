//! What every route can reach.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use coppice_persistence::Store;
use coppice_plugins::Plugins;
use coppice_policy::{Reloading, Schemas};
use coppice_runtime::{Eraser, Feed, Horizons, Inspector, Registry};
use coppice_treasury::Treasury;

use crate::auth::Auth;
use crate::config::ServerConfig;
use crate::ingress::Ingress;
use crate::observed::Observed;
use crate::planning::Planner;
use crate::rates::Rates;
use crate::routes::Switches;
use crate::streams::Streams;

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
    /// How fast tenants may ask.
    pub rates: Rates,
    /// The journal, for lists and streams; without it, there are none.
    pub journal: Option<JournalAccess>,
    /// The places of answers that don't end by themselves.
    pub streams: Streams,
    /// A look into the node; without it, there is nothing at `/v1/inspect`.
    pub inspector: Option<Inspector>,
    /// The system's switches; without them, there is nothing at `/v1/control`.
    pub switches: Option<Switches>,
    /// What erases subjects; without it, there is nothing at `/v1/subjects`.
    pub eraser: Option<Eraser>,
    /// Makes plans of tasks; without it, there is nothing at `/v1/tasks` and `/v1/workflows`.
    pub planner: Option<Planner>,
    /// The plugins; without them, there is nothing at `/v1/plugins` and `/internal/registry`.
    pub plugins: Option<Plugins>,
    /// What moves money; without it, there is nothing at `/v1/money`.
    pub treasury: Option<Treasury>,
    /// What webhooks are taken up with; without it, there is nothing at `/ingress`.
    pub ingress: Option<Arc<Ingress>>,
    /// What decides by policy; without it, there is nothing at `/v1/policy`.
    pub policy: Option<PolicyAccess>,
    /// What is kept of how the node is and what it does.
    pub observed: Observed,
}

/// Policy as the gateway asks it.
#[derive(Debug, Clone)]
pub struct PolicyAccess {
    /// What decides.
    pub authority: Arc<Reloading>,
    /// What checks parameters.
    pub schemas: Arc<Schemas>,
}

/// The journal as the gateway reads it.
#[derive(Clone)]
pub struct JournalAccess {
    /// What was committed.
    pub store: Arc<dyn Store>,
    /// What is committed from now on.
    pub feed: Feed,
    /// How far the read models are.
    pub read_models: Horizons,
}

impl fmt::Debug for JournalAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalAccess").field("feed", &self.feed).finish_non_exhaustive()
    }
}

/// Limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// The largest body.
    pub body_bytes_max: usize,
    /// The largest body of a task or workflow, which brings its input or plan along.
    pub workflow_bytes_max: usize,
    /// Commands under way at which no more are taken in from outside.
    pub commands_open_max: usize,
    /// How long a request is kept that is refused for this.
    pub refusal_pause: Duration,
    /// How long the client waits at most.
    pub timeout: Duration,
}

impl From<&ServerConfig> for RequestLimits {
    fn from(config: &ServerConfig) -> Self {
        Self {
            body_bytes_max: config.body_bytes_max,
            workflow_bytes_max: config.workflow_bytes_max,
            commands_open_max: config.commands_open_max,
            refusal_pause: Duration::from_millis(config.refusal_pause_ms),
            timeout: Duration::from_millis(config.request_timeout_ms),
        }
    }
}
