//! A plugin's tests without a node: what the node would check is checked here by the same code.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::codes;
use crate::contract::{Breach, Contract, ContractError};
use crate::input::InputEnvelope;
use crate::output::{OutputEnvelope, OutputStatus};
use crate::plugin::Plugin;

/// The task of calls that [`Harness::run`] makes up.
const TASK_ID: &str = "harness-task";

/// Runs a plugin as the node would. It lets no time pass: that a plugin keeps its own timeout is for
/// its author to see to.
#[derive(Debug)]
pub struct Harness<P> {
    plugin: P,
    contract: Contract,
}

/// What the node would have recorded in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HarnessError {
    /// The plugin would never have been called.
    #[error(transparent)]
    Refused(Breach),
    /// The answer would have been thrown away.
    #[error(transparent)]
    Broken(Breach),
    /// The plugin says that it failed.
    #[error("{code}: {error}")]
    Failed {
        /// Its code.
        code: String,
        /// What it says.
        error: String,
    },
}

impl HarnessError {
    /// The code that the step would have failed with.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "plugin_input_invalid",
            Self::Broken(_) => "plugin_output_invalid",
            Self::Failed { code, .. } => codes::step_code(code),
        }
    }
}

impl<P: Plugin> Harness<P> {
    /// Of a plugin.
    ///
    /// # Errors
    /// [`ContractError`], where the node wouldn't register it.
    pub fn new(plugin: P) -> Result<Self, ContractError> {
        let contract = Contract::new(plugin.manifest().clone())?;
        Ok(Self { plugin, contract })
    }

    /// The plugin.
    pub const fn plugin(&self) -> &P {
        &self.plugin
    }

    /// How long the node would wait for an answer at most.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.contract.manifest().config.timeout_seconds))
    }

    /// Asks the plugin for the first of its capabilities.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn run(&self, task: &str, input: Value) -> Result<OutputEnvelope, HarnessError> {
        let capabilities = &self.contract.manifest().capabilities;
        let first = capabilities.first().map_or("", String::as_str);
        self.call(InputEnvelope::new(TASK_ID, task).capability(first).input(input)).await
    }

    /// Makes a call of the test's own.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub async fn call(&self, input: InputEnvelope) -> Result<OutputEnvelope, HarnessError> {
        let checked = self.contract.input(&input.capability, &input.input);
        checked.map_err(HarnessError::Refused)?;
        let task = input.task_id.clone();
        let output = self.plugin.execute(input).await;
        // As over the wire, so that what can't travel shows.
        let bytes = serde_json::to_vec(&output)
            .map_err(|error| HarnessError::Broken(Breach::Envelope(error.to_string())))?;
        let output = self.contract.answer(&task, &bytes).map_err(HarnessError::Broken)?;
        if output.status == OutputStatus::Failed {
            let code = output.error_code.unwrap_or_default();
            return Err(HarnessError::Failed { code, error: output.error.unwrap_or_default() });
        }
        Ok(output)
    }
}
