//! Breakers as entities: through crashes, and under many that ask at once.

use std::sync::Arc;
use std::time::Duration;

use coppice_plugin_sdk::HealthReport;
use coppice_plugins::{Breakers, Unadmitted};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::impostor::{Act, Impostor};
use crate::world::{Setting, World, asking, manifest};

const ID: &str = "double@1.0.0";
const COOLDOWN: Duration = Duration::from_secs(60);
const TAKES: Duration = Duration::from_secs(1);

async fn opened(world: &World) {
    for _ in 0..3 {
        let call = Uuid::now_v7();
        let admission = world.plugins.breakers().admit(ID, call, TAKES).await.unwrap();
        world.plugins.breakers().report(ID, call, admission, false).await.unwrap();
    }
    assert_eq!(world.breaker(ID).await.0, "open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_that_ask_at_once_one_is_the_probe() {
    let world = World::empty().await;
    opened(&world).await;
    world.clock.advance(COOLDOWN);
    let breakers: &Arc<dyn Breakers> = world.plugins.breakers();
    let calls: Vec<_> = (0..100).map(|_| Uuid::now_v7()).collect();
    let asked = calls.iter().map(|call| breakers.admit(ID, *call, TAKES));
    let answers = join_all(asked).await;
    let probes: Vec<_> = answers.iter().flatten().collect();
    assert_eq!(probes.len(), 1, "{probes:?}");
    assert!(probes[0].probe);
    let refused = answers.iter().filter(|of| matches!(of, Err(Unadmitted::Open(_)))).count();
    assert_eq!(refused, 99);
    let probe = answers.iter().position(Result::is_ok).unwrap();
    breakers.report(ID, calls[probe], *probes[0], true).await.unwrap();
    assert_eq!(world.breaker(ID).await, ("closed".to_owned(), 0));
    let admitted = world.story("breaker").await.iter().filter(|of| of.contains("probe")).count();
    assert_eq!(admitted, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_its_process_took_along_is_the_same_probe_when_it_is_made_again() {
    let world = World::empty().await;
    opened(&world).await;
    world.clock.advance(COOLDOWN);
    let call = Uuid::now_v7();
    let first = world.plugins.breakers().admit(ID, call, TAKES).await.unwrap();
    let world = world.restart(Setting::default()).await;
    let breakers = world.plugins.breakers();
    assert!(matches!(breakers.admit(ID, Uuid::now_v7(), TAKES).await, Err(Unadmitted::Open(_))));
    let again = breakers.admit(ID, call, TAKES).await.unwrap();
    assert_eq!(again, first);
    breakers.report(ID, call, again, true).await.unwrap();
    assert_eq!(world.breaker(ID).await.0, "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_nobody_reports_of_gives_way_once_it_can_not_be_under_way_any_more() {
    let world = World::empty().await;
    opened(&world).await;
    world.clock.advance(COOLDOWN);
    let breakers = world.plugins.breakers();
    breakers.admit(ID, Uuid::now_v7(), TAKES).await.unwrap();
    // As long as it takes, and ten seconds more.
    world.clock.advance(TAKES + Duration::from_secs(10) - Duration::from_micros(1));
    assert!(breakers.admit(ID, Uuid::now_v7(), TAKES).await.is_err());
    world.clock.advance(Duration::from_micros(1));
    assert!(breakers.admit(ID, Uuid::now_v7(), TAKES).await.unwrap().probe);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_breaker_is_open_after_a_restart() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0"), &impostor.url).await;
    impostor.script(vec![Act::Garbage; 3]);
    for _ in 0..3 {
        world.call(&asking("double")).await.unwrap_err();
    }
    let world = world.restart(Setting::default()).await;
    let (code, detail) = world.call(&asking("double")).await.unwrap_err();
    assert_eq!(code, "plugin_unavailable", "{detail:?}");
    assert_eq!(impostor.count(), 3);
    world.clock.advance(COOLDOWN);
    world.call(&asking("double")).await.unwrap();
    assert_eq!(world.breaker(ID).await.0, "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_unhealthy_reports_in_a_row_open_it() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0"), &impostor.url).await;
    let report = |report| world.plugins.report_health("double", "1.0.0", report);
    let ill = || HealthReport::unhealthy("no disk");
    for said in [ill(), ill(), HealthReport::healthy(), ill(), ill()] {
        report(said).await.unwrap();
    }
    assert_eq!(world.breaker(ID).await.0, "closed");
    report(ill()).await.unwrap();
    assert_eq!(world.breaker(ID).await.0, "open");
    report(HealthReport::healthy()).await.unwrap();
    let (code, detail) = world.call(&asking("double")).await.unwrap_err();
    assert_eq!(code, "plugin_unavailable");
    assert!(detail.message.contains("circuit breaker"), "what it says is not enough: {detail:?}");
    world.clock.advance(COOLDOWN);
    world.call(&asking("double")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_of_many_calls_at_once_are_all_counted() {
    let world = World::empty().await;
    let breakers = world.plugins.breakers();
    let calls: Vec<_> = (0..50).map(|_| Uuid::now_v7()).collect();
    let admissions = join_all(calls.iter().map(|call| breakers.admit(ID, *call, TAKES))).await;
    let reports = calls
        .iter()
        .zip(admissions)
        .map(|(call, admission)| breakers.report(ID, *call, admission.unwrap(), false));
    assert!(join_all(reports).await.iter().all(Result::is_ok));
    let story = world.story("breaker").await;
    assert_eq!(story, ["failed", "failed", "opened"].map(|name| format!("breaker.{name}.v1")));
    assert_eq!(breakers.standing(ID).unwrap().opened, 1);
}
