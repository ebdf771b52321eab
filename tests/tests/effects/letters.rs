//! The dead letter office.

use std::time::Duration;

use coppice_core::{Epoch, ShardId, TenantId, Timestamp};
use coppice_persistence::{DeadLetter, DeadLetters, LetterKind, LetterReason};
use coppice_runtime::work::quarantine::letter_id;
use coppice_runtime::{EffectCall, Lease, OfficeError};
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

/// What the owner before writes once this one has read all letters.
fn late(call: &EffectCall) -> DeadLetter {
    DeadLetter {
        number: 0,
        id: letter_id(call.entity.stream(), call.idempotency_key),
        key: call.entity.clone(),
        message: call.idempotency_key,
        kind: LetterKind::Effect,
        name: call.effect.0.clone(),
        body: None,
        reason: LetterReason::OutcomeUnknown,
        detail: "late".into(),
        attempts: 1,
        at: Timestamp::EPOCH,
    }
}

async fn first_call(world: &World) -> EffectCall {
    while world.bell.count() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.bell.calls().remove(0)
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_was_given_up_by_a_late_letter_is_not_sent_afterwards() {
    let world = World::default();
    let first = world.start().await;
    world.bell.script([Ring::Hang]);
    first.set("a", 10).await;
    let call = first_call(&world).await;
    world.store.faults().arm(Point::Scan, Action::Unavailable, Times::Always);
    let second = world.restart(first).await;
    second.set("b", 60_000_000).await;
    let letter = late(&call);
    world.store.put_dead_letter(&letter).await.unwrap();
    // The entity is read for this, and what it owes is seen to.
    second.node.dead_letters().discard(&tenant(), letter.id).await.unwrap();
    second.shows("a", "unheard", 1).await;
    world.store.faults().clear();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.bell.count(), 1, "it is sent though it was given up");
    assert!(second.letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_is_under_way_is_not_given_up_by_a_late_letter() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    running.set("a", 10).await;
    let letter = late(&first_call(&world).await);
    world.store.put_dead_letter(&letter).await.unwrap();
    let office = running.node.dead_letters();
    let given_up = office.discard(&tenant(), letter.id).await;
    assert!(matches!(given_up, Err(OfficeError::UnderWay)), "{given_up:?}");
    world.bell.let_go(1);
    running.shows("a", "heard", 1).await;
    office.discard(&tenant(), letter.id).await.unwrap();
    assert!(running.letters().await.is_empty());
    assert_eq!((running.view("a").await["unheard"].as_u64(), world.bell.count()), (Some(0), 1));
}
