//! Answers of `/v1/inspect`. Counters end in `_total` and only grow; two looks, with their
//! `sequence` and `at`, give a rate. Times are microseconds since 1970, durations milliseconds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The node's supervision tree with the figures of what runs in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TreeView {
    /// How many looks this process has given; a smaller one than before is another process.
    pub sequence: u64,
    /// When this one was.
    pub at: i64,
    /// The root supervisor.
    pub tree: TreeNode,
    /// The entities by kind.
    pub kinds: Vec<KindView>,
    /// Calls to the outside by handler.
    pub pools: Vec<PoolView>,
    /// Group commit.
    pub writer: WriterView,
    /// Timers of entities in memory that are not due yet.
    pub timers: usize,
}

/// A supervisor or a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TreeNode {
    /// Its name among its siblings.
    pub name: String,
    /// `supervisor` or `worker`.
    pub kind: String,
    /// `one_for_one`, `one_for_all`, `rest_for_one` or `dynamic`; none for a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// Where it is, in lower case.
    pub state: String,
    /// How often it was started.
    pub incarnation: u64,
    /// Restarts that it caused.
    pub restarts_total: u64,
    /// Those that still count against its supervisor's intensity.
    pub restarts_in_window: usize,
    /// How its last incarnation ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
    /// In start order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Self>,
}

/// The entities of one kind on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KindView {
    /// The kind.
    pub kind: String,
    /// Entities in memory.
    pub residents: usize,
    /// Their memory, estimated.
    pub resident_bytes: usize,
    /// Entities that fell asleep.
    pub hibernated_total: u64,
    /// Entities that left the memory.
    pub passivated_total: u64,
    /// Crashes.
    pub crashes_total: u64,
    /// Entities that are stuck in their own code.
    pub stuck: usize,
}

/// The effects of one handler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolView {
    /// The handler.
    pub name: String,
    /// Effects that wait or are under way.
    pub outstanding: usize,
    /// Calls at the same time, at most.
    pub concurrency: usize,
    /// Calls made.
    pub calls_total: u64,
    /// Calls that were tried again.
    pub retries_total: u64,
    /// Effects whose outcome is recorded.
    pub settled_total: u64,
    /// Effects that were computed in the turn that added them, and so not called.
    pub computed_total: u64,
}

/// Group commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WriterView {
    /// Whether the store gives no answers at present.
    pub degraded: bool,
    /// Tickets that wait for the next commit.
    pub waiting: usize,
    /// Commits.
    pub batches_total: u64,
    /// Tickets that were committed.
    pub committed_total: u64,
    /// Tickets that fell.
    pub fallen_total: u64,
    /// Tries that the store gave no answer to.
    pub store_retries_total: u64,
}

/// Several actors, those first that hold most up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActorList {
    /// The actors.
    pub actors: Vec<ActorView>,
}

/// One entity as an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActorView {
    /// The entity's kind.
    pub kind: String,
    /// The entity within it.
    pub id: String,
    /// When this was.
    pub at: i64,
    /// `running`, `hibernated` or `passivated`.
    pub temperature: String,
    /// `idle`, `recovering`, `deciding` or `looking_up`.
    pub activity: String,
    /// For how long, to the second.
    pub activity_ms: u64,
    /// What it waits for: `nothing`, `commit` or `store`.
    pub waits_for: String,
    /// What waits in its mailbox.
    pub mailbox_len: usize,
    /// For how long the first of it has.
    pub mailbox_oldest_ms: Option<u64>,
    /// Decisions that wait for their commit.
    pub tickets_open: usize,
    /// The epoch that it decides under.
    pub epoch: Option<u64>,
    /// Messages decided.
    pub decided_total: u64,
    /// Crashes.
    pub crashes_total: u64,
    /// Crashes that count towards taking it out of service.
    pub crashes_in_window: usize,
    /// What its last crash said.
    pub last_error: Option<String>,
    /// How long ago it was last used, to the second.
    pub unused_ms: u64,
    /// Whether it is out of service.
    pub quarantined: bool,
}

/// A page of dead letters, in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterList {
    /// The letters.
    pub dead_letters: Vec<DeadLetterView>,
    /// What to ask for the next page with; none where this is the last.
    pub next_after: Option<u64>,
}

/// An actor that was told to begin anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActorRestarted {
    /// The entity's kind.
    pub kind: String,
    /// The entity's id.
    pub id: String,
    /// Whether it was in memory. One that isn't reads its journal with its next message anyway.
    pub restarted: bool,
}

/// A dead letter that was replayed or discarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LetterDecided {
    /// Which one.
    pub id: Uuid,
}

/// A message out of delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterView {
    /// Names the letter.
    pub id: Uuid,
    /// Its place in the list.
    pub number: u64,
    /// The entity's kind.
    pub kind: String,
    /// The entity.
    pub entity: String,
    /// `command`, `timer`, `effect` or `entity`.
    pub message: String,
    /// The command's name, or the id of the timer or effect.
    pub name: String,
    /// The command's or the effect's body, JSON text, where it was kept.
    pub body: Option<String>,
    /// `crashed`, `process_ended`, `outcome_unknown`, `refused` or `no_handler`.
    pub reason: String,
    /// The same for people.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it came here.
    pub at: i64,
}
