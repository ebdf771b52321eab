//! Deliveries in given, when and then.

use coppice_core::{DomainEvent, EffectId, EffectMode, EffectOutcome, Entity, Rejection};
use serde_json::{Value, json};

use super::super::{Delivery, Status};
use super::*;
use crate::ingress::{Route, github};
use crate::workflow::flow::Priority;

const ID: &str = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const HASH: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const NOW: Timestamp = Timestamp::from_micros(7);

fn told(state: &State, command: &Command) -> Result<Decision<Event, Receipt>, DeliveryError> {
    let id = EntityId::new(&entity_id(github::SOURCE, ID)).unwrap();
    decide(state, command, &id, NOW)
}

/// The state after an accepted command, and its reply. Every event comes back from its text.
fn after(state: State, command: &Command) -> (State, Receipt) {
    let decision = told(&state, command).unwrap();
    let state = decision.events.iter().fold(state, |state, event| {
        let text = event.encode().unwrap();
        assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
        Delivery::evolve(state, event)
    });
    (state, decision.reply)
}

fn receive(route: Option<Route>) -> Receive {
    let body = json!({
        "action": "opened",
        "pull_request": { "number": 2, "title": "Fix it", "draft": false },
        "repository": { "id": 7, "full_name": "a/b" },
        "sender": { "id": 8, "login": "c" },
    });
    let event = github::normalise("pull_request", &body);
    Receive { delivery: ID.to_owned(), body_sha256: HASH.to_owned(), event, route }
}

fn review() -> Option<Route> {
    Some(Route { rule: 3, plan: "code-review".to_owned(), priority: Priority::P1 })
}

fn boxed(receive: Receive) -> Command {
    Command::Receive(Box::new(receive))
}

fn seen(state: &State) -> Value {
    serde_json::to_value(Delivery::view(state)).unwrap()
}

#[test]
fn given_nothing_when_a_routed_message_comes_then_the_planner_is_owed_one_call() {
    let (state, receipt) = after(State::default(), &boxed(receive(review())));
    let expected = json!({
        "delivery": ID,
        "outcome": "routed",
        "plan": "code-review",
        "workflow": null,
        "repeated": false,
    });
    assert_eq!(serde_json::to_value(&receipt).unwrap(), expected);
    let owed: Vec<_> = Delivery::pending(&state).added_since(0).collect();
    assert_eq!(owed.len(), 1);
    assert_eq!((&*owed[0].id.0, &*owed[0].effect.handler), ("plan", "planner"));
    assert_eq!(owed[0].effect.mode, EffectMode::Retry);
    let request: Value = serde_json::from_str(&owed[0].effect.request).unwrap();
    assert_eq!(request["delivery"], ID);
    assert_eq!(request["plan"], "code-review");
    assert_eq!(request["priority"], "P1");
    let event = serde_json::to_value(receive(None).event).unwrap();
    assert_eq!(request["event"], event, "the planner needs nothing else");
    let view = seen(&state);
    assert_eq!((&view["status"], &view["event"]), (&json!("planning"), &event));
    assert_eq!((&view["body_sha256"], &view["received_at"]), (&json!(HASH), &json!(7)));
    assert_eq!(view["route"], json!({ "rule": 3, "plan": "code-review", "priority": "P1" }));
}

#[test]
fn given_nothing_when_no_rule_took_the_message_then_it_is_kept_and_nothing_is_owed() {
    assert_eq!(Delivery::view(&State::default()).status, Status::Expected);
    let (state, receipt) = after(State::default(), &boxed(receive(None)));
    assert_eq!((receipt.outcome, receipt.plan), (super::super::Outcome::Unrouted, None));
    assert!(!Delivery::pending(&state).owes());
    assert_eq!(seen(&state)["status"], "unrouted");
}

