//! A walk says what a stream bears out, whatever it says of itself.

use coppice_core::envelope::EventBody;
use coppice_core::{CommandId, CorrelationId, EventRecord, Json, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::*;

fn key() -> StreamKey {
    let (tenant, kind) = (TenantId::new("default"), EntityKind::new(Workflow::KIND));
    StreamKey::new(tenant.unwrap(), kind.unwrap(), EntityId::new("w").unwrap())
}

fn digest(value: Value) -> String {
    Json::from(value).digest().unwrap().to_string()
}

fn body(event_type: &str, payload: &Value) -> EventBody {
    EventBody {
        event_type: event_type.into(),
        payload: payload.to_string().into(),
        recorded_at: Timestamp::EPOCH,
        causation: CommandId(Uuid::nil()),
        correlation: CorrelationId(Uuid::nil()),
        workflow: None,
        policy_bundle: None,
        subject: None,
        key_id: None,
    }
}

/// A workflow of one step that has finished, which says that these are its hashes.
fn stream(input_hash: &str, output_hash: &str) -> [StoredEvent; 2] {
    let step = json!({
        "id": "a", "plugin": "p", "capability": "c", "input": { "n": "$input.n", "b": true },
    });
    let submitted = json!({
        "workflow": "w", "objective": "o", "input": { "n": 7 }, "priority": "P2",
        "source": { "channel": "api" }, "plan": { "name": "one", "steps": [step] }, "at": 0,
    });
    let finished = json!({
        "step": "a", "status": "success", "output": { "m": 1 }, "at": 0,
        "input_hash": input_hash, "output_hash": output_hash,
    });
    let key = key();
    let submitted = body("workflow.submitted.v1", &submitted);
    let first = EventRecord::chain(StreamHead::genesis(&key), submitted);
    let second = EventRecord::chain(first.head(), body("workflow.step_finished.v1", &finished));
    let stored = |position, record| StoredEvent { position, key: key.clone(), record };
    [stored(Position(1), first), stored(Position(2), second)]
}

/// Whether the second event of a stream bears out a hash.
fn holds([first, second]: &[StoredEvent; 2], side: Side, hash: &str) -> bool {
    let mut walk = Walk::new(&key());
    walk.step(first);
    walk.holds(second, side, hash)
}

#[test]
fn hashes_of_what_was_given_and_came_out_hold() {
    let (input, output) = (digest(json!({ "b": true, "n": 7 })), digest(json!({ "m": 1 })));
    let stream = stream(&input, &output);
    assert!(holds(&stream, Side::Input, &input));
    assert!(holds(&stream, Side::Output, &output));
    assert!(!holds(&stream, Side::Input, &output), "it is the output's");
    assert!(!holds(&stream, Side::Output, &input), "it is the input's");
}

#[test]
fn a_hash_that_is_recorded_and_is_of_something_else_does_not_hold() {
    let other = digest(json!({ "m": 2 }));
    let stream = stream(&other, &other);
    assert!(!holds(&stream, Side::Input, &other));
    assert!(!holds(&stream, Side::Output, &other));
}

#[test]
fn nothing_holds_in_a_stream_that_was_changed() {
    let (input, output) = (digest(json!({ "b": true, "n": 7 })), digest(json!({ "m": 1 })));
    for changed in [0, 1] {
        let mut stream = stream(&input, &output);
        let body = &mut stream[changed].record.body;
        // A space more: it reads as before, and is not what was committed.
        body.payload = format!("{} ", body.payload).into();
        assert!(!holds(&stream, Side::Input, &input), "{changed}");
        assert!(!holds(&stream, Side::Output, &output), "{changed}");
    }
}
