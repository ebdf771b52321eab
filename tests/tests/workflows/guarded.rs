//! A kind that only the platform's own code commands, and that a switch stops.

use coppice_core::{EntityKind, Target};
use coppice_runtime::{Failure, Word};
use coppice_tests::node::PATIENCE;
use coppice_tests::running::command;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::world::{World, obliging, plan};

#[tokio::test(start_paused = true)]
async fn no_caller_commands_deletes_or_links_a_guarded_kind() {
    let running = World::new(obliging).start().await;
    let registry = running.node.registry();
    let body = json!({"objective": "o", "plan": plan()}).to_string();
    let unknown = |failure: Failure| matches!(failure, Failure::UnknownCommand(_));
    let submit = || command("w", "submit", &body, None);
    assert!(unknown(registry.ask("workflow", submit()).await.unwrap_err()));
    let linked = registry.ask_linked(vec![("workflow", submit())]).await;
    assert!(linked.into_iter().all(|answer| answer.is_err()));
    running.submit("w", &plan()).await;
    assert!(unknown(registry.delete("workflow", command("w", "", "", None)).await.unwrap_err()));
    assert_eq!(running.ended("w").await["status"], "success");
}

#[tokio::test(start_paused = true)]
async fn a_switch_stops_a_guarded_kind_and_what_it_owes_goes_on_behind_it() {
    let world = World::new(obliging);
    let running = world.start().await;
    running.submit("w", &plan()).await;
    let word = |stops| Word {
        target: Target::Kind(EntityKind::new("workflow").unwrap()),
        stops,
        reason: "to see".to_owned(),
        by: "me".to_owned(),
        command_id: coppice_core::CommandId(Uuid::now_v7()),
        keyed: false,
        correlation: coppice_core::CorrelationId(Uuid::now_v7()),
        deadline: Instant::now() + PATIENCE,
    };
    running.node.control().say(word(true)).await.unwrap();
    // What was under way comes to its end; nothing follows from it.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let before = world.desk.keys().len();
    let body = json!({"by": "me"});
    for name in ["cancel", "begin"] {
        let refused = running.tell("w", name, &body, None).await.unwrap_err();
        assert!(matches!(refused, Failure::Frozen(_)), "{name}: {refused:?}");
    }
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(world.desk.keys().len(), before);
    running.node.control().say(word(false)).await.unwrap();
    assert_eq!(running.ended("w").await["status"], "success");
}
