//! A version's rules, in given/when/then form.

use coppice_core::{DomainEvent, Entity, Rejection};
use proptest::prelude::*;
use serde_json::json;

use super::super::event::Health;
use super::super::state::Lifecycle;
use super::super::{Deregister, Drained, PluginVersion};
use super::*;

const ID: &str = "word_count@1.0.0";

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn manifest(description: &str) -> Value {
    let config = json!({ "temperature": 0.7, "timeout_seconds": 5 });
    json!({ "version": "1.0.0", "name": "word_count", "description": description, "config": config })
}

fn http(url: &str) -> Place {
    Place::Http(url.into())
}

fn register(manifest: Value, place: Place) -> Command {
    Command::Register(Register { manifest, place, by: "api key 1".to_owned() })
}

fn usual() -> Command {
    register(manifest("counts"), http("http://127.0.0.1:9/p"))
}

fn health(status: Health, message: Option<&str>) -> Command {
    let components = [("disk".to_owned(), status)].into();
    Command::ReportHealth(ReportHealth { status, components, message: message.map(str::to_owned) })
}

fn deregister() -> Command {
    Command::Deregister(Deregister { by: "api key 1".to_owned() })
}

/// The names of the events and the state after them.
fn told(state: &State, command: &Command, now: i64) -> (Vec<&'static str>, State) {
    let decision = decide(state, command, ID, at(now)).unwrap();
    let after = decision.events.iter().fold(state.clone(), |state, event| {
        let text = event.encode().unwrap();
        assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
        PluginVersion::evolve(state, event)
    });
    assert_eq!(after.view(), decision.reply);
    let short = |event: &Event| event.event_type().split('.').nth(1).unwrap();
    (decision.events.iter().map(short).collect(), after)
}

fn after(commands: &[Command]) -> State {
    commands.iter().fold(State::default(), |state, command| told(&state, command, 1).1)
}

fn code(state: &State, command: &Command) -> &'static str {
    decide(state, command, ID, at(1)).unwrap_err().code()
}

#[test]
fn given_nothing_when_registered_then_its_first_healthy_report_makes_it_active() {
    let (events, registered) = told(&State::default(), &usual(), 5);
    assert_eq!(events, ["registered"]);
    let view = registered.view();
    assert_eq!((view.lifecycle, view.health), (Lifecycle::Registered, None));
    assert_eq!(view.manifest.value(), manifest("counts"));
    let (_, ill) = told(&registered, &health(Health::Unhealthy, Some("starting")), 6);
    let (_, so_so) = told(&ill, &health(Health::Degraded, None), 7);
    assert_eq!(so_so.view().lifecycle, Lifecycle::Registered);
    let (_, well) = told(&so_so, &health(Health::Healthy, None), 8);
    assert_eq!(well.view().lifecycle, Lifecycle::Active);
    let (_, ill) = told(&well, &health(Health::Unhealthy, None), 9);
    let view = ill.view();
    assert_eq!((view.lifecycle, view.health), (Lifecycle::Active, Some(Health::Unhealthy)));
    assert_eq!((view.registered_at, view.changed_at), (at(5), at(9)));
}

#[test]
fn given_a_version_when_registered_again_then_nothing_is_recorded_unless_it_moved() {
    let active = after(&[usual(), health(Health::Healthy, None)]);
    assert_eq!(told(&active, &usual(), 2), (vec![], active.clone()));
    // The order of members is nothing new.
    let text = serde_json::to_string(&manifest("counts")).unwrap();
    let again = register(serde_json::from_str(&text).unwrap(), http("http://127.0.0.1:9/p"));
    assert_eq!(told(&active, &again, 2).0, [""; 0]);
    let (events, moved) = told(&active, &register(manifest("counts"), http("http://b")), 3);
    assert_eq!(events, ["moved"]);
    let view = moved.view();
    assert_eq!((view.lifecycle, view.health), (Lifecycle::Active, None));
    assert_eq!(view.place, Some(http("http://b")));
}

#[test]
fn given_a_version_when_its_manifest_or_kind_of_place_differs_then_it_is_refused_for_ever() {
    let active = after(&[usual()]);
    let gone = after(&[usual(), deregister()]);
    for state in [active, gone] {
        let other = register(manifest("counts more"), http("http://127.0.0.1:9/p"));
        assert_eq!(code(&state, &other), "plugin_manifest_changed");
        let inside = register(manifest("counts"), Place::InProcess);
        assert_eq!(code(&state, &inside), "plugin_place_changed");
    }
}

