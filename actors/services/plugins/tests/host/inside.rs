//! Plugins in the node's own process, good and bad.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coppice_plugin_sdk::{
    BoxFuture, HealthReport, InputEnvelope, Manifest, OutputEnvelope, Plugin, PluginError,
};
use serde_json::json;

use crate::world::{HASTY, Setting, World, asking, manifest, until};

/// Does what its input says.
#[derive(Debug)]
pub(crate) struct Inside {
    manifest: Manifest,
    pub(crate) ready: AtomicBool,
    pub(crate) initialized: AtomicUsize,
    pub(crate) shut_down: AtomicBool,
    pub(crate) panics_at_health: AtomicBool,
    hanging: AtomicUsize,
}

impl Inside {
    pub(crate) fn new(version: &str) -> Arc<Self> {
        Self::of(manifest("inside", version))
    }

    fn of(manifest: Manifest) -> Arc<Self> {
        Arc::new(Self {
            manifest,
            ready: AtomicBool::new(true),
            initialized: AtomicUsize::new(0),
            shut_down: AtomicBool::new(false),
            panics_at_health: AtomicBool::new(false),
            hanging: AtomicUsize::new(0),
        })
    }
}

const PANIC: i64 = -1;
const HANG: i64 = -2;
const WRONG_TASK: i64 = -3;
const WRONG_OUTPUT: i64 = -4;
const TOO_MUCH: i64 = -5;

impl Plugin for Inside {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn initialize(&self) -> BoxFuture<'_, Result<(), PluginError>> {
        Box::pin(async {
            let ready = self.ready.load(Ordering::SeqCst);
            ready.then_some(()).ok_or_else(|| PluginError("no model yet".to_owned()))?;
            self.initialized.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }

    fn health(&self) -> BoxFuture<'_, HealthReport> {
        Box::pin(async {
            assert!(!self.panics_at_health.load(Ordering::SeqCst), "told to");
            HealthReport::healthy()
        })
    }

    fn execute(&self, input: InputEnvelope) -> BoxFuture<'_, OutputEnvelope> {
        Box::pin(async move {
            let n = input.input["n"].as_i64().unwrap();
            let well = OutputEnvelope::success(&input, "Doubled.");
            match n {
                PANIC => panic!("told to"),
                HANG => {
                    self.hanging.fetch_add(1, Ordering::SeqCst);
                    pending().await
                }
                WRONG_TASK => OutputEnvelope { task_id: "another".to_owned(), ..well },
                WRONG_OUTPUT => well.with_output(json!("text")),
                TOO_MUCH => {
                    let much = json!({ "n": 1, "more": "x".repeat(100_000) });
                    well.with_output(much)
                }
                n => well.with_output(json!({ "n": n * 2 })),
            }
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        self.shut_down.store(true, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

fn setting(plugin: &Arc<Inside>) -> Setting {
    Setting { inside: vec![Arc::clone(plugin) as Arc<dyn Plugin>], ..Setting::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_of_the_node_is_offered_once_the_node_is_up() {
    let plugin = Inside::new("1.0.0");
    let world = World::start(setting(&plugin)).await;
    assert_eq!(world.events().await, 0, "a node that calls nothing writes nothing");
    let response = world.call(&asking("inside")).await.unwrap();
    assert_eq!(response.output, json!({ "n": 42 }));
    assert_eq!(plugin.initialized.load(Ordering::SeqCst), 1);
    let view = world.view("plugin", "inside@1.0.0").await;
    assert_eq!((&view["lifecycle"], &view["place"]), (&json!("active"), &json!("in_process")));
    let before = world.events().await;
    let world = world.restart(setting(&plugin)).await;
    world.call(&asking("inside")).await.unwrap();
    assert_eq!(world.events().await, before, "what is known is not recorded again");
    world.plugins.shutdown().await;
    assert!(plugin.shut_down.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_inside_is_told_as_what_goes_wrong_outside() {
    let plugin = Inside::of(manifest("inside", "1.0.0").timeout_seconds(HASTY));
    let world = World::start(setting(&plugin)).await;
    let output = "plugin_output_invalid";
    for (n, code, own) in [
        (PANIC, "plugin_failed", Some("PANICKED")),
        (HANG, "plugin_timeout", Some("PLUGIN_TIMEOUT")),
        (WRONG_TASK, output, None),
        (WRONG_OUTPUT, output, None),
        (TOO_MUCH, output, None),
    ] {
        let mut request = asking("inside");
        request["input"] = json!({ "n": n });
        let (found, detail) = world.call(&request).await.unwrap_err();
        assert_eq!((found.as_str(), detail.error_code.as_deref()), (code, own), "{detail:?}");
        assert_eq!(world.breaker("inside@1.0.0").await.1, 1, "{code}");
        world.call(&asking("inside")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_not_ready_is_asked_again_and_not_offered_before() {
    let plugin = Inside::new("1.0.0");
    plugin.ready.store(false, Ordering::SeqCst);
    let world = World::start(setting(&plugin)).await;
    let (code, detail) = world.call(&asking("inside")).await.unwrap_err();
    assert_eq!(code, "plugin_unavailable", "{detail:?}");
    let health = world.plugins.catalog().versions("inside")[0].health.clone();
    let report = health.report.unwrap();
    assert!(report.message.unwrap().contains("no model yet"));
    plugin.ready.store(true, Ordering::SeqCst);
    world.keep().await;
    let offered = || world.plugins.catalog().resolve("inside", None).is_ok();
    until("it is ready", offered).await;
    world.call(&asking("inside")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_panics_when_asked_how_it_is_is_unhealthy_and_no_more() {
    let plugin = Inside::new("1.0.0");
    let world = World::start(setting(&plugin)).await;
    plugin.panics_at_health.store(true, Ordering::SeqCst);
    world.keep().await;
    let offered = || world.plugins.catalog().resolve("inside", None).is_ok();
    until("it is not offered any more", || !offered()).await;
    plugin.panics_at_health.store(false, Ordering::SeqCst);
    until("it is offered again", offered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_of_an_earlier_build_leaves_when_the_next_one_starts() {
    let world = World::start(setting(&Inside::new("1.0.0"))).await;
    world.call(&asking("inside")).await.unwrap();
    let world = world.restart(setting(&Inside::new("1.1.0"))).await;
    let response = world.call(&asking("inside")).await.unwrap();
    assert_eq!(response.plugin, "inside@1.1.0");
    let view = world.view("plugin", "inside@1.0.0").await;
    assert_eq!((&view["lifecycle"], &view["draining"]), (&json!("inactive"), &json!(false)));
    assert_eq!(world.plugins.catalog().versions("inside").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_hang_hold_up_no_other() {
    let plugin = Inside::new("1.0.0");
    let world = Arc::new(World::start(setting(&plugin)).await);
    let mut hanging = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let world = Arc::clone(&world);
        hanging.spawn(async move {
            let mut request = asking("inside");
            request["input"] = json!({ "n": HANG });
            world.call(&request).await
        });
    }
    until("both hang", || plugin.hanging.load(Ordering::SeqCst) == 2).await;
    let started = Instant::now();
    for _ in 0..50 {
        world.call(&asking("inside")).await.unwrap();
    }
    // Half of what a call may take.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(hanging.try_join_next().is_none(), "they have ended first");
    hanging.abort_all();
}
