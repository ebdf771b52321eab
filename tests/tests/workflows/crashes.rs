//! The node ends at every point of a workflow's story, and the next one goes on.

use std::collections::BTreeSet;

use serde_json::Value;
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
async fn story(ends_at: Option<u64>, waits: bool) -> (Value, BTreeSet<Uuid>, u64) {
    let world = World::new(obliging);
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
    let (whole, keys, events) = story(None, false).await;
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
            let (view, seen, after) = story(Some(ends_at), waits).await;
            assert_eq!(view, whole, "ended at {ends_at}");
            assert_eq!(seen, keys, "ended at {ends_at}");
            assert_eq!(after, events, "ended at {ends_at}");
        }
    }
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