#[test]
fn given_a_manifest_of_another_version_or_no_address_when_registered_then_it_is_refused() {
    let state = State::default();
    let large = manifest(&"x".repeat(MANIFEST_BYTES_MAX));
    for bad in [json!({}), json!({ "name": "word_count", "version": "1.0.1" }), json!([]), large] {
        let command = register(bad, http("http://a"));
        assert_eq!(code(&state, &command), "plugin_manifest_invalid");
    }
    let long = format!("http://{}", "a".repeat(URL_BYTES_MAX));
    for bad in ["", "ftp://a", "a", &long] {
        let command = register(manifest("counts"), http(bad));
        assert_eq!(code(&state, &command), "plugin_place_invalid", "{bad}");
    }
}

#[test]
fn given_the_same_health_when_reported_again_then_nothing_is_recorded() {
    let active = after(&[usual(), health(Health::Healthy, Some("fine"))]);
    assert_eq!(told(&active, &health(Health::Healthy, Some("fine")), 2).0, [""; 0]);
    assert_eq!(told(&active, &health(Health::Healthy, None), 2).0, ["health_changed"]);
    let essay = "\u{e9}".repeat(TEXT_BYTES_MAX);
    let (_, told_much) = told(&active, &health(Health::Degraded, Some(&essay)), 2);
    assert_eq!(told_much.view().message.unwrap().len(), TEXT_BYTES_MAX);
}

#[test]
fn given_a_version_when_deregistered_then_it_drains_and_may_come_back() {
    let active = after(&[usual(), health(Health::Healthy, None)]);
    let (events, gone) = told(&active, &deregister(), 2);
    assert_eq!(events, ["deregistered"]);
    assert_eq!((gone.view().lifecycle, gone.view().draining), (Lifecycle::Inactive, true));
    assert_eq!(told(&gone, &deregister(), 3).0, [""; 0], "once is enough");
    assert_eq!(code(&gone, &health(Health::Healthy, None)), "plugin_not_registered");
    let drained = Command::Drained(Drained { left: 1 });
    let (events, empty) = told(&gone, &drained, 4);
    assert_eq!(events, ["drained"]);
    assert_eq!(told(&empty, &drained, 5).0, [""; 0]);
    let (events, back) = told(&empty, &usual(), 6);
    assert_eq!(events, ["registered"]);
    assert_eq!((back.view().lifecycle, back.view().health), (Lifecycle::Registered, None));
    assert_eq!(told(&State::default(), &deregister(), 1).0, [""; 0], "nobody knew it");
    assert_eq!(code(&State::default(), &health(Health::Healthy, None)), "plugin_not_registered");
}

#[test]
fn bodies_are_read_strictly() {
    let parse = |name: &str, body: &str| PluginVersion::parse(name, body.as_bytes());
    for (name, body) in [
        ("register", r#"{"manifest":{},"place":"in_process","by":"n"}"#),
        ("register", r#"{"manifest":{},"place":{"http":"http://a"},"by":"n"}"#),
        ("report_health", r#"{"status":"healthy"}"#),
        ("deregister", r#"{"by":"n"}"#),
        ("drained", r#"{"left":0}"#),
    ] {
        assert!(parse(name, body).is_ok(), "{name} {body}");
    }
    for (name, body) in [
        ("register", r#"{"manifest":{},"place":"elsewhere","by":"n"}"#),
        ("register", r#"{"manifest":{},"place":"in_process"}"#),
        ("report_health", r#"{"status":"fine"}"#),
        ("report_health", r#"{"status":"healthy","more":1}"#),
        ("drained", r#"{"left":-1}"#),
        ("vanish", "{}"),
    ] {
        assert!(parse(name, body).is_err(), "{name} {body}");
    }
}

fn any_command() -> impl Strategy<Value = Command> {
    let any_health =
        prop_oneof![Just(Health::Healthy), Just(Health::Degraded), Just(Health::Unhealthy)];
    prop_oneof![
        Just(usual()),
        Just(register(manifest("counts"), http("http://b"))),
        Just(register(manifest("other"), http("http://b"))),
        (any_health, prop::option::of("[a-c]{0,1}"))
            .prop_map(|(status, message)| health(status, message.as_deref())),
        Just(deregister()),
        (0..3_u32).prop_map(|left| Command::Drained(Drained { left })),
    ]
}

proptest! {
    #[test]
    fn whoever_is_in_service_has_an_address_and_whoever_drains_is_not(
        commands in prop::collection::vec(any_command(), 0..40),
    ) {
        let mut state = State::default();
        for command in &commands {
            if decide(&state, command, ID, at(1)).is_ok() {
                let (events, after) = told(&state, command, 1);
                prop_assert!(events.len() <= 1);
                prop_assert_eq!(events.is_empty(), after == state);
                state = after;
            }
            prop_assert!(!state.is_registered() || state.place.is_some());
            prop_assert!(!(state.draining && state.is_registered()));
            let view = serde_json::to_string(&state.view()).unwrap();
            prop_assert_eq!(serde_json::from_str::<View>(&view).unwrap(), state.view());
        }
    }
}
