//! The node ends at every point of a workflow's story, and the next one goes on.

use std::collections::BTreeSet;

use coppice_testkit::Point;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Running, World, obliging, plan};

/// What is the same however often the node ended on the way.
fn timeless(mut view: Value) -> Value {
    let members = view.as_object_mut().unwrap();
    members.retain(|name, _| !matches!(name.as_str(), "submitted_at" | "ended_at"));
    for step in view["steps"].as_array_mut().unwrap() {
        step.as_object_mut().unwrap().remove("finished_at");
    }
    view
}

async fn told(running: &Running, waits: bool) {
    if waits {
        running.plan_and_begin("w", &plan()).await;
    } else {
        running.submit("w", &plan()).await;
    }
}

/// Runs the story; the node ends once so many events are committed.
async fn story(world: World, ends_at: Option<u64>, waits: bool) -> (Value, BTreeSet<Uuid>, u64) {
    let mut running = world.start().await;
    if waits && ends_at == Some(1) {
        running.plan("w", &plan()).await;
    } else {
        told(&running, waits).await;
    }
    if let Some(ends_at) = ends_at {
        loop {
            let (events, view) = running.view("w").await;
            if events >= ends_at {
                break;
            }
            running.agree("w", &view).await;
            tokio::time::sleep(std::time::Duration::from_micros(500)).await;
        }
        running = world.restart(running).await;
        // A client that got no answer sends its request again.
        told(&running, waits).await;
    }
    let view = running.ended("w").await;
    let events = running.view("w").await.0;
    (timeless(view), world.desk.keys().into_keys().collect(), events)
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_at_any_event_leaves_the_same_end_and_the_same_keys() {
    let (whole, keys, events) = story(World::new(obliging), None, false).await;
    assert_eq!(whole["status"], "success");
    assert_eq!(whole["steps"][4]["settlement"], "posted");
    // Five runs, one authorization, one post.
    assert_eq!(keys.len(), 7);
    // One for the beginning and each step, two for the approval, two for the payment, one for the
    // end.
    assert_eq!(events, 11);
    for waits in [false, true] {
        // One that waited is told to begin, and comes to the same.
        let events = events + u64::from(waits);
        for ends_at in 1..=events {
            let world = World::new(obliging);
            let (view, seen, after) = story(world, Some(ends_at), waits).await;
            assert_eq!(view, whole, "ended at {ends_at}");
            assert_eq!(seen, keys, "ended at {ends_at}");
            assert_eq!(after, events, "ended at {ends_at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn steps_that_are_computed_come_to_the_same_wherever_the_node_ends() {
    let (called, _, events) = story(World::new(obliging), None, false).await;
    let (whole, keys, computed) = story(World::computing(obliging), None, false).await;
    assert_eq!((&whole, computed), (&called, events));
    // One authorization, one post.
    assert_eq!(keys.len(), 2);
    for waits in [false, true] {
        let events = events + u64::from(waits);
        for ends_at in 1..=events {
            let world = World::computing(obliging);
            let (view, seen, after) = story(world, Some(ends_at), waits).await;
            assert_eq!((&view, after), (&whole, events), "ended at {ends_at}");
            assert!(seen.is_superset(&keys), "ended at {ends_at}");
        }
    }
}

/// So many steps, each behind the one before.
fn row(steps: usize) -> Value {
    let step = |number: usize| {
        let needs: Vec<String> =
            number.checked_sub(1).map(|last| format!("s{last}")).into_iter().collect();
        json!({"id": format!("s{number}"), "needs": needs, "plugin": "stub", "capability": "act"})
    };
    json!({"name": "row", "steps": (0..steps).map(step).collect::<Vec<Value>>()})
}

#[tokio::test(start_paused = true)]
async fn a_workflow_of_computed_steps_is_over_with_its_submission() {
    let world = World::computing(obliging);
    let running = world.start().await;
    let appends = || world.store.faults().calls(Point::BeforeAppend);
    let before = appends();
    let answer = running.submit("w", &row(40)).await;
    assert_eq!((answer.sequence.0, appends() - before), (1, 1));
    let (events, view) = running.view("w").await;
    assert_eq!((events, &view["status"]), (42, &json!("success")));
    assert!(world.desk.keys().is_empty());
}

/// It waits for no more than what goes with one command.
#[tokio::test(start_paused = true)]
async fn a_cancellation_ends_a_row_of_computed_steps_at_a_boundary() {
    let world = World::computing(obliging);
    let running = world.start().await;
    running.submit("w", &row(1_000)).await;
    let body = json!({"reason": "enough", "by": "me"});
    running.tell("w", "cancel", &body, None).await.unwrap();
    let view = running.ended("w").await;
    assert_eq!(view["status"], "cancelled");
    let steps = view["steps"].as_array().unwrap();
    let done = steps.iter().filter(|step| step["status"] == "success").count();
    // What goes with the submission, one call, and what goes with its outcome.
    assert!((64..=130).contains(&done), "{done}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_ends_again_and_again_carries_every_workflow_to_its_end() {
    let world = World::new(obliging);
    let mut running = world.start().await;
    let names: Vec<String> = (0..20).map(|number| format!("w{number}")).collect();
    for name in &names {
        running.submit(name, &plan()).await;
    }
    for round in 0..12 {
        tokio::time::sleep(std::time::Duration::from_millis(1 + round % 3)).await;
        for name in &names {
            let view = running.view(name).await.1;
            running.agree(name, &view).await;
        }
        running = world.restart(running).await;
    }
    for name in &names {
        assert_eq!(running.ended(name).await["status"], "success");
    }
    assert_eq!(world.desk.keys().len(), names.len() * 7);
}
