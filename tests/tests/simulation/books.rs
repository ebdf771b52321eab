//! What follows from the journal, by another path than the entities' own code: timers, effects and
//! their keys. Kept while the journal grows, so that what is wrong shows at the moment it is
//! written.

use std::collections::{BTreeMap, BTreeSet};

use coppice_core::{
    CommandId, DomainEvent, EffectId, EffectMode, Sequence, StoredEvent, StreamKey, TimerId,
    Timestamp,
};
use coppice_domain::example::alarm::{Answer, Event, Rung, Settled, TimerSet};
use coppice_runtime::work::message::{effect_key, outcome_key, timer_key};
use uuid::Uuid;

use crate::links::Links;

/// An effect that the journal brought about.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) entity: StreamKey,
    pub(crate) request: String,
    pub(crate) mode: EffectMode,
    /// The counter that it tells; `None` for the bell.
    pub(crate) counter: Option<String>,
    pub(crate) settled: Option<Answer>,
}

/// A timer that is set.
#[derive(Debug)]
struct Set {
    due: Timestamp,
    grace_ms: Option<u32>,
    mode: EffectMode,
    counter: Option<String>,
}

/// What stands of one alarm or profile.
#[derive(Debug, Default)]
pub(crate) struct Entity {
    timers: BTreeMap<TimerId, Set>,
    /// By the effect's name within the entity.
    open: BTreeMap<String, Uuid>,
    ordinals: u64,
    pub(crate) rung: u64,
    pub(crate) missed: u64,
    pub(crate) heard: u64,
    pub(crate) unheard: u64,
    pub(crate) named: u64,
}

impl Entity {
    pub(crate) fn timers(&self) -> impl Iterator<Item = (&TimerId, Timestamp)> {
        self.timers.iter().map(|(id, set)| (id, set.due))
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = Uuid> {
        self.open.values().copied()
    }
}

/// The books of a run.
#[derive(Debug, Default)]
pub(crate) struct Books {
    read: usize,
    /// By stream, the command behind each of its events.
    causes: BTreeMap<StreamKey, Vec<CommandId>>,
    pub(crate) entities: BTreeMap<StreamKey, Entity>,
    pub(crate) effects: BTreeMap<Uuid, Owed>,
    /// Causes that the system itself was.
    pub(crate) own_causes: BTreeSet<CommandId>,
    /// Which node wrote the event behind a command first.
    pub(crate) writers: BTreeMap<(StreamKey, CommandId), u64>,
}

impl Books {
    /// Reads what is new. `shown_max` is the latest time that any clock has shown.
    pub(crate) fn catch_up(
        &mut self,
        events: &[StoredEvent],
        shown_max: Timestamp,
        links: &Links,
    ) -> Result<(), String> {
        let new = events.get(self.read..).unwrap_or_default();
        self.read = events.len();
        for event in new {
            let causes = self.causes.entry(event.key.clone()).or_default();
            causes.push(event.record.body.causation);
            let read = match event.key.kind().as_str() {
                "alarm" => self.read_alarm(event, shown_max),
                "profile" => self.read_profile(event),
                _ => Ok(()),
            };
            read.map_err(|problem| format!("{}: {problem}", event.key))?;
        }
        self.are_whole(new, links)
    }

    /// What is linked is in the journal together, at every moment.
    fn are_whole(&self, new: &[StoredEvent], links: &Links) -> Result<(), String> {
        for event in new {
            let part = (event.key.clone(), event.record.body.causation);
            let Some((key, other)) = links.partner(&part) else { continue };
            if !self.took_effect(&key, other) {
                return Err(format!(
                    "{} is done on {}, and its part on {key} isn't",
                    part.1, part.0
                ));
            }
        }
        Ok(())
    }

    /// Whether a command has an event.
    pub(crate) fn took_effect(&self, key: &StreamKey, command: CommandId) -> bool {
        self.causes.get(key).is_some_and(|causes| causes.contains(&command))
    }

    /// Whether an effect is outstanding.
    pub(crate) fn owes(&self, effect: Uuid) -> bool {
        self.entities.values().any(|entity| entity.open().any(|open| open == effect))
    }

    /// The command behind an event.
    pub(crate) fn cause(&self, key: &StreamKey, sequence: Sequence) -> Option<CommandId> {
        let at = usize::try_from(sequence.0).ok()?.checked_sub(1)?;
        self.causes.get(key)?.get(at).copied()
    }

    /// How many events a stream has.
    pub(crate) fn len(&self, key: &StreamKey) -> u64 {
        self.causes.get(key).map_or(0, |causes| causes.len() as u64)
    }

    /// Every stream with the commands behind its events.
    pub(crate) fn causes(&self) -> impl Iterator<Item = (&StreamKey, &Vec<CommandId>)> {
        self.causes.iter()
    }

    /// The latest time at which any timer that is set is due.
    pub(crate) fn due_max(&self) -> Option<Timestamp> {
        let timers = self.entities.values().flat_map(Entity::timers);
        timers.map(|(_, due)| due).max()
    }

