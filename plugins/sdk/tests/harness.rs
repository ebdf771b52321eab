//! The harness finds what a node would have found.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use coppice_plugin_sdk::contract::{Contract, ContractError};
use coppice_plugin_sdk::harness::{Harness, HarnessError};
use coppice_plugin_sdk::{
    BoxFuture, Health, InputEnvelope, Manifest, OutputEnvelope, Plugin, codes,
};
use serde_json::{Value, json};

#[derive(Debug)]
struct Scripted {
    manifest: Manifest,
    answer: fn(&InputEnvelope) -> OutputEnvelope,
}

impl Plugin for Scripted {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn execute(&self, input: InputEnvelope) -> BoxFuture<'_, OutputEnvelope> {
        Box::pin(async move { (self.answer)(&input) })
    }
}

fn manifest() -> Manifest {
    let number = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    Manifest::new("double", "1.0.0")
        .capability("double")
        .input_schema(number.clone())
        .output_schema(number)
}

fn double(input: &InputEnvelope) -> OutputEnvelope {
    let n = input.input["n"].as_i64().unwrap();
    OutputEnvelope::success(input, "Doubled.").with_output(json!({ "n": n * 2 }))
}

async fn run(
    answer: fn(&InputEnvelope) -> OutputEnvelope,
    input: Value,
) -> Result<OutputEnvelope, HarnessError> {
    let harness = Harness::new(Scripted { manifest: manifest(), answer }).unwrap();
    harness.run("Double it.", input).await
}

#[tokio::test(flavor = "current_thread")]
async fn a_good_answer_comes_back() {
    let output = run(double, json!({ "n": 21 })).await.unwrap();
    assert_eq!(output.output, json!({ "n": 42 }));
    let harness = Harness::new(Scripted { manifest: manifest(), answer: double }).unwrap();
    assert_eq!(harness.plugin().health().await.status, Health::Healthy);
    assert!(harness.plugin().initialize().await.is_ok());
    harness.plugin().shutdown().await;
    assert_eq!(harness.timeout().as_secs(), 30);
}

#[tokio::test(flavor = "current_thread")]
async fn input_that_does_not_fit_never_reaches_the_plugin() {
    let panics = |_: &InputEnvelope| panic!("called");
    for input in [json!({}), json!({ "n": "one" }), json!(null)] {
        let refused = run(panics, input).await.unwrap_err();
        assert_eq!(refused.code(), "plugin_input_invalid", "{refused}");
    }
    let harness = Harness::new(Scripted { manifest: manifest(), answer: panics }).unwrap();
    let other = InputEnvelope::new("t", "d").capability("halve").input(json!({ "n": 1 }));
    let refused = harness.call(other).await.unwrap_err();
    assert!(refused.to_string().contains("halve"), "{refused}");
}

#[tokio::test(flavor = "current_thread")]
async fn an_answer_that_breaks_the_contract_is_found() {
    let wrong: &[fn(&InputEnvelope) -> OutputEnvelope] = &[
        |input| OutputEnvelope { task_id: "other".to_owned(), ..double(input) },
        |input| OutputEnvelope { envelope_version: "2.0".to_owned(), ..double(input) },
        |input| double(input).with_output(json!({ "n": 0.5 })),
        |input| double(input).with_output(Value::Null),
        |input| double(input).with_confidence(2.0),
        |input| OutputEnvelope { error: None, ..OutputEnvelope::failed(input, "X", "y") },
    ];
    for answer in wrong {
        let broken = run(*answer, json!({ "n": 1 })).await.unwrap_err();
        assert_eq!(broken.code(), "plugin_output_invalid", "{broken}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_failure_has_the_code_of_its_step() {
    type Given = (fn(&InputEnvelope) -> OutputEnvelope, &'static str);
    let answers: &[Given] = &[
        (|input| OutputEnvelope::failed(input, codes::TRANSIENT, "x"), "plugin_transient"),
        (|input| OutputEnvelope::failed(input, codes::DEPENDENCY_FAILED, "x"), "plugin_transient"),
        (|input| OutputEnvelope::failed(input, codes::PLUGIN_TIMEOUT, "x"), "plugin_timeout"),
        (|input| OutputEnvelope::failed(input, codes::INVALID_INPUT, "x"), "plugin_input_invalid"),
        (|input| OutputEnvelope::failed(input, "OWN", "x"), "plugin_failed"),
        (
            |input| OutputEnvelope::failed(input, codes::CONTENT_POLICY_VIOLATION, "x"),
            "content_policy_violation",
        ),
    ];
    for (answer, code) in answers {
        assert_eq!(run(*answer, json!({ "n": 1 })).await.unwrap_err().code(), *code);
    }
}

#[test]
fn a_manifest_that_nobody_could_keep_makes_no_contract() {
    let schemas = [
        json!({ "type": "nothing" }),
        json!({ "$ref": "http://127.0.0.1:1/schema.json" }),
        json!({ "$ref": "file:///etc/hostname" }),
        json!({ "$ref": "#/$defs/missing" }),
        json!({ "pattern": "(" }),
        json!({ "pattern": "(a)\\1" }),
    ];
    for schema in schemas {
        for manifest in
            [manifest().input_schema(schema.clone()), manifest().output_schema(schema.clone())]
        {
            let refused = Contract::new(manifest).unwrap_err();
            assert!(matches!(refused, ContractError::Schema { .. }), "{schema}: {refused}");
        }
    }
    let nameless = Contract::new(Manifest::new("", "1.0.0")).unwrap_err();
    assert!(matches!(nameless, ContractError::Manifest(_)), "{nameless}");
}

#[test]
fn what_is_told_of_a_breach_is_bounded() {
    let contract = Contract::new(manifest()).unwrap();
    let long = json!({ "n": "x".repeat(100_000) });
    let breach = contract.input("double", &long).unwrap_err();
    assert!(breach.to_string().len() < 2_000);
}
