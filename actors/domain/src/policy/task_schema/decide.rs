//! What a task schema answers.

use coppice_core::canonical::to_canonical_json;
use coppice_core::hash::sha256;
use coppice_core::{Decision, Timestamp};
use serde_json::Value;

use super::command::{Command, Register};
use super::error::{SCHEMA_BYTES_MAX, TaskSchemaError};
use super::event::{Event, Registered};
use super::state::{Reply, State};

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: Timestamp,
) -> Result<Decision<Event, Reply>, TaskSchemaError> {
    let Command::Register(register) = command;
    let schema = canonical(register)?;
    let hash: Box<str> = format!("sha256:{}", sha256(schema.as_bytes())).into();
    if let Some(latest) = state.latest.as_ref().filter(|latest| latest.hash == hash) {
        let reply = Reply { version: latest.version, hash, changed: false };
        return Ok(Decision { events: Vec::new(), reply });
    }
    let version = state.latest.as_ref().map_or(0, |latest| latest.version) + 1;
    let (by, reply) = (register.by.as_str().into(), Reply { version, hash, changed: true });
    let hash = reply.hash.clone();
    let registered = Registered { version, schema: schema.into(), hash, by, at: now };
    Ok(Decision { events: vec![Event::Registered(registered)], reply })
}

/// One text for one schema, however it was spaced and in whatever order.
fn canonical(register: &Register) -> Result<String, TaskSchemaError> {
    let read: Option<Value> = serde_json::from_str(&register.schema).ok();
    let object = read.filter(Value::is_object).ok_or(TaskSchemaError::NotAnObject)?;
    let text = to_canonical_json(&object).map_err(|_| TaskSchemaError::NotAnObject)?;
    if text.len() > SCHEMA_BYTES_MAX { Err(TaskSchemaError::TooLarge) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use coppice_core::{Access, CommandError, DomainEvent, Entity};
    use proptest::prelude::*;

    use super::super::TaskSchema;
    use super::super::state::{EARLIER_MAX, evolve};
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(7);

    fn register(schema: &str) -> Command {
        Command::Register(Register { schema: schema.to_owned(), by: "api key 1".to_owned() })
    }

    fn told(state: State, schema: &str) -> (State, Reply) {
        let decision = decide(&state, &register(schema), NOW).unwrap();
        let after = decision.events.iter().fold(state, |state, event| {
            let text = event.encode().unwrap();
            assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
            evolve(state, event)
        });
        let latest = after.latest.as_ref().unwrap();
        assert_eq!((latest.version, &latest.hash), (decision.reply.version, &decision.reply.hash));
        (after, decision.reply)
    }

    #[test]
    fn given_nothing_when_registered_then_it_is_version_one_as_canonical_text() {
        let (state, reply) = told(State::default(), r#"{ "type" : "object", "a": 1 }"#);
        let latest = state.latest.unwrap();
        assert_eq!(&*latest.schema, r#"{"a":1,"type":"object"}"#);
        assert_eq!((latest.version, latest.registered_at), (1, NOW));
        assert_eq!(&*latest.by, "api key 1");
        assert_eq!(&*reply.hash, format!("sha256:{}", sha256(latest.schema.as_bytes())));
        assert!(reply.changed && state.earlier.is_empty());
    }

    #[test]
    fn given_a_schema_when_registered_again_then_nothing_happens() {
        let (state, _) = told(State::default(), r#"{"a": 1, "b": 2}"#);
        let decision = decide(&state, &register(r#"{"b":2,"a":1}"#), NOW).unwrap();
        assert!(decision.events.is_empty());
        assert_eq!((decision.reply.version, decision.reply.changed), (1, false));
    }

    #[test]
    fn given_a_schema_when_another_is_registered_then_it_is_the_next_version() {
        let (state, first) = told(State::default(), r#"{"a": 1}"#);
        let (state, second) = told(state, r#"{"a": 2}"#);
        assert_eq!((second.version, second.changed), (2, true));
        assert_eq!(state.earlier.len(), 1);
        assert_eq!((state.earlier[0].version, &state.earlier[0].hash), (1, &first.hash));
        let (_, third) = told(state, r#"{"a": 1}"#);
        assert_eq!(third.version, 3, "going back is a change as well");
    }

    #[test]
    fn refusals_have_their_codes() {
        for schema in ["", "{", "[]", "7", "null", "true", "\"{}\""] {
            let refused = decide(&State::default(), &register(schema), NOW).unwrap_err();
            assert_eq!(refused, TaskSchemaError::NotAnObject, "{schema:?}");
        }
        let sized = |bytes: usize| {
            let schema = format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - r#"{"a":""}"#.len()));
            decide(&State::default(), &register(&schema), NOW).map(drop)
        };
        assert_eq!(sized(SCHEMA_BYTES_MAX), Ok(()));
        assert_eq!(sized(SCHEMA_BYTES_MAX + 1), Err(TaskSchemaError::TooLarge));
    }

    #[test]
    fn only_the_platform_registers_and_bodies_are_read_strictly() {
        assert_eq!(TaskSchema::ACCESS, Access::Guarded);
        assert!(TaskSchema::parse("register", br#"{"schema":"{}","by":"x"}"#).is_ok());
        for body in [&b"{}"[..], br#"{"schema":{},"by":"x"}"#, br#"{"schema":"{}","by":"x","c":1}"#]
        {
            let parsed = TaskSchema::parse("register", body);
            assert!(matches!(parsed, Err(CommandError::Body(_))), "{parsed:?}");
        }
        let parsed = TaskSchema::parse("remove", b"{}");
        assert!(matches!(parsed, Err(CommandError::UnknownCommand(_))));
    }

    proptest! {
        #[test]
        fn versions_count_up_and_no_more_are_kept_than_may_be(
            numbers in prop::collection::vec(0_u8..4, 1..60),
        ) {
            let mut state = State::default();
            let mut changes = 0;
            let mut last = None;
            for number in numbers {
                let (after, reply) = told(state, &format!(r#"{{"a": {number}}}"#));
                changes += u64::from(last != Some(number));
                prop_assert_eq!(reply.version, changes);
                last = Some(number);
                state = after;
            }
            let kept: Vec<_> = state.earlier.iter().map(|earlier| earlier.version).collect();
            let expected: Vec<_> = (1..changes).rev().take(EARLIER_MAX).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
