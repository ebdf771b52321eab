//! What a Coppice plugin is written against.
//!
//! A plugin is asked to do one thing at a time. It is handed an [`InputEnvelope`] and answers with
//! an [`OutputEnvelope`]; its [`Manifest`] says beforehand what it can do, what its input and output
//! look like and how long it may take. It lives either in the node's own process, as a type that
//! implements [`Plugin`], or anywhere else behind HTTP. Both speak the same envelopes.
//!
//! # A plugin in the node's process
//!
//! ```
//! use coppice_plugin_sdk::{BoxFuture, InputEnvelope, Manifest, OutputEnvelope, Plugin, codes};
//! use serde_json::json;
//!
//! #[derive(Debug)]
//! struct Shout(Manifest);
//!
//! impl Shout {
//!     fn new() -> Self {
//!         let manifest = Manifest::new("shout", "1.0.0")
//!             .description("Writes a text in capitals.")
//!             .capability("shout")
//!             .input_schema(json!({
//!                 "type": "object",
//!                 "required": ["text"],
//!                 "properties": { "text": { "type": "string" } }
//!             }))
//!             .output_schema(json!({
//!                 "type": "object",
//!                 "required": ["text"],
//!                 "properties": { "text": { "type": "string" } }
//!             }))
//!             .timeout_seconds(5);
//!         Self(manifest)
//!     }
//! }
//!
//! impl Plugin for Shout {
//!     fn manifest(&self) -> &Manifest {
//!         &self.0
//!     }
//!
//!     fn execute(&self, input: InputEnvelope) -> BoxFuture<'_, OutputEnvelope> {
//!         Box::pin(async move {
//!             let Some(text) = input.input["text"].as_str() else {
//!                 return OutputEnvelope::failed(&input, codes::INVALID_INPUT, "there is no text");
//!             };
//!             let output = json!({ "text": text.to_uppercase() });
//!             OutputEnvelope::success(&input, "Wrote it in capitals.").with_output(output)
//!         })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // In the plugin's own tests: what the node would check, without a node.
//! # #[cfg(feature = "contract")] {
//! use coppice_plugin_sdk::harness::Harness;
//! let harness = Harness::new(Shout::new()).unwrap();
//! let output = harness.run("Say it louder.", json!({ "text": "hello" })).await.unwrap();
//! assert_eq!(output.output["text"], "HELLO");
//! let refused = harness.run("Say nothing.", json!({})).await.unwrap_err();
//! assert_eq!(refused.code(), "plugin_input_invalid");
//! # }
//! # }
//! ```
//!
//! # A plugin elsewhere
//!
//! It answers two requests of the node's, in whatever language:
//!
//! | Request | Answer |
//! | --- | --- |
//! | `POST {url}/execute`: an [`InputEnvelope`], with the headers `idempotency-key` and `traceparent` | 200 and an [`OutputEnvelope`] |
//! | `GET {url}/health` | 200 and a [`HealthReport`] |
//!
//! and makes itself known by three of its own, with an operators' key of the scope
//! `plugins:register`:
//!
//! | Request | Answer |
//! | --- | --- |
//! | `POST /internal/registry/register`: `{"manifest": ..., "url": "http://..."}` | 201 `{"plugin_id": "name@version"}` |
//! | `POST /internal/registry/{name}/{version}/health`: a [`HealthReport`] | 200 |
//! | `DELETE /internal/registry/{name}/{version}` | 204, once what it had under way is done |
//!
//! The four bodies are given as JSON Schemas in [`schema`].
//!
//! # What a plugin may rely on, and what it must do
//!
//! * `input` fits the manifest's `input_schema`; what doesn't never arrives.
//! * A call may come twice: the node repeats what it has no recorded outcome of, under the same
//!   [idempotency key](InputMetadata::idempotency_key). Whoever changes the world by a call must
//!   answer a repeat with what it answered first.
//! * An answer names the call's `task_id` and an `envelope_version` of the same major version as
//!   [`ENVELOPE_VERSION`]; its `output` fits the manifest's `output_schema`, unless it failed.
//! * An answer after the manifest's `timeout_seconds` is thrown away and counts as a failure. So do
//!   a panic, an answer that breaks the contract, and a failure that isn't the input's fault. Three
//!   in a row, and the node calls the version no more for a minute; then it tries it once.
//! * Members of envelopes that a plugin doesn't know mean nothing to it: they are added in minor
//!   versions.
//! * `context.secrets` is for the call alone: never write it down, never answer with it.
//!
//! **Owns:** the types of the wire and what makes them valid. **Deliberately absent:** HTTP, a
//! runtime, logging: a plugin brings its own, or needs none.

#![warn(missing_docs)]

pub mod codes;
#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "contract")]
pub mod harness;
pub mod health;
pub mod input;
pub mod manifest;
pub mod output;
pub mod plugin;
pub mod schema;

pub use health::{Health, HealthReport};
pub use input::{InputContext, InputEnvelope, InputMetadata};
pub use manifest::{Latency, Manifest, ManifestError, PluginConfig, PluginDependency};
pub use output::{ExecutionMeta, OutputEnvelope, OutputError, OutputStatus};
pub use plugin::{BoxFuture, Plugin, PluginError};

/// The version of the envelopes that this build speaks. Another minor version is understood, another
/// major version isn't.
pub const ENVELOPE_VERSION: &str = "1.0";

/// Whether envelopes of a version are understood: `MAJOR.MINOR` with the major version of
/// [`ENVELOPE_VERSION`].
#[must_use]
pub fn speaks(envelope_version: &str) -> bool {
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits && (part == "0" || !part.starts_with('0'))
    };
    envelope_version.split_once('.').is_some_and(|(major, minor)| major == "1" && number(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_versions_are_understood_and_major_versions_are_not() {
        assert!(speaks(ENVELOPE_VERSION));
        assert!(speaks("1.1") && speaks("1.12"));
        for other in ["", "1", "1.", "1.x", "1.01", "2.0", "0.9", "1.0.0", "10.0", " 1.0", "v1.0"] {
            assert!(!speaks(other), "{other:?}");
        }
    }
}
