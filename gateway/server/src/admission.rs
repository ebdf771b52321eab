//! Who may come in: every route asks here first.
//!
//! **Invariants:** nothing is done for a request before its caller is known, its scope allows it,
//! its tenant's limit has room and, for one that writes, the node has; a refusal by a limit costs no
//! look into the store. What operators do is never refused for the load: they may be what ends it.
//! Who is refused for it hears so after a pause: a client that comes again at once would else have
//! the node spend on refusals what it needs for the rest.

use std::sync::Arc;

use axum::http::header;
use axum::http::request::Parts;
use coppice_api::codes;
use tokio::time::{Instant, sleep_until};

use crate::auth::{AuthError, Principal, Scope};
use crate::exchange::Exchange;
use crate::metrics::AuthRefusal;
use crate::problem::Fault;
use crate::rates::Class;
use crate::state::App;
use crate::tls::Certified;

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
    /// `auth_invalid`, `scope_missing`, `rate_limited`, `overloaded`, `malformed_request`.
    pub async fn admit(
        &self,
        parts: &Parts,
        exchange: &Exchange,
        scope: Scope,
    ) -> Result<Admitted, Fault> {
        let deadline = exchange.deadline(parts, self.limits.timeout)?;
        let received = exchange.received();
        let http = &self.observed.http;
        let principal = match certified(parts) {
            Some(caller) if caller.may(scope) => Ok(Arc::clone(caller)),
            Some(_) => Err(AuthError::ScopeMissing(scope)),
            None => self.auth.authenticate(&parts.headers, scope, received, deadline).await,
        };
        let principal = principal.inspect_err(|error| http.auth_refused(reason(error)))?;
        exchange.belongs_to(&principal.tenant);
        let class = Class::of(scope);
        let (allowance, taken) = self.rates.take(&principal.tenant, class);
        exchange.allow(allowance);
        taken.inspect_err(|_| http.rate_refused(scope))?;
        if class == Class::Write && self.registry.commands_open() >= self.limits.commands_open_max {
            let pause = Instant::now() + self.limits.refusal_pause;
            sleep_until(pause.min(deadline)).await;
            let detail = "the node has as many commands under way as it may";
            return Err(Fault::new(codes::OVERLOADED, detail));
        }
        Ok(Admitted { principal, deadline })
    }
}

const fn reason(error: &AuthError) -> AuthRefusal {
    match error {
        AuthError::Missing | AuthError::Invalid(_) => AuthRefusal::Key,
        AuthError::ScopeMissing(_) => AuthRefusal::Scope,
        AuthError::Busy | AuthError::Store(_) => AuthRefusal::Unchecked,
    }
}

/// The caller by its connection's certificate, for requests that present nothing themselves: what is
/// presented decides alone, also where it is wrong.
///
/// A browser shows its certificate whichever page asks, so a page's request, which says whose it is,
/// has to present something.
fn certified(parts: &Parts) -> Option<&Arc<Principal>> {
    let Certified(caller) = parts.extensions.get()?;
    let asks = [header::AUTHORIZATION, header::ORIGIN];
    let alone = !asks.iter().any(|name| parts.headers.contains_key(name));
    alone.then_some(caller)
}
