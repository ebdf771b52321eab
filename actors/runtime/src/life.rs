//! The working state of one incarnation, ahead of the journal by its open tickets.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use coppice_core::canonical::state_digest;
use coppice_core::envelope::{EventBody, TOMBSTONE};
use coppice_core::{
    Decision, DomainEvent, Entity, EventRecord, Sequence, StreamHead, TimerId, Timestamp,
    invariants,
};
use coppice_persistence::{Snapshot, snapshot};
use tracing::warn;

use crate::answer::{Failure, View};
use crate::host::LookUp;
use crate::link::LinkGroup;
use crate::personal::Scope;
use crate::recovery::Recovered;
use crate::services::Services;
use crate::slot::{Intent, Order};
use crate::ticket::Incarnation;
use crate::window::CommandWindow;

/// An entity whose timer is due this soon stays in memory, where the timer fires to the moment;
/// the scan that finds the others looks once a second.
const TIMER_SOON_MICROS: i64 = 60_000_000;

pub(crate) struct Life<K: Entity> {
    pub(crate) incarnation: Arc<Incarnation>,
    pub(crate) state: K::State,
    pub(crate) head: StreamHead,
    pub(crate) recorded_at: Timestamp,
    pub(crate) window: CommandWindow,
    pub(crate) look_up: LookUp,
    /// The stream has ended; nothing is decided any more.
    pub(crate) deleted: bool,
    /// The entity's own code panicked, so that this state is not to be trusted any more; or it
    /// holds what was erased.
    pub(crate) crashed: bool,
    /// It began without a look into the store. Until it has written an event, there may be some.
    pub(crate) unread: bool,
    /// The events of the decision in hand, chained.
    pub(crate) chained: Vec<EventRecord>,
    /// When the first timer is due and whether effects are outstanding, after the last decision.
    pub(crate) wake_at: Option<Timestamp>,
    pub(crate) owes: bool,
    /// The same after the last ticket of this life; `None` before its first.
    written: Option<(Option<Timestamp>, bool)>,
    /// The next timer as it was last handed on with a decision.
    pub(crate) armed: Option<(Timestamp, TimerId)>,
    /// Link groups of open tickets; some may have ended.
    pub(crate) groups: Vec<Arc<LinkGroup>>,
    snapshot_at: Sequence,
}

impl<K: Entity> Life<K> {
    pub(crate) fn new(
        incarnation: Arc<Incarnation>,
        recovered: Recovered<K::State>,
        window: usize,
    ) -> Self {
        Self {
            incarnation,
            state: recovered.state,
            head: recovered.head,
            recorded_at: recovered.recorded_at,
            window: CommandWindow::new(window),
            look_up: recovered.causes,
            deleted: recovered.deleted,
            crashed: false,
            unread: false,
            chained: Vec::new(),
            wake_at: None,
            owes: false,
            written: None,
            armed: None,
            groups: Vec::new(),
            snapshot_at: recovered.snapshot_at,
        }
    }

    /// Whether an order may be decided on this state.
    pub(crate) fn may_decide(&self, order: &Order<K>) -> Result<(), Failure> {
        if self.deleted {
            return Err(Failure::Deleted);
        }
        let actual = self.head.sequence;
        match (order.expected, &order.intent) {
            (Some(expected), _) if expected != actual => {
                Err(Failure::SequenceMismatch { expected, actual })
            }
            // What never was can't be deleted; it would be made by that.
            (_, Intent::Delete) if actual.0 == 0 => Err(Failure::NotThere),
            _ => Ok(()),
        }
    }

    /// Writes down that the stream ends here. Nothing is owed any more, and no state is left.
    pub(crate) fn end(
        &mut self,
        order: &Order<K>,
        now: Timestamp,
        policy_bundle: Option<Arc<str>>,
    ) -> Box<str> {
        let body = EventBody {
            event_type: TOMBSTONE.into(),
            payload: "{}".into(),
            recorded_at: now,
            causation: order.id,
            correlation: order.correlation,
            workflow: None,
            policy_bundle,
            subject: None,
            key_id: None,
        };
        let record = EventRecord::chain(self.head, body);
        self.groups.retain(|group| !group.is_broken() && !group.is_complete());
        (self.state, self.deleted) = (K::State::default(), true);
        (self.head, self.recorded_at) = (record.head(), now);
        (self.wake_at, self.owes) = (None, false);
        self.chained.clear();
        self.chained.push(record);
        "null".into()
    }

    /// Writes down a decision's events, takes them into the state and gives the reply as JSON.
    /// Events are encoded before they are applied: personal data is sealed once, and the state
    /// then carries the same sealed bytes as the journal.
    pub(crate) fn apply(
        &mut self,
        order: &Order<K>,
        decision: &Decision<K::Event, K::Reply>,
        now: Timestamp,
        policy_bundle: Option<&Arc<str>>,
        vault: &Arc<Scope>,
    ) -> Result<Box<str>, String> {
        let problem = |error: serde_json::Error| error.to_string();
        self.chained.clear();
        self.chained.reserve_exact(decision.events.len());
        let reply = vault.run(|| serde_json::to_string(&decision.reply)).map_err(problem)?;
        self.groups.retain(|group| !group.is_broken() && !group.is_complete());
        let mut payloads = Vec::with_capacity(decision.events.len());
        for event in &decision.events {
            let event_type = event.event_type();
            if !invariants::is_event_type(event_type) || event_type == TOMBSTONE {
                return Err(format!("{event_type} is no event type"));
            }
            payloads.push(vault.run(|| event.encode()).map_err(problem)?);
        }
        let mut state = std::mem::take(&mut self.state);
        for event in &decision.events {
            state = K::evolve(state, event);
        }
        let workflow: Option<Box<str>> = K::workflow(&state, &self.incarnation.key).map(Into::into);
        let mut head = self.head;
        for (event, payload) in decision.events.iter().zip(payloads) {
            let event_type = event.event_type();
            let body = EventBody {
                event_type: event_type.into(),
                payload: payload.into(),
                recorded_at: now,
                causation: order.id,
                correlation: order.correlation,
                workflow: workflow.clone(),
                policy_bundle: policy_bundle.cloned(),
                subject: event.subject().cloned(),
                key_id: event.key_id().map(Into::into),
            };
            let record = EventRecord::chain(head, body);
            head = record.head();
            self.chained.push(record);
        }
        self.wake_at = K::pending(&state).wake_at();
        self.owes = K::pending(&state).owes();
        self.state = state;
        self.head = head;
        self.recorded_at = now;
        Ok(reply.into())
    }

