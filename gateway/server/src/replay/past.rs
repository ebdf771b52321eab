//! The fold: an entity's events one after the other, each checked against the one before it.

use std::collections::VecDeque;
use std::sync::Arc;

use coppice_core::envelope::TOMBSTONE;
use coppice_core::{Sequence, StoredEvent, StreamHead, StreamKey, invariants};
use coppice_persistence::BatchRow;

use super::seals::Seals;
use super::{
    ArchiveEnd, Asked, EVENTS_MAX, PersonalData, ReplayError, Replayed, ShownEvent, Span, Until,
};
use crate::routes;
use crate::verification::Replay;

/// The name of the journal among the sources.
const JOURNAL: &str = "journal";

/// Where an event was read.
pub(super) struct Origin {
    source: Arc<str>,
    /// The line of a file.
    line: Option<u64>,
}

impl Origin {
    pub(super) fn file(name: &Arc<str>, line: u64) -> Self {
        Self { source: Arc::clone(name), line: Some(line) }
    }

    pub(super) fn journal() -> Self {
        Self { source: JOURNAL.into(), line: None }
    }
}

/// The past as far as it was read.
pub(super) struct Past<'a> {
    asked: &'a Asked,
    fold: Box<dyn Replay>,
    seals: Arc<Seals>,
    /// The last event that was read.
    head: StreamHead,
    /// Whether that was a tombstone.
    is_ended: bool,
    /// Whether it is behind the moment that was asked for: it is checked and not folded.
    is_behind: bool,
    /// The last event that was folded.
    folded: Option<StoredEvent>,
    spans: Vec<Span>,
    events: VecDeque<(Arc<str>, StoredEvent)>,
}

impl<'a> Past<'a> {
    pub(super) fn new(asked: &'a Asked, fold: Box<dyn Replay>, seals: Arc<Seals>) -> Self {
        Self {
            asked,
            fold,
            seals,
            head: StreamHead::genesis(&asked.key),
            is_ended: false,
            is_behind: false,
            folded: None,
            spans: Vec::new(),
            events: VecDeque::new(),
        }
    }

    pub(super) const fn key(&self) -> &StreamKey {
        &self.asked.key
    }

    /// Where the stream stands.
    pub(super) const fn head(&self) -> StreamHead {
        self.head
    }

    /// A fault of an event of this stream.
    pub(super) fn fault(&self, origin: &Origin, at: Sequence, what: &str) -> ReplayError {
        self.broken(origin, &format!("event {at} {what}"))
    }

    fn broken(&self, origin: &Origin, what: &str) -> ReplayError {
        let (source, key) = (&origin.source, self.key());
        let line = origin.line.map(|line| format!(", line {line}")).unwrap_or_default();
        ReplayError::Fault(format!("{source}{line}: stream {key}: {what}"))
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// [`ReplayError`], also where it doesn't follow.
    pub(super) async fn take(
        &mut self,
        event: StoredEvent,
        origin: &Origin,
    ) -> Result<(), ReplayError> {
        let at = event.record.sequence;
        if self.is_ended {
            return Err(self.fault(origin, at, "follows a tombstone"));
        }
        self.is_ended = &*event.record.body.event_type == TOMBSTONE;
        self.head = invariants::check_link(self.head, &event.record)
            .map_err(|fault| self.broken(origin, &fault.to_string()))?;
        self.is_behind |= match self.asked.until {
            Until::End => false,
            Until::Sequence(last) => at > last,
            Until::Time(last) => event.record.body.recorded_at > last,
        };
        if self.is_behind {
            return Ok(());
        }
        self.seals.prepare(self.fold.as_ref(), &event).await?;
        self.fold
            .apply(&event, &self.seals.vault())
            .map_err(|problem| self.fault(origin, at, &format!("does not read: {problem}")))?;
        match self.spans.last_mut() {
            Some(span) if span.source == origin.source => span.last = at,
            Some(_) | None => {
                self.spans.push(Span { source: Arc::clone(&origin.source), first: at, last: at });
            }
        }
        if self.asked.events {
            if self.events.len() == EVENTS_MAX {
                self.events.pop_front();
            }
            self.events.push_back((Arc::clone(&origin.source), event.clone()));
        }
        self.folded = Some(event);
        Ok(())
    }

    /// The entity as it was, once all of its past was read.
    ///
    /// # Errors
    /// [`ReplayError::Absent`], and [`ReplayError::Fault`] where it can't be shown.
    pub(super) fn shown(
        self,
        archive: Option<&BatchRow>,
        journal: bool,
    ) -> Result<Replayed, ReplayError> {
        let Some(last) = &self.folded else { return Err(self.absent(archive, journal)) };
        if let Until::Sequence(asked) = self.asked.until
            && last.record.sequence < asked
        {
            return Err(self.absent(archive, journal));
        }
        let unshown = |problem: String| ReplayError::Fault(format!("{}: {problem}", self.key()));
        let deleted = &*last.record.body.event_type == TOMBSTONE;
        let state = if deleted { None } else { Some(self.fold.view().map_err(unshown)?) };
        let event = |(source, event): &(Arc<str>, StoredEvent)| {
            let event = routes::viewed(event).map_err(|fault| fault.detail().to_owned())?;
            Ok(ShownEvent { source: Arc::clone(source), event })
        };
        let events: Result<Vec<ShownEvent>, String> = self.events.iter().map(event).collect();
        let events = events.map_err(unshown)?;
        let key = self.key();
        Ok(Replayed {
            tenant: key.tenant().to_string(),
            kind: key.kind().to_string(),
            id: key.id().to_string(),
            sequence: last.record.sequence,
            sequence_last: self.head.sequence,
            hash: last.record.hash.to_string(),
            recorded_at: last.record.body.recorded_at.as_micros(),
            deleted,
            state,
            // A tombstone leaves no state, so nothing of anybody is left to be shown.
            personal_data: if deleted { PersonalData::None } else { self.seals.met() },
            sources: self.spans.clone(),
            archive: archive
                .map(|last| ArchiveEnd { last_batch: last.number, hash: last.hash.to_string() }),
            journal,
            events: self.asked.events.then_some(events),
        })
    }

    /// Why there is nothing to show.
    fn absent(&self, archive: Option<&BatchRow>, journal: bool) -> ReplayError {
        let (key, end) = (self.key(), self.head.sequence);
        let read = match (archive, journal) {
            (Some(_), true) => "the archive and the journal",
            (Some(_), false) => "the archive, and no journal was read",
            (None, _) => "the journal",
        };
        ReplayError::Absent(match self.asked.until {
            Until::Sequence(asked) if end.0 > 0 => {
                format!("{key} has no event {asked}: its last is {end}, in {read}")
            }
            Until::Time(_) if end.0 > 0 => format!("{key} was not there yet at that time"),
            Until::End | Until::Sequence(_) | Until::Time(_) => format!("{key} is not in {read}"),
        })
    }
}
