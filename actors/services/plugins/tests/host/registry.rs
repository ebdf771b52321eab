//! Registering, moving, rolling over and taking out.

use std::sync::Arc;
use std::time::Duration;

use coppice_plugin_sdk::{Health, HealthReport};
use coppice_plugins::{DeregisterError, HealthError, RegisterError};
use coppice_runtime::{Failure, task};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::impostor::{Act, Impostor};
use crate::world::{HASTY, Setting, World, asking, manifest, until};

fn offered(world: &World, name: &str) -> Option<String> {
    let offer = world.plugins.catalog().resolve(name, None).ok()?;
    Some(offer.manifest().version.clone())
}

async fn deregister(world: &World, version: &str) -> Result<(), DeregisterError> {
    world.plugins.deregister("double", version, World::word()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_offered_once_it_was_found_healthy() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    impostor.feels(HealthReport::unhealthy("starting"));
    world.keep().await;
    let manifest = manifest("double", "1.0.0");
    world.register(json!(manifest), &impostor.url).await.unwrap();
    let health = || world.plugins.catalog().versions("double")[0].health.clone();
    until("it was asked", || health().report.is_some()).await;
    assert_eq!(offered(&world, "double"), None);
    assert_eq!(world.view("plugin", "double@1.0.0").await["lifecycle"], "registered");
    assert_eq!(world.story("breaker").await.len(), 0, "there is nothing yet to hold back");
    impostor.feels(HealthReport::healthy().component("disk", Health::Degraded));
    until("it is offered", || offered(&world, "double").is_some()).await;
    let view = world.view("plugin", "double@1.0.0").await;
    assert_eq!(
        (&view["lifecycle"], &view["components"]["disk"]),
        (&json!("active"), &json!("degraded"))
    );
    impostor.feels(HealthReport::unhealthy("no disk"));
    until("it is not offered", || offered(&world, "double").is_none()).await;
    drop(impostor);
    let gone = || health().report.and_then(|report| report.message);
    until("it is gone", || gone().is_some_and(|why| why.contains("reached"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_plugin_is_refused_with_the_reason() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    let good = json!(manifest("double", "1.0.0"));
    let with = |member: &str, value: Value| {
        let mut manifest = good.clone();
        manifest[member] = value;
        manifest
    };
    for (manifest, url, why) in [
        (json!({}), impostor.url.as_str(), "name"),
        (with("more", json!(1)), &impostor.url, "more"),
        (with("name", json!("Double")), &impostor.url, "name"),
        (with("version", json!("1.0.0+7")), &impostor.url, "version"),
        (with("capabilities", json!([])), &impostor.url, "capability"),
        (with("envelope_version", json!("2.0")), &impostor.url, "2.0"),
        (with("required_scopes", json!(["host:root"])), &impostor.url, "host:root"),
        (with("input_schema", json!({ "type": 7 })), &impostor.url, "input_schema"),
        (with("output_schema", json!({ "$ref": "http://a/b" })), &impostor.url, "output_schema"),
        (good.clone(), "https://a", "http"),
        (good.clone(), "nowhere", "url"),
    ] {
        match world.register(manifest, url).await.unwrap_err() {
            RegisterError::Refused(problem) => assert!(problem.contains(why), "{why}: {problem}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(world.plugins.catalog().is_empty());
    assert_eq!(world.events().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_registers_at_every_start_and_never_changes() {
    let world = World::empty().await;
    let (here, there) = (Impostor::start().await, Impostor::start().await);
    let manifest = manifest("double", "1.0.0");
    world.serve(&manifest, &here.url).await;
    let before = world.events().await;
    world.register(json!(manifest), &here.url).await.unwrap();
    assert_eq!(world.events().await, before);
    assert!(offered(&world, "double").is_some(), "it stays in service meanwhile");

    let changed = json!(manifest.clone().description("Trebles."));
    match world.register(changed, &here.url).await.unwrap_err() {
        RegisterError::Entity(Failure::Rejected { code, .. }) => {
            assert_eq!(code, "plugin_manifest_changed");
        }
        other => panic!("{other:?}"),
    }
    world.serve(&manifest, &there.url).await;
    world.call(&asking("double")).await.unwrap();
    assert_eq!((here.count(), there.count()), (0, 1), "it is called where it is now");

    let world = world.restart(Setting::default()).await;
    world.call(&asking("double")).await.unwrap();
    assert_eq!(there.count(), 2, "also after a restart, and at once");
    let story = ["registered", "health_changed", "moved", "health_changed"];
    assert_eq!(world.story("plugin").await, story.map(|name| format!("plugin.{name}.v1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_takes_over_and_no_call_is_lost() {
    let world = Arc::new(World::empty().await);
    let (old, new) = (Impostor::start().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0").timeout_seconds(20), &old.url).await;
    old.script([Act::Late]);
    let calling = Arc::clone(&world);
    let under_way = task::spawn(async move { calling.call(&asking("double")).await });
    until("it is called", || old.count() == 1).await;

    world.serve(&manifest("double", "1.1.0"), &new.url).await;
    assert_eq!(world.call(&asking("double")).await.unwrap().plugin, "double@1.1.0");
    let leaving = Arc::clone(&world);
    let leave = task::spawn(async move { deregister(&leaving, "1.0.0").await });
    until("it has left", || world.plugins.catalog().versions("double").len() == 1).await;
    assert!(!leave.is_finished(), "a call is under way");
    let view = world.view("plugin", "double@1.0.0").await;
    assert_eq!((&view["lifecycle"], &view["draining"]), (&json!("inactive"), &json!(true)));
    old.let_go(1);
    leave.await.unwrap().unwrap();
    assert_eq!(under_way.await.unwrap().unwrap().plugin, "double@1.0.0");
    assert_eq!(world.view("plugin", "double@1.0.0").await["draining"], false);
    let mut request = asking("double");
    request["version"] = json!("=1.0.0");
    assert_eq!(world.call(&request).await.unwrap_err().0, "plugin_unavailable");
    assert_eq!((old.count(), new.count()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_a_version_out_waits_for_no_longer_than_a_call_may_take() {
    let world = Arc::new(World::empty().await);
    let impostor = Impostor::start().await;
    world.serve(&manifest("double", "1.0.0").timeout_seconds(HASTY), &impostor.url).await;
    impostor.script([Act::Late]);
    let calling = Arc::clone(&world);
    let under_way = task::spawn(async move { calling.call(&asking("double")).await });
    until("it is called", || impostor.count() == 1).await;
    let started = Instant::now();
    deregister(&world, "1.0.0").await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert_eq!(under_way.await.unwrap().unwrap_err().0, "plugin_timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_may_be_taken_out_twice_and_come_back() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    assert!(matches!(deregister(&world, "1.0.0").await, Err(DeregisterError::Unknown(_))));
    assert!(matches!(deregister(&world, "one").await, Err(DeregisterError::Unknown(_))));
    let manifest = manifest("double", "1.0.0");
    world.serve(&manifest, &impostor.url).await;
    deregister(&world, "1.0.0").await.unwrap();
    deregister(&world, "1.0.0").await.unwrap();
    let unheard = world.plugins.report_health("double", "1.0.0", HealthReport::healthy()).await;
    assert!(matches!(unheard, Err(HealthError::Unknown(_))));
    let world = world.restart(Setting::default()).await;
    assert!(world.plugins.catalog().is_empty());
    world.serve(&manifest, &impostor.url).await;
    world.call(&asking("double")).await.unwrap();
    let story = ["registered", "health_changed", "deregistered", "drained"];
    let again = ["registered", "health_changed"];
    let expected: Vec<_> =
        story.iter().chain(&again).map(|name| format!("plugin.{name}.v1")).collect();
    assert_eq!(world.story("plugin").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn degraded_is_better_than_none() {
    let world = World::empty().await;
    let (low, high) = (Impostor::start().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0"), &low.url).await;
    world.serve(&manifest("double", "1.1.0"), &high.url).await;
    let report = |version, report| world.plugins.report_health("double", version, report);
    report("1.1.0", HealthReport::degraded("slow")).await.unwrap();
    assert_eq!(offered(&world, "double").as_deref(), Some("1.0.0"));
    report("1.0.0", HealthReport::unhealthy("gone")).await.unwrap();
    assert_eq!(offered(&world, "double").as_deref(), Some("1.1.0"));
    report("1.1.0", HealthReport::unhealthy("gone")).await.unwrap();
    assert_eq!(offered(&world, "double"), None);
}
