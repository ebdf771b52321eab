//! Walks a store and names the first thing that isn't as it must be.
//!
//! Checked, in this order: every stream's sequences, links and contents against its chain, that
//! nothing follows a tombstone, and its end against its entity row; every event's readability by this build; every snapshot's place
//! in its stream, its bytes and its digest against a full replay; positions without gaps and the
//! chain over commit batches. What this can't show is in docs/semantics.md: a journal that was cut
//! off and rewritten as a whole is consistent in itself.

mod kinds;

use coppice_core::envelope::TOMBSTONE;
use coppice_core::{Hash, Position, StreamHead, StreamId, invariants};
use coppice_persistence::chain::batch_hash;
use coppice_persistence::{BatchRow, EntityRow, Snapshot, Store, StoreError};
use thiserror::Error;

pub use self::kinds::Kinds;
pub(crate) use self::kinds::{Replay, blind};

/// Rows read at once.
const PAGE: usize = 1_000;

/// What was walked, all of it sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Entities.
    pub entities: u64,
    /// Events.
    pub events: u64,
    /// Commit batches.
    pub batches: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// The last position.
    pub last: Position,
    /// The hash of the last batch, which covers every event before it; zero where there is none.
    pub last_hash: Hash,
}

/// The first fault, or why the walk could not go on.
#[derive(Debug, Error)]
pub enum Unverified {
    /// The store can't be read.
    #[error("the store can not be read")]
    Store(#[source] StoreError),
    /// The first fault.
    #[error("{0}")]
    Fault(String),
}

impl From<StoreError> for Unverified {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { .. } | StoreError::Unreadable { .. } => {
                Self::Fault(error.to_string())
            }
            StoreError::Unavailable { .. }
            | StoreError::Full
            | StoreError::TooNew { .. }
            | StoreError::Migration(_)
            | StoreError::Invalid(_) => Self::Store(error),
        }
    }
}

/// Walks everything.
///
/// # Errors
/// [`Unverified`], at the first fault.
pub async fn verify(store: &dyn Store, kinds: &Kinds) -> Result<Verified, Unverified> {
    let mut verified = Verified {
        entities: 0,
        events: 0,
        batches: 0,
        snapshots: 0,
        last: Position(0),
        last_hash: Hash::ZERO,
    };
    let mut after: Option<StreamId> = None;
    loop {
        let rows = store.entities(after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.key.stream());
        for row in &rows {
            verify_stream(store, kinds, row, &mut verified).await?;
            verified.entities += 1;
        }
    }
    verify_batches(store, &mut verified).await?;
    Ok(verified)
}

async fn verify_stream(
    store: &dyn Store,
    kinds: &Kinds,
    row: &EntityRow,
    verified: &mut Verified,
) -> Result<(), Unverified> {
    let fault = |problem: String| Unverified::Fault(format!("stream {}: {problem}", row.key));
    let replay = kinds.replay(row.key.kind().as_str());
    let mut replay = replay.ok_or_else(|| fault("its kind is not known to this build".into()))?;
    let vault = blind();
    let named = |error: StoreError| match Unverified::from(error) {
        Unverified::Fault(problem) => fault(problem),
        unread @ Unverified::Store(_) => unread,
    };
    let mut compared = false;
    let taken = store.snapshot(&row.key).await.map_err(named)?;
    if let Some(taken) = &taken
        && taken.head.sequence > row.head.sequence
    {
        return Err(fault(format!(
            "its snapshot stands at {}, past its last event {}",
            taken.head.sequence, row.head.sequence
        )));
    }
    let mut head = StreamHead::genesis(&row.key);
    let mut is_ended = false;
    loop {
        let events = store.read_stream(&row.key, head.sequence, PAGE).await.map_err(named)?;
        if events.is_empty() {
            break;
        }
        for event in &events {
            if is_ended {
                let sequence = event.record.sequence;
                return Err(fault(format!("event {sequence}: it follows a tombstone")));
            }
            is_ended = &*event.record.body.event_type == TOMBSTONE;
            head = invariants::check_link(head, &event.record).map_err(|f| fault(f.to_string()))?;
            replay
                .apply(event, &vault)
                .map_err(|problem| fault(format!("event {}: {problem}", head.sequence)))?;
            verified.events += 1;
            if let Some(taken) = &taken
                && taken.head.sequence == head.sequence
            {
                verify_snapshot(replay.as_ref(), taken, head).map_err(&fault)?;
                verified.snapshots += 1;
                compared = true;
            }
        }
    }
    invariants::check_head(row.head, head).map_err(|found| fault(found.to_string()))?;
    match taken {
        Some(taken) if !compared => {
            Err(fault(format!("its snapshot stands at {}, where no event is", taken.head.sequence)))
        }
        Some(_) | None => Ok(()),
    }
}

