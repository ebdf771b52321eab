//! What a tenant did, per kind and day.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A page of days, in order of kind and day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActivityList {
    /// The days on which something happened.
    pub days: Vec<ActivityDay>,
    /// What to ask for the next page with; none where this is the last.
    pub next_cursor: Option<String>,
}

/// One kind's day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActivityDay {
    /// The kind.
    pub kind: String,
    /// The day in UTC, such as `2026-11-21`.
    pub day: String,
    /// Events of its entities, their first ones and deletions included.
    pub events: u64,
    /// Entities that had their first event.
    pub created: u64,
    /// Entities that were deleted.
    pub deleted: u64,
}
