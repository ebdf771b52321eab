//! Whoever was let in and stays: until when.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use tokio::time::{Instant, sleep};

use super::{Auth, AuthError, Scope};

/// How long one look may take. One that takes longer tells nothing, and there is a next one.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

impl Auth {
    /// Resolves once the caller of a request would not be let in any more: at once where its key is
    /// revoked here, else at the next look. While the keys can't be read, nothing is known, and it
    /// waits.
    pub async fn lapse(
        &self,
        headers: &HeaderMap,
        scope: Scope,
        look_every: Duration,
    ) -> AuthError {
        // What identifies the caller, and nothing else, is kept for as long as it stays.
        let mut presented = HeaderMap::new();
        for value in headers.get_all(header::AUTHORIZATION) {
            let mut value = value.clone();
            value.set_sensitive(true);
            presented.append(header::AUTHORIZATION, value);
        }
        let mut revocations = self.revocations.subscribe();
        loop {
            let now = Instant::now();
            match self.authenticate(&presented, scope, now, now + LOOK_WITHIN).await {
                Ok(_) | Err(AuthError::Busy | AuthError::Store(_)) => {}
                Err(error) => return error,
            }
            tokio::select! {
                // The sender is this one's.
                _ = revocations.changed() => {}
                () = sleep(look_every) => {}
            }
        }
    }
}
