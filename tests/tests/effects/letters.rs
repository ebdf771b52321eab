//! The dead letter office.

use std::time::Duration;

use coppice_core::{Epoch, ShardId, TenantId};
use coppice_persistence::{LetterKind, LetterReason};
use coppice_runtime::{Lease, OfficeError};
use coppice_testkit::{Action, Point, Times};
use coppice_tests::bell::Ring;
use coppice_tests::node::{SHARDS, claim, tenant};
use uuid::Uuid;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn letters_belong_to_their_tenant() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script(vec![Ring::Unknown; 3]);
    running.set("a", 10).await;
    let letter = running.letter().await;
    assert_eq!((letter.kind, letter.reason), (LetterKind::Effect, LetterReason::OutcomeUnknown));
    let (office, other) = (running.node.dead_letters(), TenantId::new("other").unwrap());
    assert!(office.list(&other, 0, 10).await.unwrap().is_empty());
    for (tenant, id) in [(&other, letter.id), (&tenant(), Uuid::nil())] {
        assert!(matches!(office.replay(tenant, id).await, Err(OfficeError::NotFound)));
        assert!(matches!(office.discard(tenant, id).await, Err(OfficeError::NotFound)));
    }
    assert_eq!(running.letters().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_in_force_on_a_node_that_owned_and_owns_again() {
    let world = World::default();
    let first = world.start().await;
    first.set("before", 10).await;
    first.shows("before", "heard", 1).await;
    first.lease.revoke_all();
    let second = world.start().await;
    world.bell.script(vec![Ring::Unknown; 3]);
    second.set("a", 10).await;
    let letter = second.letter().await;
    second.lease.revoke_all();
    // The first node lives on, and reads the letter that was put meanwhile.
    let owned = claim(&world.store, "node").await;
    first.lease.grant((0..SHARDS).map(ShardId).zip([Epoch(3)].into_iter().cycle()).collect());
    assert_eq!(owned.epoch(ShardId(0)), Some(Epoch(3)));
    first.shows("a", "rung", 1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.bell.count(), 4, "{letter:?} is called again");
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_in_force_and_is_written_once_the_store_is_back() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script(vec![Ring::Unknown; 3]);
    let faults = world.store.faults();
    faults.arm(Point::DeadLetters, Action::Unavailable, Times::Next(20));
    running.set("a", 10).await;
    running.shows("a", "rung", 1).await;
    while faults.fired(Point::DeadLetters) < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.letter().await;
    assert_eq!(world.bell.count(), 3);
}
