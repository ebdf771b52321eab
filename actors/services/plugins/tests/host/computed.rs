//! Calls that need not be made: what is computed is what the call would have given, and whatever
//! the call would refuse, wait for or tell is left to it.

use std::sync::Arc;

use coppice_plugin_sdk::{BoxFuture, InputEnvelope, Manifest, OutputEnvelope, Plugin, codes};
use coppice_plugins::{
    COMPUTED_BYTES_MAX, Permission, Permit, PermitUnavailable, PluginSecrets, Plugins, Question,
};
use coppice_runtime::EffectHandler;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Setting, World, asking, effect, manifest};

const FAILED: i64 = -2;
const WRONG_TASK: i64 = -3;
const WRONG_OUTPUT: i64 = -4;
const TOO_MUCH: i64 = -5;
const NOT_NOW: i64 = -6;
const RATHER_MUCH: i64 = -7;

/// Doubles, by a call or without one; of another capability it says nothing.
#[derive(Debug)]
struct Quick(Manifest);

impl Plugin for Quick {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn execute(&self, input: InputEnvelope) -> BoxFuture<'_, OutputEnvelope> {
        let n = input.input["n"].as_i64().unwrap();
        let done = OutputEnvelope::success(&input, "Doubled.");
        Box::pin(std::future::ready(done.with_output(json!({ "n": n * 2 }))))
    }

    fn computes(&self, capability: &str) -> bool {
        capability == "double"
    }

    fn compute(&self, input: &InputEnvelope) -> Option<OutputEnvelope> {
        // Of what no contract allows as well.
        let n = input.input["n"].as_i64().unwrap_or_default();
        let well = OutputEnvelope::success(input, "Doubled.");
        Some(match n {
            FAILED => OutputEnvelope::failed(input, codes::INVALID_INPUT, "no"),
            WRONG_TASK => OutputEnvelope { task_id: "another".to_owned(), ..well },
            WRONG_OUTPUT => well.with_output(json!({ "n": "forty-two" })),
            TOO_MUCH => {
                let much = "m".repeat(COMPUTED_BYTES_MAX);
                well.with_output(json!({ "n": 0, "much": much }))
            }
            RATHER_MUCH => well.with_output(json!({ "n": 0, "much": "m".repeat(2_048) })),
            NOT_NOW => return None,
            n => well.with_output(json!({ "n": n * 2 })),
        })
    }
}

/// Says what its question's priority asks it to.
#[derive(Debug)]
struct ByPriority;

impl Permission for ByPriority {
    fn decide(&self, question: &Question) -> Result<Permit, PermitUnavailable> {
        let asked = json!(question.context["priority"]);
        if asked == "away" {
            return Err(PermitUnavailable("no bundle".to_owned()));
        }
        Ok(Permit {
            allowed: asked != "denied",
            requires_approval: asked == "approval",
            reason_code: "by_priority".to_owned(),
            record: json!({ "asked": asked }).into(),
        })
    }
}

fn setting(manifest: Manifest) -> Setting {
    let quick: Arc<dyn Plugin> = Arc::new(Quick(manifest));
    Setting { inside: vec![quick], permission: Arc::new(ByPriority), ..Setting::default() }
}

/// A world whose plugin is recorded.
async fn world() -> World {
    let world = World::start(setting(manifest("quick", "1.0.0").capability("other"))).await;
    world.call(&asking("quick")).await.unwrap();
    world
}

fn computed(plugins: &Plugins, request: &Value) -> Option<Value> {
    let text = plugins.host().compute(&effect(request, Uuid::now_v7()))?;
    Some(serde_json::from_str(&text).unwrap())
}

