//! What a trace shows of a timer, the decision that it leads to, and the call that follows.

use coppice_core::CommandId;
use coppice_runtime::{Request, Trace};
use coppice_tests::running::{command, eventually};

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn the_call_of_an_effect_stands_in_the_trace_of_its_decision() {
    let world = World::default();
    let running = world.start().await;
    running.set("a", 1_000).await;
    running.shows("a", "heard", 1).await;
    eventually("the call is told of", || {
        world.spans.spans().iter().any(|span| span.name == "effect")
    })
    .await;
    let spans = world.spans.spans();
    let effect = spans.iter().find(|span| span.name == "effect").unwrap();
    let call = &world.bell.calls()[0];
    assert_eq!(call.trace, effect.trace, "whoever is called is told the call's own span");
    let of_trace = |name| {
        spans.iter().find(|span| span.name == name && span.trace.id == effect.trace.id).unwrap()
    };
    let (decide, commit) = (of_trace("decide"), of_trace("commit"));
    // They are parts of the same work, and its trace is named by the command behind it.
    assert_eq!((decide.parent, commit.parent), (effect.parent, effect.parent));
    let events = world.store.look(|events| events.to_vec());
    let command = CommandId(effect.trace.uuid());
    assert!(events.iter().any(|event| event.record.body.causation == command), "{command:?}");
    assert!(events.iter().any(|event| event.record.body.correlation.0 == command.0));
}

#[tokio::test(start_paused = true)]
async fn a_recorded_command_is_told_of_and_another_is_not() {
    let world = World::default();
    let running = world.start().await;
    let ask = async |trace: Option<Trace>| {
        let request = command("a", "set", r#"{"timer":"t","in_ms":3600000}"#, None);
        running.caller.0.ask("alarm", Request { trace, ..request }).await.unwrap();
    };
    ask(None).await;
    ask(Some(Trace::root(uuid::Uuid::from_u128(7), false))).await;
    assert!(world.spans.spans().is_empty(), "nobody asked for it");
    let trace = Trace::root(uuid::Uuid::from_u128(8), true);
    ask(Some(trace.clone())).await;
    let spans = world.spans.spans();
    let names: Vec<_> = spans.iter().map(|span| span.name).collect();
    assert_eq!(names, ["decide", "commit"]);
    assert!(spans.iter().all(|span| span.trace.id == trace.id && span.parent == Some(trace.span)));
    assert!(spans.iter().all(|span| !span.failed));
}
