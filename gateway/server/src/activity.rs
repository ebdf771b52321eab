//! What a tenant did, per kind and day: the read model behind `GET /v1/activity`.
//!
//! A count of events, not their content: nothing of a payload is in it, so an erasure has nothing to
//! reach here, and a deletion is a number of its own. Days are UTC, of the time that the event
//! recorded, so they are the same whenever the read model is made again.

use coppice_core::StoredEvent;
use coppice_core::calendar::day;
use coppice_runtime::projection::{
    Before, DocumentRef, ParkPolicy, Projection, Touched, Undigestible,
};
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
}

impl Projection for Activity {
    type Document = Counts;
    type Said = Counts;

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

    fn read(&self, event: &StoredEvent) -> Touched<Counts> {
        let created = u64::from(event.record.sequence.0 == 1);
        Ok(Some((Self::of(event), Counts { events: 1, created, deleted: 0 })))
    }

    fn read_deletion(&self, deletion: &StoredEvent) -> Touched<Counts> {
        Ok(Some((Self::of(deletion), Counts { events: 1, created: 0, deleted: 1 })))
    }

    fn fold(&self, day: Before<Counts>, more: Counts) -> Result<Option<Counts>, Undigestible> {
        let day = day.read()?.unwrap_or_default();
        Ok(Some(Counts {
            events: day.events + more.events,
            created: day.created + more.created,
            deleted: day.deleted + more.deleted,
        }))
    }
}
