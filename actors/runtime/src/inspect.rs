//! A look at entities and what is around them, as plain data.
//!
//! **Invariant:** nothing is gathered until somebody looks: what is shown is what the runtime keeps
//! anyway, and counters only grow, so that a reader computes rates from two looks.

mod inspector;

use std::time::Duration;

use coppice_core::{Epoch, StreamKey};

pub use self::inspector::Inspector;
pub use crate::temperature::Temperature;

/// The entities of one kind on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// The kind.
    pub kind: &'static str,
    /// Entities in memory.
    pub residents: usize,
    /// Those of them that a cell is alive of; the others hibernate.
    pub running: usize,
    /// Their memory, estimated, in bytes.
    pub resident_bytes: usize,
    /// Entities that have fallen asleep since the start.
    pub hibernated_total: u64,
    /// Entities that have left the memory since the start.
    pub passivated_total: u64,
    /// Crashes of entities since the start.
    pub crashes_total: u64,
    /// Commands whose answers somebody waits for; those of the system itself not counted.
    pub commands_open: usize,
    /// Commands that found a mailbox full since the start.
    pub refused_total: u64,
    /// Entities whose own code has held a thread for longer than it may, at the last look.
    pub stuck: usize,
}

/// What an entity is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Nothing; it waits for its bell.
    Idle,
    /// It reads its journal.
    Recovering,
    /// Its own code runs.
    Deciding,
    /// It looks a command up.
    LookingUp,
}

/// One entity in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorReport {
    /// Which.
    pub key: StreamKey,
    /// How warm it is.
    pub temperature: Temperature,
    /// What it does now.
    pub activity: Activity,
    /// For how long it has, to the second.
    pub activity_for: Duration,
    /// What waits in its mailbox.
    pub mailbox_len: usize,
    /// For how long the first of it has.
    pub oldest_age: Option<Duration>,
    /// Decisions that wait for their commit.
    pub tickets_open: usize,
    /// The epoch that it decides under; `None` before it was recovered.
    pub epoch: Option<Epoch>,
    /// Messages decided since its place was made.
    pub decided_total: u64,
    /// Crashes since its place was made.
    pub crashes_total: u64,
    /// Crashes that count towards taking it out of service.
    pub crashes_in_window: usize,
    /// What its last crash said.
    pub last_error: Option<String>,
    /// How long ago it was last used, to the second.
    pub unused_for: Duration,
    /// Whether it is out of service.
    pub quarantined: bool,
}
