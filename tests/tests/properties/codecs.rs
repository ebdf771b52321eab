//! What is written down comes back, and what can't be read is an error.

use coppice_core::sensitive::with_vault;
use coppice_core::{DecodeError, DomainEvent, Entity, Sensitive, SubjectId, Timestamp};
use coppice_domain::example::Counter;
use coppice_domain::example::counter::{Add, Added, Command, Event, State};
use coppice_persistence::snapshot;
use coppice_tests::profile::{self, Profile};
use coppice_tests::vault::TestVault;
use proptest::prelude::*;
use std::sync::Arc;

const COUNTER_EVENTS: [&str; 1] = ["counter.added.v1"];
const PROFILE_EVENTS: [&str; 2] = ["profile.named.v1", "profile.settled.v1"];

proptest! {
    #[test]
    fn counter_events_come_back(n: i64) {
        let event = Event::Added(Added { n });
        let text = event.encode().unwrap();
        prop_assert_eq!(Event::decode(event.event_type(), &text).unwrap(), event);
    }

    #[test]
    fn counter_commands_are_read_as_they_were_meant(n: i64) {
        let body = format!("{{\"n\":{n}}}");
        let command = Counter::parse("add", body.as_bytes()).unwrap();
        prop_assert_eq!(command, Command::Add(Add { n }));
    }

    #[test]
    fn counter_snapshots_come_back(value: i64) {
        let state = State { value };
        let bytes = snapshot::encode(&state).unwrap();
        prop_assert_eq!(snapshot::decode::<State>(&bytes).unwrap(), state);
    }

    #[test]
    fn profile_events_and_states_come_back(name in ".{0,40}", named: u32, due: i64) {
        let vault = Arc::new(TestVault::default());
        with_vault(vault, || {
            let subject = SubjectId::new("sub_ada").unwrap();
            let state = profile::State {
                name: Some(Sensitive::new(subject, name.clone())),
                named,
                pending: coppice_core::Pending::default(),
            };
            let mut state = state;
            let reminder = coppice_core::TimerId("reminder".into());
            state.pending.set_timer(reminder, Timestamp::from_micros(due));
            let bytes = snapshot::encode(&state).unwrap();
            prop_assert_eq!(&snapshot::decode::<profile::State>(&bytes).unwrap(), &state);
            // Sealed once, it is written to the same bytes again.
            let back = snapshot::decode::<profile::State>(&bytes).unwrap();
            prop_assert_eq!(snapshot::encode(&back).unwrap(), bytes);
            Ok(())
        })?;
    }

    #[test]
    fn decoding_anything_is_an_answer_or_an_error(
        event_type in "([a-z]{1,8}\\.){0,3}v?[0-9]{0,3}",
        payload in prop_oneof![
            ".{0,60}",
            "\\{\"n\":-?[0-9]{1,22}\\}",
            "\\{\"name\":.{0,20}\\}",
        ],
    ) {
        let vault = Arc::new(TestVault::default());
        with_vault(vault, || {
            for known in COUNTER_EVENTS.iter().chain(&PROFILE_EVENTS) {
                drop(Event::decode(known, &payload));
                drop(profile::Event::decode(known, &payload));
            }
            if !COUNTER_EVENTS.contains(&event_type.as_str()) {
                let decoded = Event::decode(&event_type, &payload);
                prop_assert!(matches!(decoded, Err(DecodeError::UnknownType(_))));
            }
            if !PROFILE_EVENTS.contains(&event_type.as_str()) {
                let decoded = profile::Event::decode(&event_type, &payload);
                prop_assert!(matches!(decoded, Err(DecodeError::UnknownType(_))));
            }
            Ok(())
        })?;
    }

    #[test]
    fn reading_any_command_is_an_answer_or_an_error(name in "[a-z_]{0,9}", body: Vec<u8>) {
        drop(Counter::parse(&name, &body));
        drop(Counter::parse("add", &body));
        drop(Profile::parse(&name, &body));
        drop(Profile::parse("name", &body));
    }

    #[test]
    fn any_bytes_as_a_snapshot_are_a_state_or_an_error(bytes: Vec<u8>) {
        drop(snapshot::decode::<State>(&bytes));
        let vault = Arc::new(TestVault::default());
        with_vault(vault, || drop(snapshot::decode::<profile::State>(&bytes)));
    }
}
