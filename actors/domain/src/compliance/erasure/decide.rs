//! What becomes of a request to erase, and of its end.

use coppice_core::{Decision, EffectId, Timestamp};

use super::command::Command;
use super::error::ErasureError;
use super::event::{Asked, Destroyed, Event, Failed};
use super::state::{State, View, evolve, view};

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: Timestamp,
) -> Result<Decision<Event, View>, ErasureError> {
    let event = match command {
        Command::Request(_) if state.completed_at.is_some() || state.pending.owes() => None,
        Command::Request(request) => {
            let effect = EffectId(format!("destroy-{}", state.begun + 1).into());
            Some(Event::Requested(Asked { by: request.by.as_str().into(), at: now, effect }))
        }
        Command::Settle(settle) => {
            let effect = settle.effect.clone();
            Some(match &settle.settled {
                Ok(response) => {
                    Event::Completed(Destroyed { effect, at: now, response: response.clone() })
                }
                Err(code) => Event::Failed(Failed { effect, at: now, code: code.clone() }),
            })
        }
    };
    let after = event.iter().fold(state.clone(), evolve);
    Ok(Decision { events: event.into_iter().collect(), reply: view(&after) })
}

#[cfg(test)]
mod tests {
    use coppice_core::{CommandError, DomainEvent, EffectOutcome, Entity};

    use super::super::{Erasure, Request, Settle};
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(7);

    fn request(by: &str) -> Command {
        Command::Request(Request { by: by.to_owned() })
    }

    fn after(state: State, command: &Command) -> (State, usize) {
        let decision = decide(&state, command, NOW).unwrap();
        let count = decision.events.len();
        for event in &decision.events {
            let text = event.encode().unwrap();
            assert_eq!(Event::decode(event.event_type(), &text).unwrap(), *event);
        }
        (decision.events.iter().fold(state, Erasure::evolve), count)
    }

    fn owed(state: &State) -> Vec<(String, String)> {
        let owed = Erasure::pending(state).added_since(0);
        owed.map(|owed| (owed.id.0.to_string(), owed.effect.request.to_string())).collect()
    }

    fn settle(state: &State, outcome: &EffectOutcome) -> Option<Command> {
        let effect = Erasure::pending(state).added_since(0).next().unwrap().id.clone();
        Erasure::on_effect(state, &effect, outcome)
    }

    #[test]
    fn given_nothing_when_requested_then_the_destruction_is_owed_until_it_is_done() {
        let (asked, _) = after(State::default(), &request("api key \"1\""));
        let expected = ("destroy-1".to_owned(), r#"{"by":"api key \"1\""}"#.to_owned());
        assert_eq!(owed(&asked), [expected]);
        assert_eq!(Erasure::view(&asked), View { requested_at: Some(NOW), completed_at: None });
        let done = EffectOutcome::Done { response: "{}".into() };
        let (done, _) = after(asked.clone(), &settle(&asked, &done).unwrap());
        assert!(owed(&done).is_empty());
        assert_eq!(Erasure::view(&done).completed_at, Some(NOW));
    }

    #[test]
    fn given_an_erasure_under_way_or_done_when_requested_then_nothing_changes() {
        let (asked, _) = after(State::default(), &request("a"));
        assert_eq!(after(asked.clone(), &request("b")), (asked.clone(), 0));
        let done = EffectOutcome::Done { response: "{}".into() };
        let (done, _) = after(asked.clone(), &settle(&asked, &done).unwrap());
        assert_eq!(after(done.clone(), &request("b")), (done, 0));
    }

    #[test]
    fn given_one_that_was_given_up_when_requested_then_it_is_owed_anew() {
        let (asked, _) = after(State::default(), &request("a"));
        let given_up =
            EffectOutcome::Failed { code: "discarded".into(), detail: "given up".into() };
        let (failed, _) = after(asked.clone(), &settle(&asked, &given_up).unwrap());
        assert!(owed(&failed).is_empty() && failed.completed_at.is_none());
        let (again, _) = after(failed, &request("a"));
        assert_eq!(owed(&again)[0].0, "destroy-2");
        let unknown = EffectOutcome::Unknown { detail: "?".into() };
        assert_eq!(settle(&again, &unknown), None, "it is left to an operator");
    }

    #[test]
    fn no_caller_can_say_that_it_is_done() {
        for name in ["settle", "complete"] {
            let parsed = Erasure::parse(name, b"{}");
            assert!(matches!(parsed, Err(CommandError::UnknownCommand(_))), "{name}");
        }
        assert!(Erasure::parse("request", br#"{"by":"a"}"#).is_ok());
        assert!(matches!(Erasure::parse("request", b"{}"), Err(CommandError::Body(_))));
        let settle = Settle { effect: EffectId("destroy-1".into()), settled: Ok("{}".into()) };
        assert_eq!(after(State::default(), &Command::Settle(settle)).1, 1);
    }
}
