//! What a counter answers.

use coppice_core::Decision;

use super::command::Command;
use super::error::CounterError;
use super::event::{Added, Event};
use super::state::{State, Value};

pub(super) fn decide(
    state: State,
    command: Command,
) -> Result<Decision<Event, Value>, CounterError> {
    match command {
        Command::Add(add) => {
            let value = state
                .value
                .checked_add(add.n)
                .ok_or(CounterError::Overflow { value: state.value, n: add.n })?;
            Ok(Decision { events: vec![Event::Added(Added { n: add.n })], reply: Value { value } })
        }
    }
}

#[cfg(test)]
mod tests {
    use coppice_core::{CommandError, DomainEvent, Entity, Rejection};
    use proptest::prelude::*;

    use super::super::{Add, Counter};
    use super::*;

    #[test]
    fn given_a_value_when_added_then_the_sum_is_the_reply() {
        let decision = decide(State { value: 40 }, Command::Add(Add { n: 2 })).unwrap();
        assert_eq!(decision.events, [Event::Added(Added { n: 2 })]);
        assert_eq!(decision.reply, Value { value: 42 });
    }

    #[test]
    fn given_the_largest_value_when_added_then_it_is_refused_by_code() {
        let refused = decide(State { value: i64::MAX }, Command::Add(Add { n: 1 })).unwrap_err();
        assert_eq!(refused.code(), "counter_overflow");
        assert!(decide(State { value: i64::MIN }, Command::Add(Add { n: -1 })).is_err());
    }

    #[test]
    fn bodies_are_read_strictly() {
        for body in [r#"{"n":1,"m":2}"#, r#"{"n":"1"}"#, r#"{"n":1.5}"#, "{}", "[]", "{", ""] {
            let parsed = Counter::parse("add", body.as_bytes());
            assert!(matches!(parsed, Err(CommandError::Body(_))), "{body:?} gave {parsed:?}");
        }
        let unknown = Counter::parse("subtract", br#"{"n":1}"#);
        assert!(matches!(unknown, Err(CommandError::UnknownCommand(_))));
    }

    proptest! {
        #[test]
        fn what_is_decided_evolves_to_what_was_replied(value: i64, n: i64) {
            let state = State { value };
            if let Ok(decision) = decide(state, Command::Add(Add { n })) {
                let after = decision.events.iter().fold(state, Counter::evolve);
                prop_assert_eq!(after.value, decision.reply.value);
            } else {
                prop_assert!(value.checked_add(n).is_none());
            }
        }

        #[test]
        fn events_come_back_from_their_text(n: i64) {
            let event = Event::Added(Added { n });
            let text = event.encode().unwrap();
            prop_assert_eq!(Event::decode(event.event_type(), &text).unwrap(), event);
        }
    }
}
