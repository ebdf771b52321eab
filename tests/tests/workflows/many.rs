//! Many workflows, and one of many steps.

use coppice_runtime::EffectError;
use coppice_tests::node::tenant;
use serde_json::{Value, json};

use crate::world::{World, obliging, plan};

/// Every third run of a step fails once in a while; every fifth payment is denied.
fn moody(request: &Value) -> Result<Value, EffectError> {
    let text = request.to_string();
    let roll = text.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte));
    match (request["op"].as_str(), roll % 15) {
        (Some("authorize"), 0 | 5 | 10) => {
            Ok(json!({"decision": "denied", "reason_code": "budget_exceeded"}))
        }
        (None, 0 | 3) => Err(EffectError::Refused {
            code: "plugin_failed".to_owned(),
            detail: "in a mood".to_owned(),
        }),
        _ => obliging(request),
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_workflows_with_failures_come_to_ends_that_account_for_every_reservation() {
    account_for_every_reservation(World::new(moody)).await;
}

#[tokio::test(start_paused = true)]
async fn so_do_a_thousand_whose_steps_are_computed_where_they_succeed() {
    account_for_every_reservation(World::computing(moody)).await;
}

async fn account_for_every_reservation(world: World) {
    let running = world.start().await;
    for number in 0..1_000 {
        running.submit(&format!("w{number}"), &plan()).await;
    }
    let mut ends = std::collections::BTreeMap::<String, u32>::new();
    for number in 0..1_000 {
        let view = running.ended(&format!("w{number}")).await;
        let status = view["status"].as_str().unwrap().to_owned();
        let publish = &view["steps"][4];
        let expected = match (status.as_str(), publish["status"].as_str().unwrap()) {
            ("success", "success") => json!("posted"),
            // It was run and failed: what was reserved went back. Or it never was.
            ("partial", "failed") if publish["error"]["code"] == "plugin_failed" => json!("voided"),
            ("partial" | "failed", _) => Value::Null,
            other => panic!("{other:?}"),
        };
        assert_eq!(publish["settlement"], expected, "{view}");
        *ends.entry(status).or_default() += 1;
    }
    assert!(ends.values().all(|count| *count > 20), "every end came: {ends:?}");
    let letters = running.node.dead_letters().list(&tenant(), 0, 1).await.unwrap();
    assert!(letters.is_empty());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_steps_are_one_event_each_and_survive_the_nodes_end() {
    let world = World::new(obliging);
    let mut running = world.start().await;
    let wide = |number: usize| {
        json!({"id": format!("s{number}"), "needs": ["first"], "plugin": "stub",
            "capability": "act"})
    };
    let mut steps = vec![json!({"id": "first", "plugin": "stub", "capability": "act"})];
    steps.extend((1..9_999).map(wide));
    let needs: Vec<String> = (1..9_999).map(|number| format!("s{number}")).collect();
    steps.push(json!({"id": "last", "needs": needs, "plugin": "stub", "capability": "act"}));
    running.submit("w", &json!({"name": "wide", "parallel_max": 200, "steps": steps})).await;
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    let (events, _) = running.view("w").await;
    assert!(events > 100, "it is under way: {events}");
    running = world.restart(running).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    // Without the view, which shows ten thousand steps.
    loop {
        let key = coppice_tests::running::stream_key("workflow", "w");
        let row = coppice_persistence::Journal::entity(&world.store, &key).await.unwrap().unwrap();
        if row.head.sequence.0 == 10_002 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{row:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let view = running.view("w").await.1;
    assert_eq!((&view["status"], &view["steps_over"]), (&json!("success"), &json!(10_000)));
}
