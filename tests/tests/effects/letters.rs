//! The dead letter office.

use coppice_core::TenantId;
use coppice_persistence::{LetterKind, LetterReason};
use coppice_runtime::OfficeError;
use coppice_testkit::{Action, Point, Times};
use coppice_tests::bell::Ring;
use coppice_tests::node::tenant;
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
async fn a_letter_is_in_force_and_is_written_once_the_store_is_back() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script(vec![Ring::Unknown; 3]);
    let faults = world.store.faults();
    faults.arm(Point::DeadLetters, Action::Unavailable, Times::Next(20));
    running.set("a", 10).await;
    running.shows("a", "rung", 1).await;
    while faults.fired(Point::DeadLetters) < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    running.letter().await;
    assert_eq!(world.bell.count(), 3);
}
