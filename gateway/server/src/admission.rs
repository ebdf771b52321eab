//! Who may come in: every route asks here first.
//!
//! **Invariants:** nothing is done for a request before its caller is known, its scope allows it and
//! its tenant's limit has room; a refusal by the limit costs no look into the store.

use std::sync::Arc;

use axum::http::request::Parts;
use tokio::time::Instant;

use crate::auth::{Principal, Scope};
use crate::exchange::Exchange;
use crate::problem::Fault;
use crate::state::App;

/// A caller that may go on.
#[derive(Debug)]
pub struct Admitted {
    /// Who it is.
    pub principal: Arc<Principal>,
    /// When its answer is due.
    pub deadline: Instant,
}

impl App {
    /// Lets a request in.
    ///
    /// # Errors
    /// `auth_invalid`, `scope_missing`, `rate_limited`, `malformed_request`.
    pub async fn admit(
        &self,
        parts: &Parts,
        exchange: &Exchange,
        scope: Scope,
    ) -> Result<Admitted, Fault> {
        let deadline = exchange.deadline(parts, self.limits.timeout)?;
        let received = exchange.received();
        let principal = self.auth.authenticate(&parts.headers, scope, received, deadline).await?;
        let (allowance, taken) = self.rates.take(&principal.tenant, scope);
        exchange.allow(allowance);
        taken?;
        Ok(Admitted { principal, deadline })
    }
}
