//! A node that has been down for long freezes the system by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coppice_api::health::Criticality;
use coppice_runtime::{Clock as _, RuntimeOptions};
use coppice_server::health::{Dependency, Finding, Health, HealthOptions, SHARDS, freezer, keeper};
use coppice_testkit::{Action, Point, Times};
use futures_util::FutureExt as _;
use tokio::time::sleep;

use crate::world::{Running, World};

const AFTER: Duration = Duration::from_secs(60);

/// A dependency that is down when it is told to be: with the third of its checks, at most this later.
const FOUND_WITHIN: Duration = Duration::from_secs(30);

/// Looks that follow a change, and then some.
const SOON: Duration = Duration::from_secs(15);

#[derive(Default)]
struct Outside {
    gone: Arc<AtomicBool>,
}

impl Outside {
    /// Watched over in a node's tree.
    async fn watched(
        &self,
        world: &World,
        running: &Running,
        (name, criticality): (&'static str, Criticality),
    ) {
        let gone = Arc::clone(&self.gone);
        let check = move || {
            let finding = match gone.load(Ordering::SeqCst) {
                true => Finding::Failed("it is gone".into()),
                false => Finding::Up,
            };
            std::future::ready(finding).boxed()
        };
        let options = HealthOptions {
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            failures_max: 3,
        };
        let dependency = Dependency { name, criticality, check: Box::new(check) };
        let clock = Arc::new(world.clock.clone());
        let health = Health::new(options, vec![dependency], world.clock.now());
        let tree = running.node.supervisor();
        tree.start_child(keeper(health.clone(), clock).await).await.unwrap();
        tree.start_child(freezer(health, running.node.control(), AFTER)).await.unwrap();
    }

    fn goes(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    fn comes_back(&self) {
        self.gone.store(false, Ordering::SeqCst);
    }
}

impl Running {
    /// Who froze the system and why.
    fn frozen(&self) -> Option<(String, String)> {
        let stop = self.node.gate().stops().frozen?;
        Some((stop.by.to_string(), stop.reason.to_string()))
    }
}

async fn begin(name: &'static str, criticality: Criticality) -> (World, Running, Outside) {
    let world = World { obeys: true, ..World::new(RuntimeOptions::default()) };
    let running = world.start().await;
    let outside = Outside::default();
    outside.watched(&world, &running, (name, criticality)).await;
    (world, running, outside)
}

#[tokio::test(start_paused = true)]
async fn an_outage_freezes_once_it_has_lasted_and_one_that_ends_before_does_not() {
    let (_world, running, outside) = begin("outside", Criticality::Critical).await;
    outside.goes();
    sleep(FOUND_WITHIN + AFTER - SOON).await;
    outside.comes_back();
    sleep(AFTER * 3).await;
    assert_eq!(running.frozen(), None);

    outside.goes();
    sleep(FOUND_WITHIN + AFTER - SOON).await;
    assert_eq!(running.frozen(), None, "it has not lasted yet");
    sleep(SOON * 2).await;
    let reason = "the node was down for 60 s: outside".to_owned();
    assert_eq!(running.frozen(), Some(("health".to_owned(), reason)));
    outside.comes_back();
    sleep(AFTER).await;
    assert!(running.frozen().is_some(), "an operator lets it go on, and nobody else");
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_lets_go_on_is_stopped_again_by_the_next_outage_only() {
    let (_world, running, outside) = begin("outside", Criticality::Critical).await;
    outside.goes();
    sleep(FOUND_WITHIN + AFTER + SOON).await;
    assert!(running.frozen().is_some());
    running.unfreeze().await;
    sleep(AFTER * 5).await;
    assert_eq!(running.frozen(), None, "the same outage");
    outside.comes_back();
    sleep(SOON).await;
    outside.goes();
    sleep(FOUND_WITHIN + AFTER + SOON).await;
    assert!(running.frozen().is_some(), "the next one");
}

#[tokio::test(start_paused = true)]
async fn where_the_store_can_not_take_the_freeze_it_is_frozen_once_it_can() {
    let (world, running, outside) = begin("outside", Criticality::Critical).await;
    outside.goes();
    let faults = world.store.faults();
    faults.arm(Point::BeforeAppend, Action::Unavailable, Times::Next(500));
    sleep(FOUND_WITHIN + AFTER + SOON).await;
    assert!(faults.fired(Point::BeforeAppend) > 0, "it was tried");
    assert_eq!(running.frozen(), None);
    // Also where the node is well again by then: it was down for too long to go on unseen.
    outside.comes_back();
    while faults.fired(Point::BeforeAppend) < 500 {
        sleep(SOON).await;
    }
    sleep(SOON).await;
    assert!(running.frozen().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_important_and_not_critical_freezes_nothing() {
    let (_world, running, outside) = begin("outside", Criticality::Important).await;
    outside.goes();
    sleep(AFTER * 5).await;
    assert_eq!(running.frozen(), None);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_only_lost_its_shards_freezes_nothing() {
    let (_world, running, outside) = begin(SHARDS, Criticality::Critical).await;
    outside.goes();
    sleep(AFTER * 5).await;
    assert_eq!(running.frozen(), None);
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_which_parts_of_the_node_fall_freezes_once_all_the_same() {
    let (world, running, outside) = begin("outside", Criticality::Critical).await;
    let falls = async || {
        world.store.faults().arm(Point::BeforeAppend, Action::Panic, Times::Next(1));
        assert!(running.caller.add("c", 1, None).await.is_err());
    };
    outside.goes();
    // Everything behind the writer is started again, every time before the minute is over.
    for _ in 0..3 {
        sleep(Duration::from_secs(25)).await;
        falls().await;
    }
    assert_eq!(running.frozen(), None, "it is found after half a minute, and lasts a minute");
    sleep(SOON * 2).await;
    assert!(running.frozen().is_some());
    running.unfreeze().await;
    falls().await;
    sleep(AFTER * 3).await;
    assert_eq!(running.frozen(), None, "the same outage");
}
