//! The types and the schemas say the same: every fixture is read by both, and every broken one is
//! refused by both.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use coppice_plugin_sdk::{
    ExecutionMeta, HealthReport, InputEnvelope, Latency, Manifest, OutputEnvelope, schema,
};
use jsonschema::Validator;
use serde_json::{Value, json};

/// Reads a document as its type, as strictly as whoever receives it.
type Read = fn(&Value) -> Result<(), String>;

struct Side {
    name: &'static str,
    schema: &'static str,
    read: Read,
    fixtures: Vec<Value>,
    /// Members that no document of it may lack, by JSON pointer.
    required: &'static [&'static str],
    /// What may stand at a place besides, and breaks nothing.
    good: Vec<(&'static str, Value)>,
    /// What must not stand at a place.
    bad: Vec<(&'static str, Value)>,
}

fn text<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}

fn read_manifest(value: &Value) -> Result<(), String> {
    let manifest: Manifest = serde_json::from_value(value.clone()).map_err(text)?;
    manifest.check().map_err(text)
}

fn read_input(value: &Value) -> Result<(), String> {
    serde_json::from_value::<InputEnvelope>(value.clone()).map(drop).map_err(text)
}

fn read_output(value: &Value) -> Result<(), String> {
    let output: OutputEnvelope = serde_json::from_value(value.clone()).map_err(text)?;
    output.check(&output.task_id).map_err(text)
}

fn read_health(value: &Value) -> Result<(), String> {
    serde_json::from_value::<HealthReport>(value.clone()).map(drop).map_err(text)
}

fn input() -> InputEnvelope {
    InputEnvelope::new("task-1", "Count the words.")
        .capability("count words")
        .input(json!({ "text": "a b" }))
        .tenant("acme")
        .config(json!({ "language": "en" }))
        .secret("TOKEN", "hunter2")
        .attachment(json!({ "url": "http://a" }))
        .idempotency_key("key-1")
}

fn manifests() -> Side {
    let small = Manifest::new("word_count", "1.0.0").capability("count words");
    let large = Manifest::new("code-review", "2.10.3-rc.1")
        .description("Reviews diffs.")
        .capability("review diffs")
        .capability("*")
        .category("engineering")
        .dependency("word_count", "^1")
        .input_schema(json!(true))
        .latency(Latency::Slow)
        .scope("context:read")
        .secret("GITHUB_TOKEN")
        .timeout_seconds(600);
    let bare = json!({
        "name": "a",
        "version": "0.0.0",
        "description": "",
        "capabilities": ["x"],
        "input_schema": {},
        "output_schema": false,
        "envelope_version": "1.7"
    });
    Side {
        name: "manifest",
        schema: schema::MANIFEST,
        read: read_manifest,
        fixtures: vec![json!(small), json!(large), bare],
        required: &[
            "/name",
            "/version",
            "/description",
            "/capabilities",
            "/input_schema",
            "/output_schema",
            "/envelope_version",
        ],
        good: good_in_manifests(),
        bad: bad_in_manifests(),
    }
}

fn good_in_manifests() -> Vec<(&'static str, Value)> {
    vec![
        ("/name", json!("a".repeat(64))),
        ("/version", json!("1.0.0-0a.b-c.0")),
        ("/capabilities", entries(100)),
        ("/description", json!("\u{e9}".repeat(4_000))),
        ("/config", json!({ "temperature": 2, "model": "m", "token_budget": u64::MAX })),
        ("/config", json!({ "timeout_seconds": 3_600, "temperature": null })),
    ]
}

