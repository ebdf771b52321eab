//! `Prefer: wait=N` (RFC 7240): an answer that waits for the end of a workflow.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use coppice_api::codes;
use coppice_core::{EntityId, EntityKind, TenantId};
use coppice_runtime::{Follower, Scope as Follows};
use tokio::time::{Instant, timeout_at};

use super::KIND;
use crate::problem::Fault;
use crate::routes::journal::unreadable;
use crate::state::JournalAccess;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The event that ends a workflow.
const ENDED: &str = "workflow.ended.v1";

/// How long before its deadline a request stops waiting, so that the answer still arrives.
const ANSWER_TIME: Duration = Duration::from_millis(100);

/// How long a client waits for the end; not at all where it doesn't say.
pub(super) fn patience(headers: &HeaderMap) -> Result<Option<Duration>, Fault> {
    let malformed = || Fault::new(codes::MALFORMED_REQUEST, "Prefer: wait takes whole seconds");
    let mut patience = None;
    for value in headers.get_all(PREFER) {
        let text = value.to_str().map_err(|_| malformed())?;
        for preference in text.split(',').map(str::trim) {
            // What isn't known is ignored, as the RFC has it.
            let Some(seconds) = preference.strip_prefix("wait=") else { continue };
            let seconds = seconds.trim_matches('"').parse::<u32>().map_err(|_| malformed())?;
            patience = Some(Duration::from_secs(seconds.into()));
        }
    }
    Ok(patience)
}

/// Follows one workflow until it ends.
pub(super) struct Ending {
    follower: Follower,
    until: Instant,
}

impl Ending {
    /// From now on, for so long.
    pub(super) async fn of(
        journal: &JournalAccess,
        tenant: TenantId,
        id: EntityId,
        patience: Duration,
    ) -> Result<Self, Fault> {
        let until = Instant::now() + patience;
        let scope = Follows { tenant, kind: EntityKind::new(KIND).ok(), id: Some(id) };
        let follower = journal.feed.follow(scope, None).await;
        let follower = follower.map_err(|error| unreadable(&error))?;
        Ok(Self { follower, until })
    }

    /// Returns once it has ended, or the time is up, or it can't be followed any more: whoever
    /// waited looks for itself.
    pub(super) async fn waited(mut self, deadline: Instant) {
        let until = self.until.min(deadline.checked_sub(ANSWER_TIME).unwrap_or(deadline));
        while let Ok(Ok(events)) = timeout_at(until, self.follower.next()).await {
            if events.iter().any(|event| *event.record.body.event_type == *ENDED) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Result<Option<Duration>, Fault> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, value.parse().unwrap());
        }
        patience(&headers)
    }

    #[test]
    fn a_client_says_how_long_it_waits_among_other_preferences() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["respond-async, wait=5"]), Ok(Some(Duration::from_secs(5))));
        assert_eq!(of(&["x", "wait=\"2\""]), Ok(Some(Duration::from_secs(2))));
        for wrong in ["wait=", "wait=-1", "wait=soon"] {
            assert!(of(&[wrong]).is_err(), "{wrong}");
        }
    }
}
