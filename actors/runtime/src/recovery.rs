//! From rows to a living state: snapshot if the journal agrees with it, then the tail.
//!
//! **Invariant:** every event that is applied has been checked against the chain, and the walk ends
//! exactly where the entity's row says the stream ends. A snapshot that doesn't fit (another
//! layout, bytes that don't read, a hash that the journal doesn't have) is ignored; a journal that
//! doesn't fit is an error that names the stream and the event.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use coppice_core::canonical::state_digest;
use coppice_core::envelope::{EventBody, TOMBSTONE};
use coppice_core::sensitive::Vault;
use coppice_core::{
    CommandId, DomainEvent, Entity, Sequence, StreamHead, StreamKey, Timestamp, invariants,
};
use coppice_persistence::{EntityRow, Snapshot, Store, StoreError, snapshot};
use tracing::warn;

use crate::answer::Failure;
use crate::personal::{AtHand, Keys, NoKeys, Place, Scope, Subjects};

/// An entity as its journal has it.
#[derive(Debug)]
pub struct Recovered<S> {
    /// The state after the last event.
    pub state: S,
    /// Where the stream ends.
    pub head: StreamHead,
    /// The latest time that the stream recorded.
    pub recorded_at: Timestamp,
    /// The sequence that the snapshot used stands at; 0 where none was used.
    pub snapshot_at: Sequence,
    /// Whether the stream ended with a tombstone.
    pub deleted: bool,
    /// The commands behind the events that were replayed: a repeat of one is likely a retry.
    pub causes: HashSet<CommandId>,
    /// Whose personal data was read on the way.
    pub subjects: Subjects,
}

/// Recovers an entity, with a vault that has all its keys at hand, if there is one.
///
/// # Errors
/// [`Failure::StoreUnavailable`], or [`Failure::Damaged`] naming what is wrong.
pub async fn recover<K: Entity>(
    store: &dyn Store,
    key: &StreamKey,
    vault: Option<&Arc<dyn Vault>>,
    page: usize,
) -> Result<Recovered<K::State>, Failure> {
    let keys: Arc<dyn Keys> = match vault {
        Some(vault) => Arc::new(AtHand(Arc::clone(vault))),
        None => Arc::new(NoKeys),
    };
    let place = Place { tenant: key.tenant().clone(), epoch: None };
    recover_in::<K>(store, key, &Scope::new(keys, place), page).await
}

/// Recovers an entity; keys of personal data are loaded as they are met.
pub(crate) async fn recover_in<K: Entity>(
    store: &dyn Store,
    key: &StreamKey,
    vault: &Arc<Scope>,
    page: usize,
) -> Result<Recovered<K::State>, Failure> {
    let row = store.entity(key).await.map_err(|error| failure(key, error))?;
    let genesis = StreamHead::genesis(key);
    let Some(row) = row else { return Ok(fresh::<K>(genesis)) };
    if row.key != *key {
        return Err(damaged(key, "its row belongs to another entity"));
    }
    if row.head.sequence.0 == 0 {
        return Ok(fresh::<K>(genesis));
    }
    match from_snapshot::<K>(store, key, &row, vault, page).await? {
        Some(recovered) => Ok(recovered),
        None => replay::<K>(store, fresh::<K>(genesis), key, &row, vault, page).await,
    }
}

/// An entity that has no events.
pub(crate) fn unbegun<K: Entity>(key: &StreamKey) -> Recovered<K::State> {
    fresh::<K>(StreamHead::genesis(key))
}

fn fresh<K: Entity>(head: StreamHead) -> Recovered<K::State> {
    Recovered {
        state: K::State::default(),
        head,
        recorded_at: Timestamp::EPOCH,
        snapshot_at: Sequence(0),
        deleted: false,
        causes: HashSet::new(),
        subjects: Subjects::new(),
    }
}

async fn from_snapshot<K: Entity>(
    store: &dyn Store,
    key: &StreamKey,
    row: &EntityRow,
    vault: &Arc<Scope>,
    page: usize,
) -> Result<Option<Recovered<K::State>>, Failure> {
    let taken = match store.snapshot(key).await {
        Ok(Some(taken)) => taken,
        Ok(None) => return Ok(None),
        Err(error) => {
            warn!(%key, %error, "snapshot can't be read, replaying");
            return Ok(None);
        }
    };
    let Some(state) = usable::<K>(key, row, &taken, vault).await? else { return Ok(None) };
    // The event at the snapshot's sequence tells whether the journal agrees with it.
    let before = Sequence(taken.head.sequence.0 - 1);
    let at = store.read_stream(key, before, 1).await.map_err(|error| failure(key, error))?;
    // A tombstone has no state to take a snapshot of.
    let agrees = |event: &&coppice_core::StoredEvent| {
        event.record.head() == taken.head && &*event.record.body.event_type != TOMBSTONE
    };
    let Some(event) = at.first().filter(agrees) else {
        warn!(%key, sequence = taken.head.sequence.0, "snapshot disagrees with the journal");
        return Ok(None);
    };
    let start = Recovered {
        state,
        head: taken.head,
        recorded_at: event.record.body.recorded_at,
        snapshot_at: taken.head.sequence,
        deleted: false,
        causes: HashSet::from([event.record.body.causation]),
        subjects: vault.subjects(),
    };
    replay::<K>(store, start, key, row, vault, page).await.map(Some)
}

