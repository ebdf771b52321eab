//! What an alarm answers.

use coppice_core::{Decision, EffectId, TimerId, Timestamp};

use super::command::{Command, Set};
use super::error::{AlarmError, NAME_BYTES_MAX, TIMERS_MAX};
use super::event::{Cleared, Event, Missed, Rung, Settled, Silenced, TimerSet};
use super::state::{State, View, evolve};

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: Timestamp,
) -> Result<Decision<Event, View>, AlarmError> {
    let event = match command {
        Command::Set(set) => Event::TimerSet(timer_set(state, set, now)?),
        Command::Clear(clear) => {
            let timer = TimerId(clear.timer.as_str().into());
            state.pending.timer(&timer).ok_or(AlarmError::NotSet)?;
            Event::Cleared(Cleared { timer })
        }
        Command::Silence(_) => {
            let owed = state.pending.added_since(0).map(|owed| owed.id.clone());
            let effects: Vec<EffectId> = owed.collect();
            (!effects.is_empty()).then_some(()).ok_or(AlarmError::Silent)?;
            Event::Silenced(Silenced { effects })
        }
        Command::Ring { timer, due } => ring(state, timer, *due, now),
        Command::Settle(settle) => {
            Event::Settled(Settled { effect: settle.effect.clone(), answer: settle.answer })
        }
    };
    let reply = evolve(state.clone(), &event).view();
    Ok(Decision { events: vec![event], reply })
}

fn timer_set(state: &State, set: &Set, now: Timestamp) -> Result<TimerSet, AlarmError> {
    if set.timer.is_empty() || set.timer.len() > NAME_BYTES_MAX {
        return Err(AlarmError::Name);
    }
    let timer = TimerId(set.timer.as_str().into());
    if state.pending.timer(&timer).is_none() && state.settings.len() >= TIMERS_MAX {
        return Err(AlarmError::TooMany);
    }
    Ok(TimerSet {
        timer,
        due: now.saturating_add_micros(i64::from(set.in_ms) * 1_000),
        grace_ms: set.grace_ms,
        mode: set.mode,
        counter: set.counter.clone(),
    })
}

fn ring(state: &State, timer: &TimerId, due: Timestamp, now: Timestamp) -> Event {
    let grace = state.settings.get(timer).and_then(|setting| setting.grace_ms);
    let late_micros = now.as_micros().saturating_sub(due.as_micros());
    if grace.is_some_and(|grace_ms| late_micros > i64::from(grace_ms) * 1_000) {
        return Event::Missed(Missed { timer: timer.clone(), due });
    }
    Event::Rung(Rung { timer: timer.clone(), due })
}

#[cfg(test)]
mod tests {
    use coppice_core::{DomainEvent, EffectMode, EffectOutcome, Entity};

    use super::super::{Alarm, Clear};
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000);

    fn told(state: State, command: &Command, now: Timestamp) -> State {
        let decision = decide(&state, command, now).unwrap();
        let after = decision.events.iter().fold(state, |state, event| {
            let text = event.encode().unwrap();
            assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
            evolve(state, event)
        });
        assert_eq!(after.view(), decision.reply);
        after
    }

    fn set(timer: &str, in_ms: u32, grace_ms: Option<u32>, counter: Option<&str>) -> Command {
        let (timer, counter) = (timer.to_owned(), counter.map(str::to_owned));
        Command::Set(Set { timer, in_ms, grace_ms, mode: EffectMode::Retry, counter })
    }

    fn ring(timer: &str, due: Timestamp) -> Command {
        Command::Ring { timer: TimerId(timer.into()), due }
    }

    #[test]
    fn given_a_timer_when_it_is_due_then_the_bell_and_the_counter_are_owed() {
        let state = told(State::default(), &set("tea", 5, None, Some("cups")), NOW);
        let due = state.pending.wake_at().unwrap();
        assert_eq!(due.as_micros(), 1_005_000);
        let state = told(state, &ring("tea", due), due);
        assert_eq!(state.pending.wake_at(), None);
        let bell = state.pending.effect(&EffectId("bell-1".into())).unwrap();
        assert_eq!(&*bell.request, r#"{"timer":"tea","due":1005000,"number":1}"#);
        let tell = state.pending.effect(&EffectId("tell-1".into())).unwrap();
        let expected = r#"{"kind":"counter","id":"cups","command":"add","body":{"n":1}}"#;
        assert_eq!(&*tell.request, expected);
        let outcome = EffectOutcome::Done { response: "{}".into() };
        let settle = Alarm::on_effect(&state, &EffectId("bell-1".into()), &outcome).unwrap();
        let state = told(state, &settle, due);
        assert_eq!((state.view().heard, state.view().outstanding), (1, 1));
    }

    #[test]
    fn given_a_grace_when_found_later_then_it_is_missed_and_nothing_is_owed() {
        for (late_micros, missed) in [(2_000, 0), (2_001, 1)] {
            let state = told(State::default(), &set("tea", 5, Some(2), None), NOW);
            let due = state.pending.wake_at().unwrap();
            let found = due.saturating_add_micros(late_micros);
            let view = told(state, &ring("tea", due), found).view();
            assert_eq!((view.missed, view.rung), (missed, 1 - missed));
            assert_eq!(view.outstanding as u64, 1 - missed);
        }
    }

    #[test]
    fn given_rings_that_wait_when_silenced_then_nothing_is_owed_and_they_are_unheard() {
        let silence = Command::Silence(super::super::Silence {});
        assert_eq!(decide(&State::default(), &silence, NOW), Err(AlarmError::Silent));
        let state = told(State::default(), &set("tea", 5, None, Some("cups")), NOW);
        let due = state.pending.wake_at().unwrap();
        let view = told(told(state, &ring("tea", due), due), &silence, due).view();
        assert_eq!((view.rung, view.unheard, view.outstanding), (1, 2, 0));
    }

    #[test]
    fn refusals_have_their_codes() {
        let clear = Command::Clear(Clear { timer: "tea".to_owned() });
        assert_eq!(decide(&State::default(), &clear, NOW), Err(AlarmError::NotSet));
        let nameless = decide(&State::default(), &set("", 1, None, None), NOW);
        assert_eq!(nameless, Err(AlarmError::Name));
        let mut state = State::default();
        for number in 0..TIMERS_MAX {
            state = told(state, &set(&number.to_string(), 1, None, None), NOW);
        }
        assert_eq!(decide(&state, &set("more", 1, None, None), NOW), Err(AlarmError::TooMany));
        assert!(decide(&state, &set("7", 1, None, None), NOW).is_ok(), "one that is set moves");
    }

    #[test]
    fn an_unknown_outcome_is_left_to_an_operator() {
        let unknown = EffectOutcome::Unknown { detail: "cut".into() };
        assert!(Alarm::on_effect(&State::default(), &EffectId("x".into()), &unknown).is_none());
    }
}
