//! Every limit of the runtime, with its default and the reason for it.

use std::time::Duration;

/// Limits of a node's runtime.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// Commands that may wait in front of one entity. Default 1,024: at the slowest sensible
    /// 1,000 commands a second it is a second's worth, about what a caller waits for.
    pub mailbox_capacity: usize,
    /// Commands that one turn of an entity takes. Default 256: one entity must not hold a worker
    /// thread for longer than a commit takes.
    pub drain_batch: usize,
    /// Decisions of one entity that may await their commit. Default 1,024: enough to fill a batch
    /// from one hot entity while another batch commits.
    pub tickets_open_max: usize,
    /// Tickets in one commit; one of several events counts as so many. Default 1,024: past it the
    /// append's time grows in proportion.
    pub batch_tickets_max: usize,
    /// Payload and reply bytes in one commit. Default 8 MiB, so that large events do not stretch a
    /// commit to seconds.
    pub batch_bytes_max: usize,
    /// Events after which a snapshot is taken. Default 500: a tail of 500 replays in a few ms.
    pub snapshot_every: u64,
    /// Snapshots that may wait to be saved. Default 1,024; one that finds no place is left out.
    pub snapshots_waiting_max: usize,
    /// Answers to keyed commands that an entity remembers in memory. Default 256; older ones are
    /// in the command table.
    pub command_window: usize,
    /// How long the answer to a keyed command is kept. Default 24 h.
    pub command_retention: Duration,
    /// Entities that a node keeps in memory. Default 1,000,000.
    pub residents_max: usize,
    /// How often a command is decided again after its ticket fell. Default 8: more means that two
    /// owners write at once, which a lease is there to end.
    pub redecisions_max: u8,
    /// How long a caller waits past its deadline for the entity's own word. Default 250 ms.
    pub answer_grace: Duration,
    /// The first wait before an unavailable store is tried again; it doubles up to
    /// `store_retry_max`. Default 10 ms.
    pub store_retry_first: Duration,
    /// The longest wait before an unavailable store is tried again. Default 1 s.
    pub store_retry_max: Duration,
    /// Memory of one kind's entities, estimated, in bytes. Default 2 GiB. Past 95 % of it, or of
    /// `residents_max`, those that hibernate longest make room.
    pub resident_bytes_max: usize,
    /// An entity that is idle for so long hibernates. Default 10 s: longer than the pauses of a
    /// conversation between machines, and a cell costs 7 KB to keep and 5 us to start.
    pub hibernate_after: Duration,
    /// An entity that hibernates for so long is passivated. Default 10 min: longer than a person
    /// thinks.
    pub passivate_after: Duration,
    /// Events behind the last snapshot that need no new one when an entity is passivated. Default
    /// 50: to read them back costs about what a snapshot does.
    pub passivation_tail_max: u64,
    /// How long the entity's own code may take for one decision. Default 1 s; longer counts as a
    /// crash, since whatever it waits for holds a thread of the node.
    pub decide_limit: Duration,
    /// Crashes on the same message after which it is taken out of delivery. Default 3: once may be
    /// chance, twice the retry, three times the message.
    pub message_crashes_max: u32,
    /// Crashes of one entity within `crash_window` after which it is taken out of service.
    /// Default 10: three poisoned messages, each tried out, and one more.
    pub entity_crashes_max: u32,
    /// The window of `entity_crashes_max`. Default 60 s.
    pub crash_window: Duration,
    /// Effects that may wait in one pool. Default 10,000; what finds no place stays owed by its
    /// entity and is found again by a scan.
    pub pool_queue_max: usize,
    /// Effects of one pool that may be under way, those included that wait to be tried again.
    /// Default 1,024.
    pub pool_open_max: usize,
    /// Lives of the node in which an effect may be started without that its outcome is recorded,
    /// before it is taken out of delivery. Default 10: a node that is killed at random takes many
    /// effects with it that are not to blame.
    pub effect_starts_max: u32,
    /// Effects that are computed behind one command, before the rest is called as effects are.
    /// Default 64: each is an event or two, and the commit with them is to stay a small one. 0
    /// computes none.
    pub computed_max: usize,
    /// How long a turn of an entity may compute before the rest is called. Default 5 ms, about a
    /// commit: it holds a worker thread.
    pub computing: Duration,
    /// How long the node waits for an entity to take a message of its own before it tries again.
    /// Default 5 s.
    pub delivery_patience: Duration,
    /// What the spread of waits is drawn from. A node draws a seed of its own.
    pub jitter_seed: u64,
    /// Events read at once in recovery and by subscriptions. Default 1,000.
    pub read_page: usize,
    /// Followers of the journal that read it by themselves at the same time, since they are further
    /// behind than what is in memory. Default 2: half of the embedded store's readers.
    pub catch_ups_max: usize,
    /// Bytes of payload that a follower of the journal takes at once. Default 1 MiB.
    pub catch_up_bytes_max: usize,
    /// How long a read model waits for more commits once it was woken by one. Default 50 ms: twenty
    /// steps a second under load, and nobody who waits for it is kept waiting.
    pub projection_linger: Duration,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            mailbox_capacity: 1_024,
            drain_batch: 256,
            tickets_open_max: 1_024,
            batch_tickets_max: 1_024,
            batch_bytes_max: 8 * 1_024 * 1_024,
            snapshot_every: 500,
            snapshots_waiting_max: 1_024,
            command_window: 256,
            command_retention: Duration::from_secs(24 * 60 * 60),
            residents_max: 1_000_000,
            redecisions_max: 8,
            answer_grace: Duration::from_millis(250),
            store_retry_first: Duration::from_millis(10),
            store_retry_max: Duration::from_secs(1),
            resident_bytes_max: 2 * 1_024 * 1_024 * 1_024,
            hibernate_after: Duration::from_secs(10),
            passivate_after: Duration::from_secs(600),
            passivation_tail_max: 50,
            decide_limit: Duration::from_secs(1),
            message_crashes_max: 3,
            entity_crashes_max: 10,
            crash_window: Duration::from_secs(60),
            pool_queue_max: 10_000,
            pool_open_max: 1_024,
            effect_starts_max: 10,
            computed_max: 64,
            computing: Duration::from_millis(5),
            delivery_patience: Duration::from_secs(5),
            jitter_seed: 0,
            read_page: 1_000,
            catch_ups_max: 2,
            catch_up_bytes_max: 1_024 * 1_024,
            projection_linger: Duration::from_millis(50),
        }
    }
}
