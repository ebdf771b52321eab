//! What the node holds a version of a plugin to: its manifest, compiled once.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use thiserror::Error;

use crate::manifest::{Manifest, ManifestError};
use crate::output::{OutputEnvelope, OutputError, OutputStatus};
use crate::schema;

/// Faults that are told of one document; the rest is left out.
const FAULTS_TOLD_MAX: usize = 5;

/// The longest that one fault is told, in characters: it quotes the document.
const FAULT_CHARS_MAX: usize = 300;

/// A manifest with its schemas ready.
#[derive(Debug)]
pub struct Contract {
    manifest: Manifest,
    input: Validator,
    output: Validator,
    envelope: Validator,
}

/// Why a manifest makes no contract.
#[derive(Debug, Error)]
pub enum ContractError {
    /// It says what no manifest may say.
    #[error("the manifest is not valid: {0}")]
    Manifest(#[from] ManifestError),
    /// One of its schemas is no schema, or refers to something outside itself.
    #[error("{which} can not be used: {problem}")]
    Schema {
        /// Which of the two.
        which: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// What breaks a contract.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Breach {
    /// The input doesn't fit.
    #[error("the input does not fit the plugin's input_schema: {0}")]
    Input(String),
    /// It isn't asked for what it says that it can do.
    #[error("the plugin has no capability {0:?}")]
    Capability(String),
    /// The answer is no envelope.
    #[error("the answer is no output envelope: {0}")]
    Envelope(String),
    /// The envelope says what none may say.
    #[error("the output envelope is not valid: {0}")]
    Check(#[from] OutputError),
    /// The output doesn't fit.
    #[error("the output does not fit the plugin's output_schema: {0}")]
    Output(String),
}

impl Contract {
    /// Of a manifest.
    ///
    /// # Errors
    /// [`ContractError`], where nobody could keep it.
    pub fn new(manifest: Manifest) -> Result<Self, ContractError> {
        manifest.check()?;
        let envelope: Value = serde_json::from_str(schema::OUTPUT_ENVELOPE).unwrap_or_default();
        Ok(Self {
            input: compiled("input_schema", &manifest.input_schema)?,
            output: compiled("output_schema", &manifest.output_schema)?,
            envelope: compiled("the envelope's schema", &envelope)?,
            manifest,
        })
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Checks what the plugin is to be asked.
    ///
    /// # Errors
    /// [`Breach::Capability`] and [`Breach::Input`].
    pub fn input(&self, capability: &str, input: &Value) -> Result<(), Breach> {
        if !self.manifest.offers(capability) {
            return Err(Breach::Capability(capability.to_owned()));
        }
        faults(&self.input, input).map_err(Breach::Input)
    }

    /// Reads the bytes of an answer to a task.
    ///
    /// # Errors
    /// [`Breach`].
    pub fn answer(&self, task_id: &str, bytes: &[u8]) -> Result<OutputEnvelope, Breach> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Breach::Envelope(told(&error.to_string())))?;
        faults(&self.envelope, &value).map_err(Breach::Envelope)?;
        let output = serde_json::from_value(value)
            .map_err(|error| Breach::Envelope(told(&error.to_string())))?;
        self.output(task_id, &output)?;
        Ok(output)
    }

    /// Checks an answer to a task.
    ///
    /// # Errors
    /// [`Breach`].
    pub fn output(&self, task_id: &str, output: &OutputEnvelope) -> Result<(), Breach> {
        output.check(task_id)?;
        if output.status == OutputStatus::Failed {
            return Ok(());
        }
        faults(&self.output, &output.output).map_err(Breach::Output)
    }
}

/// Patterns are run in linear time, and nothing outside the schema is looked up: a plugin's schema
/// is not the node's own.
fn compiled(which: &'static str, schema: &Value) -> Result<Validator, ContractError> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| ContractError::Schema { which, problem: told(&error.to_string()) })
}

fn faults(validator: &Validator, value: &Value) -> Result<(), String> {
    if validator.is_valid(value) {
        return Ok(());
    }
    let faults = validator.iter_errors(value).take(FAULTS_TOLD_MAX).map(|fault| {
        let place = fault.instance_path().to_string();
        let place = if place.is_empty() { "/".to_owned() } else { place };
        told(&format!("at {place}: {fault}"))
    });
    Err(faults.collect::<Vec<_>>().join("; "))
}

fn told(fault: &str) -> String {
    match fault.char_indices().nth(FAULT_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &fault[..end]),
        None => fault.to_owned(),
    }
}