    /// Whether what the entity waits for is what the ticket before wrote down. Asked once for each
    /// ticket that writes.
    pub(crate) fn waits_as_before(&mut self) -> bool {
        let waits = (self.wake_at, self.owes);
        self.written.replace(waits) == Some(waits)
    }

    /// Whether the state is a guess: the store was not asked for it, and no event vouches for it.
    pub(crate) fn is_guessed(&self) -> bool {
        self.unread && self.head.sequence.0 == 0
    }

    /// Breaks the link groups that wait for a part: this life can decide nothing more until they
    /// end, and the part may be waiting for it.
    pub(crate) fn break_incomplete_groups(&self) {
        self.groups.iter().for_each(|group| group.break_unless_complete());
    }

    /// Where the stream ended before these events, which are its last.
    pub(crate) fn head_before(&self, events: &[EventRecord]) -> StreamHead {
        events.first().map_or(self.head, |first| StreamHead {
            sequence: Sequence(first.sequence.0 - 1),
            hash: first.previous_hash,
        })
    }

    /// A snapshot of the state, where enough events have come since the last one.
    pub(crate) fn snapshot_due(
        &mut self,
        every: u64,
        now: Timestamp,
        vault: &Arc<Scope>,
    ) -> Option<Snapshot> {
        // A deleted entity's state would read as that of a living one.
        if self.deleted || self.head.sequence.0 - self.snapshot_at.0 < every {
            return None;
        }
        // Taken or not, the next try is as far away: a state that can't be written stays so.
        self.snapshot_at = self.head.sequence;
        let key = self.incarnation.key.clone();
        let (state, digest) =
            vault.run(|| (snapshot::encode(&self.state), state_digest(&self.state)));
        match (state, digest) {
            (Ok(state), Ok(digest)) => Some(Snapshot {
                key,
                head: self.head,
                layout: K::SNAPSHOT_LAYOUT,
                digest,
                state,
                taken_at: now,
            }),
            (Err(error), _) => {
                warn!(%key, %error, "state can't be written as a snapshot");
                None
            }
            (_, Err(error)) => {
                warn!(%key, %error, "state has no digest");
                None
            }
        }
    }

    /// Whether no ticket is open and the state may be kept.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.crashed && self.incarnation.open() == 0 && self.incarnation.fall().is_none()
    }

    /// Lets go of what only a running entity needs. Repeats of its latest commands are found in the
    /// command table from now on, as after a recovery.
    pub(crate) fn rest(&mut self) {
        self.window.clear();
        self.groups = Vec::new();
        self.look_up = LookUp::default();
    }

    /// About how much memory the state takes, in bytes: as much as its snapshot.
    pub(crate) fn weight(&self, vault: &Arc<Scope>) -> usize {
        let encode = || vault.run(|| snapshot::encode(&self.state));
        let encoded = catch_unwind(AssertUnwindSafe(encode)).ok();
        size_of::<Self>() + encoded.and_then(Result::ok).map_or(0, |bytes| bytes.len())
    }

    /// Whether the memory may be let go of. Where the tail behind the last snapshot is long, a
    /// snapshot is handed in first.
    pub(crate) fn may_passivate(&mut self, services: &Services) -> bool {
        if !self.is_at_rest() {
            return false;
        }
        let soon = services.clock.now().saturating_add_micros(TIMER_SOON_MICROS);
        if self.armed.as_ref().is_some_and(|(due, _)| *due <= soon) {
            return false;
        }
        let (tail, before) = (services.options.passivation_tail_max, self.snapshot_at);
        let vault = services.scope(&self.incarnation.key);
        let work = || self.snapshot_due(tail, self.recorded_at, &vault);
        // One whose state can't be written leaves all the same: the journal has it.
        let taken = catch_unwind(AssertUnwindSafe(work)).unwrap_or(None);
        let saved = taken.is_none_or(|taken| services.snapshots.try_send(taken).is_ok());
        if !saved {
            // Where no snapshot can be taken in, it stays until one can.
            self.snapshot_at = before;
        }
        saved
    }

    pub(crate) fn view(&self, vault: &Arc<Scope>) -> Result<View, String> {
        if self.deleted {
            let sequence = self.head.sequence;
            return Ok(View { sequence, state: "null".into(), deleted: true });
        }
        let show = || vault.run(|| serde_json::to_string(&K::view(&self.state)));
        let shown = catch_unwind(AssertUnwindSafe(show)).map_err(|_| "a panic".to_owned())?;
        let state = shown.map_err(|error| error.to_string())?;
        Ok(View { sequence: self.head.sequence, state: state.into(), deleted: false })
    }
}
