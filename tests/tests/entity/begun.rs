//! Commands that come with an id drawn for them: the store isn't asked for their entity, and has the
//! last word all the same.

use std::time::Duration;

use coppice_core::Sequence;
use coppice_runtime::{Failure, Request};
use coppice_testkit::Point;
use coppice_tests::running::command;
use tokio::time::Instant;

use crate::world::{ADA, World, profile, read_profile};

fn begins(key: Option<&str>) -> Request {
    Request { begins: true, ..command("p", "name", ADA, key) }
}

#[tokio::test(start_paused = true)]
async fn what_begins_costs_no_read_and_is_there_like_any_other() {
    let world = World::default();
    let (node, caller) = world.start().await;
    let reads = || world.store.faults().calls(Point::Entity);
    let before = reads();
    let answer = caller.0.ask("profile", begins(None)).await.unwrap();
    assert_eq!((answer.sequence, reads()), (Sequence(1), before));
    let answer = profile(&caller, "name", ADA, None).await.unwrap();
    assert_eq!((answer.sequence, reads()), (Sequence(2), before));
    let (_node, caller) = world.restart(node).await;
    assert_eq!(read_profile(&caller).await.unwrap().sequence, Sequence(2));
    assert!(reads() > before, "a restarted node reads it");
}

#[tokio::test(start_paused = true)]
async fn where_there_is_one_after_all_the_command_is_decided_on_what_it_has() {
    let world = World::default();
    let (node, caller) = world.start().await;
    for _ in 0..3 {
        profile(&caller, "name", ADA, None).await.unwrap();
    }
    let touched = profile(&caller, "touch", "{}", Some("k")).await.unwrap();
    let (_node, caller) = world.restart(node).await;
    // Others that wait behind it are decided on what there is as well.
    let again = || profile(&caller, "touch", "{}", Some("k"));
    let (begun, next, repeat) = tokio::join!(
        caller.0.ask("profile", begins(None)),
        profile(&caller, "name", ADA, None),
        again(),
    );
    assert_eq!((begun.unwrap().sequence, next.unwrap().sequence), (Sequence(4), Sequence(5)));
    let repeat = repeat.unwrap();
    assert_eq!((repeat.sequence, repeat.repeated), (touched.sequence, true));
    assert_eq!(world.journal().await.len(), 5);
    assert_eq!(read_profile(&caller).await.unwrap().sequence, Sequence(5));
}

/// What is refused writes nothing that the store could judge.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_that_of_the_entity_that_is_there_and_leaves_no_empty_one_behind() {
    let world = World::default();
    let (node, caller) = world.start().await;
    profile(&caller, "name", ADA, None).await.unwrap();
    profile(&caller, "settle", "{}", None).await.unwrap();
    let (node, caller) = world.restart(node).await;
    let settle = Request { begins: true, ..command("p", "settle", "{}", None) };
    // An entity without events would refuse it as well: what tells them apart is what is read.
    let refused = caller.0.ask("profile", settle.clone()).await.unwrap_err();
    assert!(matches!(refused, Failure::Rejected { code: "nothing_owed", .. }), "{refused:?}");
    assert_eq!(read_profile(&caller).await.unwrap().sequence, Sequence(2));
    assert_eq!(profile(&caller, "name", ADA, None).await.unwrap().sequence, Sequence(3));
    // One that would be accepted by the entity that is there, and refused by one that is not.
    let (_node, caller) = world.restart(node).await;
    assert_eq!(caller.0.ask("profile", settle).await.unwrap().sequence, Sequence(4));
}

/// It is turned down before it is decided on, and whoever comes next is not served an empty entity.
#[tokio::test(start_paused = true)]
async fn one_whose_time_is_over_leaves_no_empty_entity_behind() {
    let world = World::default();
    let (node, caller) = world.start().await;
    profile(&caller, "name", ADA, None).await.unwrap();
    let (_node, caller) = world.restart(node).await;
    let late = Request { deadline: Instant::now() - Duration::from_millis(1), ..begins(None) };
    let (late, view) = tokio::join!(caller.0.ask("profile", late), read_profile(&caller));
    assert_eq!(late, Err(Failure::DeadlineExceeded));
    assert_eq!(view.unwrap().sequence, Sequence(1));
}