    fn read_alarm(&mut self, event: &StoredEvent, shown_max: Timestamp) -> Result<(), String> {
        let body = &event.record.body;
        let read = Event::decode(&body.event_type, &body.payload);
        let at = Moment { cause: body.causation, recorded_at: body.recorded_at, shown_max };
        match read.map_err(|error| error.to_string())? {
            Event::TimerSet(set) => {
                self.set(&event.key, set);
                Ok(())
            }
            Event::Cleared(cleared) => {
                let timers = &mut self.entities.entry(event.key.clone()).or_default().timers;
                let was = timers.remove(&cleared.timer);
                was.map(drop).ok_or_else(|| format!("{cleared:?}, and it was not set"))
            }
            Event::Rung(rung) => self.ring(&event.key, &rung, &at),
            Event::Missed(missed) => {
                let (_, late) = self.take_off(&event.key, &missed.timer, missed.due, &at)?;
                self.entities.entry(event.key.clone()).or_default().missed += 1;
                late.then_some(()).ok_or_else(|| format!("{missed:?} within its grace"))
            }
            Event::Settled(settled) => self.settle(&event.key, &settled, at.cause),
            Event::Silenced(silenced) => Err(format!("{silenced:?}, and no client silences")),
        }
    }

    fn set(&mut self, key: &StreamKey, set: TimerSet) {
        let TimerSet { timer, due, grace_ms, mode, counter } = set;
        let timers = &mut self.entities.entry(key.clone()).or_default().timers;
        timers.insert(timer, Set { due, grace_ms, mode, counter });
    }

    /// Takes a timer off that is due, and whether its grace was over.
    fn take_off(
        &mut self,
        key: &StreamKey,
        timer: &TimerId,
        due: Timestamp,
        at: &Moment,
    ) -> Result<(Set, bool), String> {
        let timers = &mut self.entities.entry(key.clone()).or_default().timers;
        let set = timers.remove(timer).filter(|set| set.due == due);
        let set = set.ok_or_else(|| format!("{timer:?} of {due:?} fired and was not set"))?;
        if at.shown_max < due {
            return Err(format!("{timer:?} of {due:?} fired before any clock showed that"));
        }
        let cause = CommandId(timer_key(key.stream(), timer, due));
        self.own_causes.insert(cause);
        if at.cause != cause {
            return Err(format!("{timer:?} fired for {}", at.cause));
        }
        let late = at.recorded_at.as_micros().saturating_sub(due.as_micros());
        let late = set.grace_ms.is_some_and(|grace_ms| late > i64::from(grace_ms) * 1_000);
        Ok((set, late))
    }

    fn ring(&mut self, key: &StreamKey, rung: &Rung, at: &Moment) -> Result<(), String> {
        let (set, late) = self.take_off(key, &rung.timer, rung.due, at)?;
        if late {
            return Err(format!("{rung:?} after its grace"));
        }
        let entity = self.entities.entry(key.clone()).or_default();
        entity.rung += 1;
        let (number, timer, due) = (entity.rung, &rung.timer.0, rung.due.as_micros());
        let request = format!(r#"{{"timer":"{timer}","due":{due},"number":{number}}}"#);
        let owed = |request, mode, counter| Owed {
            entity: key.clone(),
            request,
            mode,
            counter,
            settled: None,
        };
        let bell = owed(request, set.mode, None);
        self.owe(key, format!("bell-{number}"), bell);
        if let Some(counter) = set.counter {
            let body = r#""command":"add","body":{"n":1}"#;
            let request = format!(r#"{{"kind":"counter","id":"{counter}",{body}}}"#);
            let tell = owed(request, EffectMode::Retry, Some(counter));
            self.owe(key, format!("tell-{number}"), tell);
        }
        Ok(())
    }

    fn owe(&mut self, key: &StreamKey, name: String, owed: Owed) {
        let entity = self.entities.entry(key.clone()).or_default();
        let id = effect_key(key.stream(), &EffectId(name.as_str().into()), entity.ordinals);
        entity.ordinals += 1;
        entity.open.insert(name, id);
        self.effects.insert(id, owed);
    }

    fn settle(
        &mut self,
        key: &StreamKey,
        settled: &Settled,
        cause: CommandId,
    ) -> Result<(), String> {
        let entity = self.entities.entry(key.clone()).or_default();
        let name: &str = &settled.effect.0;
        let id = entity.open.remove(name).ok_or_else(|| format!("{settled:?} was not owed"))?;
        let expected = CommandId(outcome_key(id));
        self.own_causes.insert(expected);
        if cause != expected {
            return Err(format!("{settled:?} for {cause}"));
        }
        match settled.answer {
            Answer::Heard => entity.heard += 1,
            Answer::Unheard => entity.unheard += 1,
        }
        if let Some(owed) = self.effects.get_mut(&id) {
            owed.settled = Some(settled.answer);
        }
        Ok(())
    }

    fn read_profile(&mut self, event: &StoredEvent) -> Result<(), String> {
        let (key, body) = (&event.key, &event.record.body);
        let entity = self.entities.entry(key.clone()).or_default();
        match &*body.event_type {
            "profile.named.v1" => {
                let due = body.recorded_at.saturating_add_micros(60_000_000);
                let (grace_ms, counter, mode) = (None, None, EffectMode::Retry);
                let set = Set { due, grace_ms, mode, counter };
                entity.timers.insert(TimerId("reminder".into()), set);
                entity.named += 1;
                let letter = EffectId("letter".into());
                let id = effect_key(key.stream(), &letter, entity.ordinals);
                entity.ordinals += 1;
                entity.open.insert("letter".to_owned(), id);
            }
            "profile.settled.v1" => {
                entity.timers.clear();
                entity.open.clear();
            }
            other => return Err(format!("{other} was never to be written")),
        }
        Ok(())
    }
}

/// What is known of an event beside what it says.
struct Moment {
    cause: CommandId,
    recorded_at: Timestamp,
    shown_max: Timestamp,
}
