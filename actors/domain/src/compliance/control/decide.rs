//! What becomes of somebody's word.

use coppice_core::{Decision, Target, Timestamp};

use super::command::{Command, Word};
use super::error::ControlError;
use super::event::{Event, Said};
use super::state::{Changed, State};

/// The longest reason: a paragraph. It stands in the state for as long as the switch is turned.
const REASON_BYTES_MAX: usize = 1_000;

/// Tenants that may be stopped one by one. The list is in memory and looked at for each command of
/// a stopped system; whoever has to stop more freezes it.
const TENANTS_MAX: usize = 10_000;

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: Timestamp,
) -> Result<Decision<Event, Changed>, ControlError> {
    let (Command::Stop(word) | Command::Resume(word)) = command;
    if word.reason.trim().is_empty() || word.reason.len() > REASON_BYTES_MAX {
        return Err(ControlError::Reason(REASON_BYTES_MAX));
    }
    let is_stopped = state.stops.of(&word.target).is_some();
    let event = match command {
        Command::Stop(_) if is_stopped => None,
        Command::Stop(word) => {
            let is_tenant = matches!(word.target, Target::Tenant(_));
            if is_tenant && state.stops.tenants.len() >= TENANTS_MAX {
                return Err(ControlError::Full(TENANTS_MAX));
            }
            Some(Event::Stopped(said(word, now)))
        }
        Command::Resume(word) => is_stopped.then(|| Event::Resumed(said(word, now))),
    };
    let reply = Changed { changed: event.is_some() };
    Ok(Decision { events: event.into_iter().collect(), reply })
}

fn said(word: &Word, at: Timestamp) -> Said {
    let (reason, by) = (word.reason.as_str().into(), word.by.as_str().into());
    Said { target: word.target.clone(), reason, by, at }
}

#[cfg(test)]
mod tests {
    use coppice_core::{CommandError, DomainEvent, Entity, EntityKind, Rejection, TenantId};
    use proptest::prelude::*;

    use super::super::Control;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(7);

    fn word(target: Target, reason: &str) -> Word {
        Word { target, reason: reason.to_owned(), by: "api key 1".to_owned() }
    }

    fn kind(name: &str) -> Target {
        Target::Kind(EntityKind::new(name).unwrap())
    }

    fn tenant(name: &str) -> Target {
        Target::Tenant(TenantId::new(name).unwrap())
    }

    fn after(state: State, command: &Command) -> (State, bool) {
        let decision = decide(&state, command, NOW).unwrap();
        assert_eq!(decision.reply.changed, !decision.events.is_empty());
        (decision.events.iter().fold(state, Control::evolve), decision.reply.changed)
    }

    #[test]
    fn given_a_target_when_stopped_and_resumed_then_it_says_why_by_whom_and_since_when() {
        for target in [Target::Everything, kind("counter"), tenant("acme")] {
            let stop = Command::Stop(word(target.clone(), "bad release"));
            let (stopped, changed) = after(State::default(), &stop);
            assert!(changed);
            let found = stopped.stops.of(&target).unwrap();
            assert_eq!((&*found.reason, &*found.by), ("bad release", "api key 1"));
            assert_eq!(found.since, NOW);
            let resume = Command::Resume(word(target, "mended"));
            let (resumed, changed) = after(stopped, &resume);
            assert!(changed && resumed == State::default());
        }
    }

    #[test]
    fn given_what_is_stopped_when_stopped_again_then_the_first_word_stands() {
        let first = Command::Stop(word(Target::Everything, "first"));
        let (frozen, _) = after(State::default(), &first);
        let again = Command::Stop(word(Target::Everything, "second"));
        assert_eq!(after(frozen.clone(), &again), (frozen, false));
        let resume = Command::Resume(word(kind("counter"), "never was"));
        assert_eq!(after(State::default(), &resume), (State::default(), false));
    }

    #[test]
    fn given_no_reason_or_an_essay_when_stopped_or_resumed_then_it_is_refused() {
        let essay = "x".repeat(REASON_BYTES_MAX + 1);
        for reason in ["", " ", &essay] {
            for command in [Command::Stop, Command::Resume] {
                let command = command(word(Target::Everything, reason));
                let refused = decide(&State::default(), &command, NOW).unwrap_err();
                assert_eq!(refused.code(), "control_reason_invalid");
            }
        }
    }

    #[test]
    fn given_as_many_tenants_as_may_be_when_one_more_is_stopped_then_it_is_refused() {
        let mut state = State::default();
        let (one, _) = after(State::default(), &Command::Stop(word(tenant("t"), "r")));
        let stop = one.stops.tenants.values().next().unwrap();
        for number in 0..TENANTS_MAX {
            let tenant = TenantId::new(&format!("t{number}")).unwrap();
            state.stops.tenants.insert(tenant, stop.clone());
        }
        let more = Command::Stop(word(tenant("more"), "r"));
        assert_eq!(decide(&state, &more, NOW).unwrap_err().code(), "control_full");
        assert!(decide(&state, &Command::Stop(word(tenant("t0"), "r")), NOW).is_ok());
        assert!(decide(&state, &Command::Stop(word(Target::Everything, "r")), NOW).is_ok());
        assert!(decide(&state, &Command::Stop(word(kind("counter"), "r")), NOW).is_ok());
    }

    #[test]
    fn bodies_are_read_strictly() {
        let good = [
            r#"{"target":"everything","reason":"r","by":"b"}"#,
            r#"{"target":{"kind":"counter"},"reason":"r","by":"b"}"#,
            r#"{"target":{"tenant":"acme"},"reason":"r","by":"b"}"#,
        ];
        for body in good {
            assert!(Control::parse("stop", body.as_bytes()).is_ok(), "{body}");
            assert!(Control::parse("resume", body.as_bytes()).is_ok(), "{body}");
        }
        for body in [
            r#"{"target":"nothing","reason":"r","by":"b"}"#,
            r#"{"target":{"kind":"Counter"},"reason":"r","by":"b"}"#,
            r#"{"target":{"kind":"counter","tenant":"acme"},"reason":"r","by":"b"}"#,
            r#"{"target":"everything","reason":"r"}"#,
            r#"{"target":"everything","reason":"r","by":"b","more":1}"#,
            "{}",
        ] {
            let parsed = Control::parse("stop", body.as_bytes());
            assert!(matches!(parsed, Err(CommandError::Body(_))), "{body}");
        }
        let other = Control::parse("melt", good[0].as_bytes());
        assert!(matches!(other, Err(CommandError::UnknownCommand(_))));
    }

    fn target() -> impl Strategy<Value = Target> {
        prop_oneof![
            Just(Target::Everything),
            "[a-z]{1,2}".prop_map(|name| kind(&name)),
            "[a-z]{1,2}".prop_map(|name| tenant(&name)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_said_last_of_each_target_holds_and_every_event_reads_back(
            words in prop::collection::vec((target(), any::<bool>(), ".{1,20}"), 0..40),
        ) {
            let mut state = State::default();
            let mut last = std::collections::BTreeMap::new();
            for (target, stops, reason) in words {
                let word = word(target.clone(), &format!("r{reason}"));
                let command = if stops { Command::Stop(word) } else { Command::Resume(word) };
                for event in decide(&state, &command, NOW).unwrap().events {
                    let text = event.encode().unwrap();
                    let back = Event::decode(event.event_type(), &text).unwrap();
                    prop_assert_eq!(&back, &event);
                    state = Control::evolve(state, &event);
                }
                last.insert(target, stops);
            }
            for (target, stops) in last {
                prop_assert_eq!(state.stops.of(&target).is_some(), stops);
            }
        }
    }
}