fn verify_snapshot(replay: &dyn Replay, taken: &Snapshot, head: StreamHead) -> Result<(), String> {
    let at = head.sequence;
    if taken.head.hash != head.hash {
        return Err(format!("its snapshot at {at} does not stand on the event there"));
    }
    if taken.layout != replay.layout() {
        // Recovery ignores it and so do we: it was taken by a build with another layout.
        return Ok(());
    }
    let replayed = replay.digest()?;
    if taken.digest != replayed {
        return Err(format!("the state replayed to {at} does not have the snapshot's digest"));
    }
    let stored = replay
        .snapshot_digest(taken)
        .map_err(|problem| format!("its snapshot at {at} does not read: {problem}"))?;
    if stored != replayed {
        return Err(format!("its snapshot at {at} holds another state than the replay"));
    }
    Ok(())
}

async fn verify_batches(store: &dyn Store, verified: &mut Verified) -> Result<(), Unverified> {
    let mut before = BatchRow {
        number: 0,
        first: Position(0),
        last: Position(0),
        previous_hash: Hash::ZERO,
        hash: Hash::ZERO,
    };
    loop {
        let batches = store.batches(before.number, PAGE).await?;
        if batches.is_empty() {
            break;
        }
        for batch in batches {
            verify_batch(store, &before, &batch).await?;
            verified.batches += 1;
            (verified.last, verified.last_hash) = (batch.last, batch.hash);
            before = batch;
        }
    }
    match store.read_journal(before.last, 1).await?.first() {
        None if verified.events == before.last.0 => Ok(()),
        None => Err(Unverified::Fault(format!(
            "the batches cover {} events but the streams hold {}",
            before.last, verified.events
        ))),
        Some(event) => Err(Unverified::Fault(format!(
            "position {} of stream {} is in no batch",
            event.position, event.key
        ))),
    }
}

async fn verify_batch(
    store: &dyn Store,
    before: &BatchRow,
    batch: &BatchRow,
) -> Result<(), Unverified> {
    let fault = |what: &str| Unverified::Fault(format!("batch {}: {what}", batch.number));
    if batch.number != before.number + 1 {
        return Err(fault("a batch before it is missing"));
    }
    if batch.first != before.last.next() || batch.last < batch.first {
        return Err(fault("its positions do not continue the batch before it"));
    }
    if batch.previous_hash != before.hash {
        return Err(fault("it does not continue the hash of the batch before it"));
    }
    let mut hashes = Vec::new();
    let mut at = before.last;
    while at < batch.last {
        let wanted = usize::try_from(batch.last.0 - at.0).unwrap_or(PAGE).min(PAGE);
        let events = store.read_journal(at, wanted).await?;
        if events.is_empty() {
            return Err(fault("events at its end are missing"));
        }
        for event in events {
            if event.position != at.next() {
                return Err(fault(&format!("position {} is missing", at.next())));
            }
            at = event.position;
            hashes.push(event.record.hash);
        }
    }
    let computed =
        batch_hash(before.hash, batch.number, batch.first, batch.last, hashes.into_iter());
    if computed != batch.hash {
        return Err(fault("its hash does not match its events"));
    }
    Ok(())
}