#[test]
fn given_a_message_when_it_comes_again_then_nothing_happens_and_the_answer_is_the_first_one() {
    for route in [None, review()] {
        let (state, first) = after(State::default(), &boxed(receive(route)));
        // The rules may have changed meanwhile.
        for again in [None, review()] {
            let decision = told(&state, &boxed(receive(again))).unwrap();
            assert_eq!(decision.events, []);
            assert_eq!(decision.reply, Receipt { repeated: true, ..first.clone() });
        }
    }
}

#[test]
fn given_a_message_when_its_id_comes_with_another_body_then_it_is_refused() {
    let (state, _) = after(State::default(), &boxed(receive(None)));
    let other = Receive { body_sha256: HASH.replace('7', "8"), ..receive(None) };
    let refused = told(&state, &boxed(other)).unwrap_err();
    assert_eq!(refused.code(), "delivery_body_differs");
}

#[test]
fn a_message_is_taken_up_by_the_entity_of_its_id_only() {
    let other = Receive { delivery: ID.replace('7', "8"), ..receive(None) };
    let mut elsewhere = receive(None);
    "gitlab".clone_into(&mut elsewhere.event.source);
    for misaddressed in [other, elsewhere] {
        let refused = told(&State::default(), &boxed(misaddressed)).unwrap_err();
        assert_eq!(refused.code(), "delivery_misaddressed");
    }
}

#[test]
fn what_the_planner_answers_is_recorded_and_told_to_repeats() {
    let done = |response: &str| EffectOutcome::Done { response: response.into() };
    let failed =
        EffectOutcome::Failed { code: "plan_unknown".into(), detail: "x".repeat(2_000).into() };
    for (outcome, status, workflow, code) in [
        (done(r#"{"workflow":"w-1","more":1}"#), "planned", json!("w-1"), Value::Null),
        (done("{}"), "failed", Value::Null, json!("planner_answer_unreadable")),
        (failed, "failed", Value::Null, json!("plan_unknown")),
    ] {
        let (state, _) = after(State::default(), &boxed(receive(review())));
        let plan = EffectId("plan".into());
        let command = Delivery::on_effect(&state, &plan, &outcome).unwrap();
        let (state, _) = after(state, &command);
        assert!(!Delivery::pending(&state).owes());
        let view = seen(&state);
        assert_eq!((&view["status"], &view["workflow"]), (&json!(status), &workflow));
        assert_eq!(view["failure"]["code"], code);
        let detail = view["failure"]["detail"].as_str().unwrap_or_default();
        assert!(detail.len() <= 1_024, "{} bytes", detail.len());
        let repeat = told(&state, &boxed(receive(review()))).unwrap().reply;
        assert_eq!(json!(repeat.workflow), workflow);
    }
}

#[test]
fn an_unknown_outcome_is_left_to_an_operator() {
    let unknown = EffectOutcome::Unknown { detail: "cut".into() };
    let plan = EffectId("plan".into());
    assert!(Delivery::on_effect(&State::default(), &plan, &unknown).is_none());
}

#[test]
fn only_a_whole_receive_is_read() {
    let whole = serde_json::to_value(receive(review())).unwrap();
    let read = Delivery::parse("receive", whole.to_string().as_bytes()).unwrap();
    assert_eq!(read, boxed(receive(review())));
    for (member, value) in [
        ("body_sha256", json!(&HASH[1..])),
        ("body_sha256", json!(HASH.to_uppercase())),
        ("delivery", json!(7)),
        ("event", json!({})),
        ("route", json!({ "plan": "x" })),
        ("more", json!(1)),
    ] {
        let mut body = whole.clone();
        body[member] = value;
        let read = Delivery::parse("receive", body.to_string().as_bytes());
        assert!(matches!(read, Err(coppice_core::CommandError::Body(_))), "{member}: {read:?}");
    }
    for unknown in ["planned", "plan_failed", ""] {
        assert!(Delivery::parse(unknown, b"{}").is_err(), "{unknown}");
    }
}
