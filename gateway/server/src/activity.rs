//! What a tenant did, per kind and day: the read model behind `GET /v1/activity`.
//!
//! A count of events, not their content: nothing of a payload is in it, so an erasure has nothing to
//! reach here, and a deletion is a number of its own. Days are UTC, of the time that the event
//! recorded, so they are the same whenever the read model is made again.

use coppice_core::StoredEvent;
use coppice_core::calendar::day;
use coppice_runtime::projection::{DocumentRef, ParkPolicy, Projection, Undigestible};
use serde::{Deserialize, Serialize};

/// The subscription and the read model.
pub const ACTIVITY: &str = "activity";

/// One kind's day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Events, the first ones and deletions included.
    pub events: u64,
    /// Entities that had their first event.
    pub created: u64,
    /// Entities that were deleted.
    pub deleted: u64,
}

/// The projection.
#[derive(Debug, Clone, Copy)]
pub struct Activity;

impl Activity {
    fn of(event: &StoredEvent) -> DocumentRef {
        let (kind, day) = (event.key.kind(), day(event.record.body.recorded_at.as_micros()));
        DocumentRef { tenant: event.key.tenant().clone(), id: format!("{kind}/{day}").into() }
    }

    fn counted(
        body: Option<&str>,
        count: impl FnOnce(&mut Counts),
    ) -> Result<Option<String>, Undigestible> {
        let fault = |error: serde_json::Error| Undigestible(error.to_string());
        let mut counts =
            body.map_or_else(|| Ok(Counts::default()), serde_json::from_str).map_err(fault)?;
        counts.events += 1;
        count(&mut counts);
        serde_json::to_string(&counts).map(Some).map_err(fault)
    }
}

impl Projection for Activity {
    fn name(&self) -> &'static str {
        ACTIVITY
    }

    fn model(&self) -> &'static str {
        ACTIVITY
    }

    fn park_policy(&self) -> ParkPolicy {
        // A count that misses one event is off by one; one that waits for it is off by all.
        ParkPolicy::GoOn
    }

    fn document(&self, event: &StoredEvent) -> Result<Option<DocumentRef>, Undigestible> {
        Ok(Some(Self::of(event)))
    }

    fn fold(
        &self,
        body: Option<&str>,
        event: &StoredEvent,
    ) -> Result<Option<String>, Undigestible> {
        Self::counted(body, |counts| counts.created += u64::from(event.record.sequence.0 == 1))
    }

    fn document_of_deleted(
        &self,
        deletion: &StoredEvent,
    ) -> Result<Option<DocumentRef>, Undigestible> {
        Ok(Some(Self::of(deletion)))
    }

    fn fold_deletion(
        &self,
        body: Option<&str>,
        _: &StoredEvent,
    ) -> Result<Option<String>, Undigestible> {
        Self::counted(body, |counts| counts.deleted += 1)
    }
}