fn of(n: i64) -> Value {
    let mut request = asking("quick");
    request["input"] = json!({ "n": n });
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_computed_is_what_the_call_gives() {
    let world = world().await;
    let request = asking("quick");
    let told = computed(&world.plugins, &request).unwrap();
    assert_eq!(told["output"], json!({ "n": 42 }));
    assert_eq!(told["policy"], json!({ "asked": "P1" }));
    assert_eq!(told, world.effect(&request).await.unwrap());
    // Counted like calls.
    let offer = world.plugins.catalog().resolve("quick", None).unwrap();
    assert_eq!(offer.counts().succeeded, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_no_plain_success_is_left_to_the_call() {
    let world = world().await;
    let events = world.events().await;
    for n in [FAILED, WRONG_TASK, WRONG_OUTPUT, TOO_MUCH, NOT_NOW] {
        assert_eq!(computed(&world.plugins, &of(n)), None, "{n}");
    }
    let mut refused = vec![json!({}), json!({ "workflow": 7 })];
    for (member, value) in [
        ("plugin", json!("nobody")),
        ("version", json!("^2")),
        ("capability", json!("other")),
        ("capability", json!("triple")),
        ("input", json!({ "n": "twenty" })),
        ("description", json!("d".repeat(COMPUTED_BYTES_MAX))),
        ("priority", json!("denied")),
        ("priority", json!("approval")),
        ("priority", json!("away")),
    ] {
        let mut request = asking("quick");
        request[member] = value;
        refused.push(request);
    }
    for request in &refused {
        let shown: String = request.to_string().chars().take(200).collect();
        assert_eq!(computed(&world.plugins, request), None, "{shown}");
    }
    let mut approved = asking("quick");
    (approved["priority"], approved["approved"]) = (json!("approval"), json!(true));
    assert!(computed(&world.plugins, &approved).is_some());
    // Nobody is told of any of it.
    let offer = world.plugins.catalog().resolve("quick", None).unwrap();
    let counts = offer.counts();
    assert_eq!((counts.failed, counts.refused, counts.timed_out, counts.open), (0, 0, 0, 0));
    // The first call, and the one that was approved.
    assert_eq!(counts.succeeded, 2);
    assert_eq!((world.events().await, world.breaker("quick@1.0.0").await.1), (events, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_not_recorded_or_needs_a_secret_is_called() {
    let world = World::start(setting(manifest("quick", "1.0.0"))).await;
    assert_eq!(computed(&world.plugins, &asking("quick")), None, "it isn't recorded");
    world.call(&asking("quick")).await.unwrap();
    assert!(computed(&world.plugins, &asking("quick")).is_some());

    let mut setting = setting(manifest("quick", "1.0.0").secret("TOKEN"));
    let secret = ("QUICK__TOKEN".to_owned(), "hunter2 hunter2".to_owned());
    setting.options.secrets = PluginSecrets::new([secret]);
    let world = World::start(setting).await;
    world.call(&asking("quick")).await.unwrap();
    assert_eq!(computed(&world.plugins, &asking("quick")), None, "it needs a secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_large_for_a_call_is_not_computed() {
    let mut setting = setting(manifest("quick", "1.0.0"));
    setting.options.answer_bytes_max = 1_024;
    let world = World::start(setting).await;
    world.call(&asking("quick")).await.unwrap();
    assert!(computed(&world.plugins, &asking("quick")).is_some());
    assert_eq!(computed(&world.plugins, &of(RATHER_MUCH)), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_whose_breaker_has_anything_against_it_is_called() {
    let world = world().await;
    let breakers = world.plugins.breakers();
    let told = |ok| async move {
        let key = Uuid::now_v7();
        let admission = breakers.admit("quick@1.0.0", key, std::time::Duration::ZERO).await;
        breakers.report("quick@1.0.0", key, admission.unwrap(), ok).await.unwrap();
    };
    told(false).await;
    assert_eq!(computed(&world.plugins, &asking("quick")), None, "one failure");
    told(true).await;
    assert!(computed(&world.plugins, &asking("quick")).is_some());
    for _ in 0..3 {
        told(false).await;
    }
    assert_eq!(world.breaker("quick@1.0.0").await.0, "open");
    assert_eq!(computed(&world.plugins, &asking("quick")), None, "it is open");
}
