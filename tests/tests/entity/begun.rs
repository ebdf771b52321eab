//! Commands that come with an id drawn for them: the store isn't asked for their entity, and has the
//! last word all the same.

use coppice_core::Sequence;
use coppice_runtime::Request;
use coppice_testkit::Point;
use coppice_tests::running::command;

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