fn bad_in_manifests() -> Vec<(&'static str, Value)> {
    vec![
        ("/more", json!(1)),
        ("/name", json!("")),
        ("/name", json!("A")),
        ("/name", json!("1a")),
        ("/name", json!("a@b")),
        ("/name", json!("a".repeat(65))),
        ("/version", json!("1")),
        ("/version", json!("1.0")),
        ("/version", json!("01.0.0")),
        ("/version", json!("1.0.0+build")),
        ("/version", json!("1.0.0-")),
        ("/version", json!("1.0.0-01")),
        ("/version", json!(format!("1.0.0-{}", "a".repeat(63)))),
        ("/description", json!("x".repeat(4_001))),
        ("/capabilities", json!([])),
        ("/capabilities", entries(101)),
        ("/capabilities", json!([""])),
        ("/capabilities", json!(["x".repeat(201)])),
        ("/category", json!("x".repeat(201))),
        ("/required_scopes", json!([1])),
        ("/required_secret_names", json!([""])),
        ("/dependencies", json!([{ "name": "a" }])),
        ("/dependencies", json!([{ "name": "A", "version_constraint": "^1" }])),
        ("/dependencies", json!([{ "name": "a", "version_constraint": "^1", "x": 1 }])),
        ("/input_schema", json!("object")),
        ("/output_schema", json!(null)),
        ("/envelope_version", json!("2.0")),
        ("/envelope_version", json!("1")),
        ("/estimated_latency", json!("instant")),
        ("/config", json!({ "timeout_seconds": 0 })),
        ("/config", json!({ "timeout_seconds": 3_601 })),
        ("/config", json!({ "temperature": 2.1 })),
        ("/config", json!({ "temperature": -0.1 })),
        ("/config", json!({ "max_retries": -1 })),
        ("/config", json!({ "token_budget": 1.5 })),
        ("/config", json!({ "model": "m".repeat(201) })),
        ("/config", json!({ "retries": 1 })),
    ]
}

fn entries(count: usize) -> Value {
    json!(vec!["x"; count])
}

fn inputs() -> Side {
    let bare = json!({
        "task_id": "t",
        "task_description": "",
        "envelope_version": "1.3",
        "capability": "",
        "input": null,
        "context": { "tenant_id": "acme" },
        "metadata": {
            "source_channel": "webhook",
            "priority": "P0",
            "correlation_id": "c",
            "timestamp": "2026-11-21T19:03:40Z"
        },
        "added_later": true
    });
    Side {
        name: "input envelope",
        schema: schema::INPUT_ENVELOPE,
        read: read_input,
        fixtures: vec![json!(input()), bare],
        required: &[
            "/task_id",
            "/task_description",
            "/envelope_version",
            "/capability",
            "/context",
            "/context/tenant_id",
            "/metadata",
            "/metadata/source_channel",
            "/metadata/priority",
            "/metadata/correlation_id",
            "/metadata/timestamp",
        ],
        good: vec![
            ("/context/more", json!(1)),
            ("/metadata/source_plugin", json!("word_count")),
            ("/context/user_profile", json!({ "name": "n" })),
        ],
        bad: vec![
            ("/task_id", json!(7)),
            ("/attachments", json!({})),
            ("/context", json!([])),
            ("/context/user_id", json!(7)),
            ("/context/secrets", json!({ "A": 1 })),
            ("/context/secrets", json!([])),
            ("/context/conversation_history", json!("none")),
            ("/metadata/priority", json!(1)),
            ("/metadata/timestamp", json!(0)),
            ("/metadata/idempotency_key", json!(1)),
        ],
    }
}

fn outputs() -> Side {
    let meta = ExecutionMeta {
        tokens_used: 12,
        latency_seconds: 0.25,
        agents_invoked: 3,
        model_used: Some("m".to_owned()),
        cost_estimate: Some("0.0012 USD".to_owned()),
        routing_method: Some("rule".to_owned()),
        budget_exceeded: true,
    };
    let success = OutputEnvelope::success(&input(), "Two words.")
        .with_output(json!({ "words": 2 }))
        .with_artifact(json!({ "name": "a" }))
        .with_confidence(1.0)
        .with_next_step("Count the letters.")
        .with_meta(meta);
    let bare = json!({
        "task_id": "t",
        "envelope_version": "1.10",
        "status": "partial",
        "added_later": 1
    });
    Side {
        name: "output envelope",
        schema: schema::OUTPUT_ENVELOPE,
        read: read_output,
        fixtures: vec![
            json!(success),
            json!(OutputEnvelope::partial(&input(), "One word.")),
            json!(OutputEnvelope::failed(&input(), "TRANSIENT", "the disk is full")),
            bare,
        ],
        required: &["/task_id", "/envelope_version", "/status"],
        good: vec![
            ("/confidence", json!(0)),
            ("/confidence", json!(null)),
            ("/execution_meta", json!({})),
            ("/execution_meta", json!({ "tokens_used": u64::MAX, "more": 1 })),
        ],
        bad: vec![
            ("/status", json!("done")),
            ("/status", json!("SUCCESS")),
            ("/envelope_version", json!("2.0")),
            ("/envelope_version", json!(1.0)),
            ("/result", json!(null)),
            ("/artifacts", json!({})),
            ("/confidence", json!(1.5)),
            ("/confidence", json!("high")),
            ("/next_steps", json!([1])),
            ("/error_code", json!(1)),
            ("/execution_meta", json!({ "tokens_used": -1 })),
            ("/execution_meta", json!({ "latency_seconds": -0.5 })),
            ("/execution_meta", json!({ "agents_invoked": 4_294_967_296_u64 })),
            ("/execution_meta", json!({ "cost_estimate": 0.5 })),
            ("/execution_meta", json!({ "budget_exceeded": "no" })),
            ("/execution_meta", json!(null)),
        ],
    }
}

