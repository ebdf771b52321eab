//! Webhooks: what is known of a delivery before any entity is asked.
//!
//! **Invariants:** nothing of a body is looked at before its signature is verified over the bytes as
//! they came; a secret is never printed; the bytes of all bodies at once are bounded, whoever sends
//! them.
//!
//! **Deliberately absent:** the body itself. What is kept of it is its hash and what the domain's
//! table takes out of it.

mod examine;
mod routing;
mod signature;

use std::collections::BTreeSet;
use std::sync::Arc;

use coppice_core::TenantId;
use coppice_domain::ingress::Routing;
use tokio::sync::Semaphore;

use crate::config::{IngressConfig, WebhookSecrets};

pub use self::examine::{Examined, examine};
pub use self::routing::{DEFAULT_RULES, RoutingFault};
pub use self::signature::{Secrets, SignatureFault};

/// What the webhooks' routes can reach.
#[derive(Debug)]
pub struct Ingress {
    /// What GitHub signs with; without it, its webhooks are refused.
    pub github: Option<Arc<Secrets>>,
    /// Whose deliveries GitHub's are.
    pub github_tenant: TenantId,
    /// Where events go.
    pub routing: Routing,
    /// The largest body.
    pub body_bytes_max: usize,
    /// A place for each byte of a body.
    pub places: Semaphore,
}

impl Ingress {
    /// As configured, with rules that lead to these plans.
    ///
    /// # Errors
    /// [`RoutingFault`] where the rules can't be used.
    pub fn new(
        config: &IngressConfig,
        github: Option<&WebhookSecrets>,
        plans: &BTreeSet<String>,
    ) -> Result<Self, RoutingFault> {
        Ok(Self {
            github: github.map(|secrets| Arc::new(Secrets::new(secrets))),
            github_tenant: config.github.tenant.clone(),
            routing: routing::read(&config.routing, plans)?,
            body_bytes_max: config.body_bytes_max,
            places: Semaphore::new(config.held_bytes_max),
        })
    }
}