/// The state of a snapshot, where it can be one of this stream.
async fn usable<K: Entity>(
    key: &StreamKey,
    row: &EntityRow,
    taken: &Snapshot,
    vault: &Arc<Scope>,
) -> Result<Option<K::State>, Failure> {
    let sequence = taken.head.sequence.0;
    if taken.layout != K::SNAPSHOT_LAYOUT || sequence == 0 || sequence > row.head.sequence.0 {
        return Ok(None);
    }
    let read = || {
        let state = snapshot::decode::<K::State>(&taken.state);
        state.map(|state| (state_digest(&state).ok(), state))
    };
    match vault.complete(read).await? {
        Ok((digest, state)) if digest == Some(taken.digest) => Ok(Some(state)),
        Ok(_) => {
            warn!(%key, sequence, "snapshot does not have its digest, replaying");
            Ok(None)
        }
        Err(error) => {
            warn!(%key, sequence, %error, "snapshot does not read, replaying");
            Ok(None)
        }
    }
}

async fn replay<K: Entity>(
    store: &dyn Store,
    mut at: Recovered<K::State>,
    key: &StreamKey,
    row: &EntityRow,
    vault: &Arc<Scope>,
    page: usize,
) -> Result<Recovered<K::State>, Failure> {
    while at.head.sequence < row.head.sequence {
        let events = store
            .read_stream(key, at.head.sequence, page)
            .await
            .map_err(|error| failure(key, error))?;
        if events.is_empty() {
            break;
        }
        // One look for all keys of the page; what isn't named here is loaded as it is met.
        let named = events.iter().filter_map(|event| event.record.body.subject.clone());
        vault.expect(named.collect()).await?;
        for event in events {
            // What was appended after the row was read belongs to the next look.
            if event.record.sequence > row.head.sequence {
                break;
            }
            at.head = invariants::check_link(at.head, &event.record)
                .map_err(|fault| damaged(key, &fault.to_string()))?;
            let body = &event.record.body;
            let sequence = event.record.sequence;
            if at.deleted {
                return Err(damaged(key, &format!("event {sequence}: it follows a tombstone")));
            }
            let state = std::mem::take(&mut at.state);
            at.deleted = &*body.event_type == TOMBSTONE;
            if !at.deleted {
                let applied = apply::<K>(state, body, vault).await?;
                at.state = applied
                    .map_err(|problem| damaged(key, &format!("event {sequence}: {problem}")))?;
            }
            at.recorded_at = at.recorded_at.max(body.recorded_at);
            at.causes.insert(body.causation);
        }
    }
    invariants::check_head(row.head, at.head).map_err(|fault| damaged(key, &fault.to_string()))?;
    at.subjects.extend(vault.subjects());
    Ok(at)
}

/// The state after a stored event. A panic of the entity's code is a fault of the event: it would
/// come again with every recovery.
async fn apply<K: Entity>(
    state: K::State,
    body: &EventBody,
    vault: &Arc<Scope>,
) -> Result<Result<K::State, String>, Failure> {
    let panicked = "the entity's code panicked on it";
    let decode = || {
        let decode = AssertUnwindSafe(|| K::Event::decode(&body.event_type, &body.payload));
        catch_unwind(decode).map_err(|_| panicked.to_owned())
    };
    Ok(vault.complete(decode).await?.and_then(|decoded| {
        let event = decoded.map_err(|error| error.to_string())?;
        let evolve = AssertUnwindSafe(|| K::evolve(state, &event));
        catch_unwind(evolve).map_err(|_| panicked.to_owned())
    }))
}

fn damaged(key: &StreamKey, problem: &str) -> Failure {
    Failure::Damaged { stream: key.to_string(), problem: problem.to_owned() }
}

pub(crate) fn failure(key: &StreamKey, error: StoreError) -> Failure {
    match error {
        StoreError::Unavailable { .. } => Failure::StoreUnavailable,
        StoreError::Full => Failure::StoreFull,
        fault @ (StoreError::Damaged { .. }
        | StoreError::Unreadable { .. }
        | StoreError::TooNew { .. }
        | StoreError::Migration(_)
        | StoreError::Invalid(_)) => damaged(key, &fault.to_string()),
    }
}