fn reports() -> Side {
    let degraded =
        HealthReport::degraded("slow").component("disk", coppice_plugin_sdk::Health::Healthy);
    Side {
        name: "health report",
        schema: schema::HEALTH_REPORT,
        read: read_health,
        fixtures: vec![
            json!(HealthReport::healthy()),
            json!(degraded),
            json!(HealthReport::unhealthy("gone")),
            json!({ "status": "healthy", "more": 1 }),
        ],
        required: &["/status"],
        good: vec![("/message", json!("m"))],
        bad: vec![
            ("/status", json!("ok")),
            ("/status", json!(true)),
            ("/components", json!({ "disk": "ok" })),
            ("/components", json!([])),
            ("/message", json!(1)),
        ],
    }
}

fn sides() -> [Side; 4] {
    [manifests(), inputs(), outputs(), reports()]
}

fn validator(side: &Side) -> Validator {
    let schema: Value = serde_json::from_str(side.schema).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn put(document: &mut Value, pointer: &str, value: Value) {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    parent.as_object_mut().unwrap().insert(member.to_owned(), value);
}

fn agree(side: &Side, validator: &Validator, document: &Value, good: bool) {
    let (allowed, read) = (validator.is_valid(document), (side.read)(document));
    let name = side.name;
    assert_eq!(allowed, good, "{name}: the schema: {document}");
    assert_eq!(read.is_ok(), good, "{name}: the type: {read:?} for {document}");
}

#[test]
fn every_fixture_is_allowed_and_read() {
    for side in sides() {
        let validator = validator(&side);
        for fixture in &side.fixtures {
            agree(&side, &validator, fixture, true);
            for (pointer, value) in &side.good {
                let mut changed = fixture.clone();
                put(&mut changed, pointer, value.clone());
                agree(&side, &validator, &changed, true);
            }
        }
    }
}

#[test]
fn every_broken_fixture_is_refused_by_both() {
    for side in sides() {
        let validator = validator(&side);
        for fixture in &side.fixtures {
            for pointer in side.required {
                let mut broken = fixture.clone();
                let (parent, member) = pointer.rsplit_once('/').unwrap();
                let parent = broken.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                assert!(parent.remove(member).is_some(), "{}: {pointer}", side.name);
                agree(&side, &validator, &broken, false);
            }
            for (pointer, value) in &side.bad {
                let mut broken = fixture.clone();
                put(&mut broken, pointer, value.clone());
                agree(&side, &validator, &broken, false);
            }
            for other in [json!(null), json!([]), json!("text"), json!(1)] {
                agree(&side, &validator, &other, false);
            }
        }
    }
}

#[test]
fn a_failure_that_says_nothing_is_refused_by_both() {
    let side = outputs();
    let validator = validator(&side);
    let failed = json!(OutputEnvelope::failed(&input(), "OWN", "it broke"));
    agree(&side, &validator, &failed, true);
    for silent in [json!(null), json!("")] {
        let mut broken = failed.clone();
        put(&mut broken, "/error", silent);
        agree(&side, &validator, &broken, false);
    }
}

#[test]
fn what_a_schema_requires_is_what_this_test_takes_away() {
    for side in sides() {
        let schema: Value = serde_json::from_str(side.schema).unwrap();
        let mut required = Vec::new();
        let mut collect = |schema: &Value, prefix: &str| {
            let names = schema["required"].as_array().into_iter().flatten();
            required.extend(names.map(|name| format!("{prefix}/{}", name.as_str().unwrap())));
        };
        collect(&schema, "");
        for (name, inner) in schema["properties"].as_object().unwrap() {
            collect(inner, &format!("/{name}"));
        }
        // Nothing tells JSON's null from a member that isn't there, for a type that takes any JSON.
        required.retain(|pointer| pointer != "/input");
        required.sort_unstable();
        let mut taken: Vec<_> = side.required.iter().map(|pointer| (*pointer).to_owned()).collect();
        taken.sort_unstable();
        assert_eq!(required, taken, "{}", side.name);
    }
}
