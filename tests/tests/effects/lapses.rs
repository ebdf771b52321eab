//! What is left undone is found again: where the lease ran out and was renewed after all, and
//! where the store was away when an entity was to be woken.

use std::time::Duration;

use coppice_core::ShardId;
use coppice_runtime::{Lease, RuntimeOptions};
use coppice_testkit::{Action, Point, TestLease, Times};
use coppice_tests::bell::Ring;
use coppice_tests::node::SHARDS;
use coppice_tests::running::eventually;

use crate::world::World;

/// The lease runs out for a moment that no scan sees, and then is what it was.
async fn lapse(lease: &TestLease, during: impl AsyncFnOnce()) {
    let held = (0..SHARDS).map(ShardId).filter_map(|shard| Some((shard, lease.epoch(shard)?)));
    let held = held.collect();
    lease.revoke_all();
    during().await;
    lease.grant(held);
}

#[tokio::test(start_paused = true)]
async fn effects_that_met_a_short_lapse_are_carried_out_once_the_lease_is_back() {
    let world = World { concurrency: 1, ..World::default() };
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    running.set("a", 10).await;
    running.set("b", 10).await;
    eventually("one is sent", || world.bell.count() == 1).await;
    running.shows("b", "rung", 1).await;
    lapse(&running.lease, async || {
        // The outcome of the first finds no owner, and the second no lease.
        world.bell.let_go(1);
        tokio::time::sleep(Duration::from_millis(100)).await;
    })
    .await;
    running.shows("a", "heard", 1).await;
    running.shows("b", "heard", 1).await;
    assert_eq!(world.bell.keys().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_was_due_in_a_short_lapse_rings_once_the_lease_is_back() {
    let world = World::default();
    let running = world.start().await;
    running.set("a", 500).await;
    tokio::time::sleep(Duration::from_millis(450)).await;
    lapse(&running.lease, async || tokio::time::sleep(Duration::from_millis(100)).await).await;
    eventually("it rings", || world.bell.count() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn entities_that_are_another_nodes_leave_the_memory() {
    let options = RuntimeOptions {
        hibernate_after: Duration::from_secs(2),
        passivate_after: Duration::from_secs(10),
        ..RuntimeOptions::default()
    };
    let world = World::new(options);
    let running = world.start().await;
    running.set("a", 3_600_000).await;
    running.caller.add("c", 1, None).await.unwrap();
    running.lease.revoke_all();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let residents: Vec<usize> =
        running.node.registry().census().iter().map(|census| census.residents).collect();
    assert_eq!(residents, [0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_entity_that_could_not_be_read_when_it_was_to_be_woken_is_woken_later() {
    let world = World::default();
    let running = world.start().await;
    world.bell.script([Ring::Hang]);
    running.set("owes", 10).await;
    eventually("one is sent", || world.bell.count() == 1).await;
    running.set("due", 1_000).await;
    running.node.abort();
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.store.faults().arm(Point::Entity, Action::Unavailable, Times::Next(4));
    let running = world.start().await;
    eventually("both are sent", || world.bell.count() == 3).await;
    running.shows("owes", "heard", 1).await;
    running.shows("due", "heard", 1).await;
}
