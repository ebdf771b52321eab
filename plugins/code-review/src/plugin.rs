//! The steps as a plugin in the node's own process.

use coppice_plugin_sdk::{
    BoxFuture, InputEnvelope, Latency, Manifest, OutputEnvelope, Plugin, codes,
};
use serde_json::{Value, json};

use crate::steps::{STEPS, StepError, run};

/// Its name.
pub const CODE_REVIEW: &str = "code-review";

/// Its version. What it finds is a part of the build: raised with every rule.
const VERSION: &str = "1.0.0";

/// How long a step may take, in seconds: the largest diffs take one.
const TIMEOUT_SECONDS: u32 = 30;

/// Everything behind the nodes in one step: merged, ranked, summed up.
const REPORT: &str = "report";

/// The nodes, by the names that a report's input has them under.
const NODES: [&str; 4] = ["security", "style", "logic", "performance"];

/// The plugin.
#[derive(Debug)]
pub struct CodeReview {
    manifest: Manifest,
}

impl Default for CodeReview {
    fn default() -> Self {
        let manifest = Manifest::new(CODE_REVIEW, VERSION)
            .description("Reviews a unified diff by static analysis, without a model.")
            .category("engineering")
            .capability(REPORT);
        let manifest = STEPS.iter().fold(manifest, |manifest, step| manifest.capability(*step));
        let mut manifest = manifest.input_schema(json!({"type": "object"}));
        manifest.estimated_latency = Latency::Fast;
        manifest.config.timeout_seconds = TIMEOUT_SECONDS;
        Self { manifest }
    }
}

/// What a report is made of: the nodes' outputs; of a node that failed there is none.
fn report(mut input: Value) -> Result<Value, StepError> {
    let outputs: Vec<Value> =
        NODES.iter().map(|node| input[node].take()).filter(|output| !output.is_null()).collect();
    let merged = run("merge", json!({ "outputs": outputs }))?;
    let ranked = run("rank", merged)?;
    let batches = input["batches"].as_array().map(Vec::as_slice).unwrap_or_default();
    let files: usize =
        batches.iter().map(|batch| batch["files"].as_array().map_or(0, Vec::len)).sum();
    let added: u64 = batches.iter().filter_map(|batch| batch["added"].as_u64()).sum();
    let left_out = if input["left_out"].is_array() { input["left_out"].take() } else { json!([]) };
    let summing = json!({
        "findings": ranked["findings"],
        "dropped": ranked["dropped"],
        "files": files,
        "added": added,
        "left_out": left_out,
    });
    let summary = run("summarise", summing)?;
    Ok(json!({ "findings": ranked["findings"], "summary": summary }))
}

/// A step's configuration is the tenant's where the plan hands none on.
fn prepared(mut input: Value, config: &Value) -> Value {
    if let Some(members) = input.as_object_mut()
        && members.get("config").is_some_and(Value::is_null)
    {
        let config = if config.is_null() { json!({}) } else { config.clone() };
        members.insert("config".to_owned(), config);
    }
    input
}

fn said(capability: &str, output: &Value) -> String {
    let count = |name: &str| output[name].as_array().map_or(0, Vec::len);
    match capability {
        "split" => format!("{} files to review", count("files")),
        "summarise" => output["paragraph"].as_str().unwrap_or_default().to_owned(),
        REPORT => output["summary"]["paragraph"].as_str().unwrap_or_default().to_owned(),
        _ => format!("{} findings", count("findings")),
    }
}

impl Plugin for CodeReview {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn execute(&self, input: InputEnvelope) -> BoxFuture<'_, OutputEnvelope> {
        let prepared = prepared(input.input.clone(), &input.context.plugin_config);
        let done = match input.capability.as_str() {
            REPORT => report(prepared),
            step => run(step, prepared),
        };
        let envelope = match done {
            Ok(output) => {
                let said = said(&input.capability, &output);
                OutputEnvelope::success(&input, said).with_output(output)
            }
            Err(error) => {
                let source = std::error::Error::source(&error);
                let why = source.map_or_else(|| error.to_string(), |why| format!("{error}: {why}"));
                OutputEnvelope::failed(&input, codes::INVALID_INPUT, why)
            }
        };
        Box::pin(std::future::ready(envelope))
    }
}
