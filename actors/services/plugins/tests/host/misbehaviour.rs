//! Every way in which a plugin can be wrong, with the code that its step fails with and what its
//! breaker makes of it.

use std::time::Duration;

use coppice_plugin_sdk::{OutputStatus, codes};
use coppice_runtime::{EffectCall, Trace};
use serde_json::json;
use uuid::Uuid;

use crate::impostor::{Act, Impostor};
use crate::world::{HASTY, World, asking, effect, manifest, until};

const ID: &str = "double@1.0.0";
const COOLDOWN: Duration = Duration::from_secs(60);

/// What an act leads to: the step's code, the plugin's own, and whether it counts as a failure.
fn ways(elsewhere: &str) -> Vec<(Act, &'static str, Option<&'static str>, bool)> {
    let output = "plugin_output_invalid";
    vec![
        (Act::Late, "plugin_timeout", Some("PLUGIN_TIMEOUT"), true),
        (Act::HangUp, "plugin_transient", Some("TRANSIENT"), true),
        (Act::HalfAnAnswer, "plugin_transient", Some("TRANSIENT"), true),
        (Act::Garbage, output, None, true),
        (Act::NoEnvelope, output, None, true),
        (Act::WrongTask, output, None, true),
        (Act::OtherVersion, output, None, true),
        (Act::WrongOutput, output, None, true),
        (Act::Endless, output, None, true),
        (Act::Status(500), "plugin_failed", Some("HTTP_500"), true),
        (Act::Status(404), "plugin_failed", Some("HTTP_404"), true),
        (Act::Status(201), "plugin_failed", Some("HTTP_201"), true),
        (Act::Status(429), "plugin_transient", Some("HTTP_429"), true),
        (Act::Status(503), "plugin_transient", Some("HTTP_503"), true),
        (Act::Redirect(elsewhere.to_owned()), "plugin_failed", Some("HTTP_307"), true),
        (Act::Failed(codes::TRANSIENT), "plugin_transient", Some("TRANSIENT"), true),
        (
            Act::Failed(codes::DEPENDENCY_FAILED),
            "plugin_transient",
            Some("DEPENDENCY_FAILED"),
            true,
        ),
        (Act::Failed(codes::PLUGIN_TIMEOUT), "plugin_timeout", Some("PLUGIN_TIMEOUT"), true),
        (Act::Failed("OUT_OF_PAPER"), "plugin_failed", Some("OUT_OF_PAPER"), true),
        (Act::Failed(codes::INVALID_INPUT), "plugin_input_invalid", Some("INVALID_INPUT"), false),
        (
            Act::Failed(codes::CONTENT_POLICY_VIOLATION),
            "content_policy_violation",
            Some("CONTENT_POLICY_VIOLATION"),
            false,
        ),
        (
            Act::Failed(codes::TOKEN_BUDGET_EXCEEDED),
            "plugin_failed",
            Some("TOKEN_BUDGET_EXCEEDED"),
            false,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_misbehaviour_has_its_code_and_counts_as_it_should() {
    let (world, impostor, elsewhere) =
        (World::empty().await, Impostor::start().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0").timeout_seconds(HASTY), &impostor.url).await;
    let redirected = format!("{}/execute", elsewhere.url);
    for (act, code, own, counts) in ways(&redirected) {
        impostor.script([act.clone()]);
        let (found, detail) = world.call(&asking("double")).await.unwrap_err();
        assert_eq!(found, code, "{act:?}: {detail:?}");
        assert_eq!(detail.error_code.as_deref(), own, "{act:?}");
        assert_eq!(detail.plugin.as_deref(), Some(ID), "{act:?}");
        assert!(detail.policy.is_some(), "{act:?}: the policy was asked");
        assert!(!detail.message.contains(&impostor.url), "{act:?}: {}", detail.message);
        let expected = ("closed".to_owned(), u64::from(counts));
        assert_eq!(world.breaker(ID).await, expected, "{act:?}");
        // A good call between them, so that they aren't in a row.
        let response = world.call(&asking("double")).await.unwrap();
        assert_eq!(response.output, json!({ "n": 42 }));
        assert_eq!(world.breaker(ID).await, ("closed".to_owned(), 0), "after {act:?}");
    }
    assert_eq!(elsewhere.count(), 0, "a redirect leads nowhere");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_after_its_time_is_dropped_and_counted() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0").timeout_seconds(HASTY), &impostor.url).await;
    impostor.script([Act::Late]);
    let (code, _) = world.call(&asking("double")).await.unwrap_err();
    assert_eq!((code.as_str(), world.plugins.late_answers()), ("plugin_timeout", 0));
    impostor.let_go(1);
    until("the late answer is seen", || world.plugins.late_answers() == 1).await;
    assert_eq!(world.breaker(ID).await, ("closed".to_owned(), 1), "it overturns nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_down_is_unreachable_and_then_left_alone() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0"), &impostor.url).await;
    drop(impostor);
    let mut codes = Vec::new();
    while codes.last().is_none_or(|last| last == "unreachable" || last == "plugin_transient") {
        // Its listener may be a moment longer in going than its handle.
        codes.push(world.call(&asking("double")).await.unwrap_err().0);
    }
    assert_eq!(codes.len(), 4, "{codes:?}");
    assert_eq!(codes[2..], ["unreachable", "plugin_unavailable"]);
    assert_eq!(world.breaker(ID).await.0, "open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_failures_open_the_breaker_and_a_probe_decides() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0"), &impostor.url).await;
    impostor.script(vec![Act::Garbage; 3]);
    for _ in 0..3 {
        assert_eq!(world.call(&asking("double")).await.unwrap_err().0, "plugin_output_invalid");
    }
    assert_eq!(world.breaker(ID).await.0, "open");
    world.clock.advance(COOLDOWN - Duration::from_micros(1));
    let (code, detail) = world.call(&asking("double")).await.unwrap_err();
    assert_eq!(code, "plugin_unavailable");
    assert!(detail.message.contains("circuit breaker"), "{detail:?}");
    assert_eq!(impostor.count(), 3, "nothing was sent");

    world.clock.advance(Duration::from_micros(1));
    impostor.script([Act::Status(500)]);
    assert_eq!(world.call(&asking("double")).await.unwrap_err().0, "plugin_failed");
    assert_eq!(world.breaker(ID).await.0, "open", "the probe failed");
    assert_eq!(world.call(&asking("double")).await.unwrap_err().0, "plugin_unavailable");
    assert_eq!(impostor.count(), 4);

    world.clock.advance(COOLDOWN);
    assert_eq!(world.call(&asking("double")).await.unwrap().output, json!({ "n": 42 }));
    assert_eq!(world.breaker(ID).await, ("closed".to_owned(), 0));
    let story = world.story("breaker").await;
    let expected =
        ["failed", "failed", "opened", "probe_admitted", "opened", "probe_admitted", "closed"];
    assert_eq!(story, expected.map(|name| format!("breaker.{name}.v1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_call_carries_all_that_it_should_and_writes_nothing() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0"), &impostor.url).await;
    let (before, key) = (world.events().await, Uuid::now_v7());
    let response = world.call_as(&asking("double"), key).await.unwrap();
    assert_eq!(response.status, OutputStatus::Success);
    assert_eq!((response.plugin.as_str(), response.result.as_str()), (ID, "Doubled."));
    assert_eq!(response.policy.value()["reason_code"], "no_policy");
    let asked = impostor.asked().pop().unwrap();
    assert_eq!(asked.key, key.to_string());
    let (trace, span) = (key.simple().to_string(), &asked.trace);
    assert!(span.starts_with(&format!("00-{trace}-")), "{span}");
    let envelope = asked.envelope;
    assert_eq!((envelope.task_id.as_str(), envelope.capability.as_str()), ("workflow-1", "double"));
    assert_eq!(envelope.context.tenant_id, "default");
    assert_eq!(envelope.metadata.priority, "P1");
    assert_eq!(envelope.metadata.idempotency_key, Some(key.to_string()));
    assert_eq!(envelope.metadata.correlation_id, key.to_string());
    assert_eq!(envelope.metadata.timestamp, "2026-01-01T00:00:00.000000Z");
    for _ in 0..10 {
        world.call(&asking("double")).await.unwrap();
    }
    assert_eq!(world.events().await, before, "a closed breaker is not written to");
    impostor.script([Act::Partial]);
    let response = world.effect(&asking("double")).await.unwrap();
    assert_eq!((&response["status"], &response["output"]["n"]), (&json!("partial"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_has_the_same_key_and_body_at_another_time_and_in_another_trace() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0"), &impostor.url).await;
    let mut request = asking("double");
    request["requested_at"] = json!(1_767_225_600_000_000_i64);
    request["correlation"] = json!("workflow-1");
    let call = effect(&request, Uuid::now_v7());
    // What a node that was killed has lost of it, and when the next one makes it again.
    let again = EffectCall { trace: Trace::root(Uuid::now_v7(), false), ..call.clone() };
    for call in [&call, &again] {
        world.host().carry_out(call).await.unwrap();
        world.clock.advance(COOLDOWN);
    }
    let asked = impostor.asked();
    assert_eq!(asked[0].key, asked[1].key);
    assert_eq!(asked[0].envelope, asked[1].envelope);
    assert_ne!(asked[0].trace, asked[1].trace, "the header is each try's own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_asked_is_not_asked() {
    let (world, impostor) = (World::empty().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0"), &impostor.url).await;
    let with = |member: &str, value: serde_json::Value| {
        let mut request = asking("double");
        request[member] = value;
        request
    };
    for (request, code) in [
        (with("input", json!({ "n": "21" })), "plugin_input_invalid"),
        (with("input", json!(null)), "plugin_input_invalid"),
        (with("capability", json!("halve")), "plugin_input_invalid"),
        (with("step", json!(7)), "plugin_input_invalid"),
        (with("more", json!(7)), "plugin_input_invalid"),
        (with("plugin", json!("treble")), "plugin_unavailable"),
        (with("version", json!("^2")), "plugin_unavailable"),
        (with("version", json!("latest")), "plugin_unavailable"),
    ] {
        assert_eq!(world.call(&request).await.unwrap_err().0, code, "{request}");
    }
    assert_eq!(impostor.count(), 0);
    assert_eq!(world.breaker(ID).await, ("closed".to_owned(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_is_asked_where_a_plugin_fails_for_good_and_only_there() {
    let world = World::empty().await;
    let (first, second) = (Impostor::start().await, Impostor::start().await);
    world.serve(&manifest("double", "1.0.0"), &first.url).await;
    world.serve(&manifest("spare", "2.0.0"), &second.url).await;
    let mut request = asking("double");
    request["fallback"] = json!("spare");

    first.script([Act::Failed("OUT_OF_PAPER")]);
    let response = world.call(&request).await.unwrap();
    assert_eq!(
        (response.plugin.as_str(), response.fallback_of.as_deref()),
        ("spare@2.0.0", Some(ID))
    );

    first.script([Act::Garbage]);
    second.script([Act::Status(500)]);
    let (code, detail) = world.call(&request).await.unwrap_err();
    assert_eq!((code.as_str(), detail.fallback_of.as_deref()), ("plugin_failed", Some(ID)));
    assert_eq!(detail.plugin.as_deref(), Some("spare@2.0.0"));

    // A good one in between, or the breaker would have the last word.
    world.call(&request).await.unwrap();
    let asked = second.count();
    for act in [Act::HangUp, Act::Failed(codes::CONTENT_POLICY_VIOLATION)] {
        first.script([act]);
        assert_eq!(world.call(&request).await.unwrap_err().1.plugin.as_deref(), Some(ID));
    }
    assert_eq!(second.count(), asked, "trying again, or giving up, is not for another plugin");

    request["fallback"] = json!("nobody");
    first.script([Act::Failed("OUT_OF_PAPER")]);
    let (code, detail) = world.call(&request).await.unwrap_err();
    assert_eq!((code.as_str(), detail.plugin.as_deref()), ("plugin_failed", Some(ID)));
}
