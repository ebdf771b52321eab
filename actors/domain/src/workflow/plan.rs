//! A plan: a graph of steps, each a call of a plugin's capability.
//!
//! **Invariants of a plan that was checked:** every id stands once; every step that is needed is
//! there; no step needs itself by any way round; inputs and conditions refer to steps that are
//! needed; everything is within its limit.

mod check;

use coppice_core::{EffectMode, Json};
use serde::{Deserialize, Serialize};

pub use self::check::PlanFault;
use super::condition::Condition;

/// Steps of one plan: ten thousand are ordinary, and each is an event and a few hundred bytes of
/// state.
pub const STEPS_MAX: usize = 20_000;
/// Needs of one step: enough to merge every branch of a wide plan.
pub const NEEDS_MAX: usize = 10_000;
/// A step's id, in bytes.
pub const STEP_ID_BYTES_MAX: usize = 64;
/// A name, a capability, a version or a category, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// A description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 2_000;
/// A step's input with its references, in bytes; what they stand for comes on top.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;
/// Tries of one step.
pub const TRIES_MAX: u32 = 100;
/// Between two tries of one step: a day.
pub const BACKOFF_MS_MAX: u64 = 86_400_000;
/// Steps under way at once, in one workflow.
pub const PARALLEL_MAX: u32 = 1_000;
/// The same where a plan doesn't say: wide enough to keep the plugins busy, narrow enough that one
/// workflow of thousands of steps leaves room for others.
pub const PARALLEL_DEFAULT: u32 = 32;

/// What a person must agree to whatever the plan says, as plugin and capability: it moves what can't
/// be brought back.
const ALWAYS_APPROVED: [(&str, &str); 1] = [("builtin", "onchain_action")];

/// A graph of steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is called.
    pub name: String,
    /// Steps under way at once.
    #[serde(default = "parallel_default", skip_serializing_if = "is_parallel_default")]
    pub parallel_max: u32,
    /// The steps. Those that may run at once start in this order.
    pub steps: Vec<Step>,
}

/// One call of a plugin's capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name within the plan: letters, digits, `-` and `_`.
    pub id: String,
    /// The steps that must be over before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Who carries it out.
    pub plugin: String,
    /// Which versions of the plugin will do, as semver says it; any where unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What of the plugin is asked for.
    pub capability: String,
    /// The same for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The input, an object with [references](super::reference).
    #[serde(default = "Json::empty")]
    pub input: Json,
    /// It is skipped where this doesn't hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Ends the workflow behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ending>,
    /// Whether a person must agree before it starts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub approval: bool,
    /// What is paid for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Retry::is_default")]
    pub retry: Retry,
    /// What may be done where its outcome isn't known.
    #[serde(default = "mode_default", skip_serializing_if = "is_mode_default")]
    pub mode: EffectMode,
    /// What its failure means to the others.
    #[serde(default, skip_serializing_if = "OnFailure::is_default")]
    pub on_failure: OnFailure,
    /// The plugin that is asked where this one refuses for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

/// How a workflow may end before its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndsAs {
    /// All that mattered was done.
    Success,
    /// What there is by then is the result.
    Partial,
}

/// Ends the workflow behind a step that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// Where this holds.
    pub when: Condition,
    /// As what it ends.
    #[serde(rename = "as")]
    pub ends_as: EndsAs,
}

/// What is reserved before a step runs and paid once it has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// In minor units of the asset.
    pub amount: i64,
    /// The asset, such as `USD`.
    pub asset: String,
    /// Who is paid.
    pub merchant: String,
    /// For what kind of thing.
    pub category: String,
    /// How long the reservation lasts.
    #[serde(default = "payment_ttl_default")]
    pub ttl_seconds: u32,
}

/// When a failed step is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries in all.
    #[serde(default = "tries_default")]
    pub tries: u32,
    /// Before the second try; doubled before each one after it.
    #[serde(default = "backoff_default")]
    pub backoff_ms: u64,
    /// The longest wait between two tries.
    #[serde(default = "backoff_max_default")]
    pub backoff_max_ms: u64,
}

/// What a step's failure means to the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// What needs it is skipped, the rest goes on, and the workflow ends as partial.
    #[default]
    Partial,
    /// The workflow ends as failed.
    Fail,
    /// What needs it goes on without its output.
    Continue,
}

const fn parallel_default() -> u32 {
    PARALLEL_DEFAULT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_parallel_default(parallel: &u32) -> bool {
    *parallel == PARALLEL_DEFAULT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

const fn mode_default() -> EffectMode {
    EffectMode::Retry
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_mode_default(mode: &EffectMode) -> bool {
    *mode == EffectMode::Retry
}

const fn tries_default() -> u32 {
    3
}

const fn backoff_default() -> u64 {
    1_000
}

const fn backoff_max_default() -> u64 {
    60_000
}

const fn payment_ttl_default() -> u32 {
    3_600
}

impl Plan {
    /// The plan as it is carried out: with an approval before each step that always needs one,
    /// whether it is asked for or may be as a fallback.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        for step in &mut self.steps {
            let is_meant = |(plugin, capability): &(&str, &str)| {
                step.capability == *capability
                    && (step.plugin == *plugin || step.fallback.as_deref() == Some(*plugin))
            };
            step.approval |= ALWAYS_APPROVED.iter().any(is_meant);
        }
        self
    }
}

impl OnFailure {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Retry {
    fn default() -> Self {
        let (backoff_ms, backoff_max_ms) = (backoff_default(), backoff_max_default());
        Self { tries: tries_default(), backoff_ms, backoff_max_ms }
    }
}

impl Retry {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// How long to wait after so many tries, in milliseconds; `None` where there is no other.
    #[must_use]
    pub fn wait_ms(&self, tried: u32) -> Option<u64> {
        if tried >= self.tries {
            return None;
        }
        let doubled = self.backoff_ms.saturating_mul(1 << tried.saturating_sub(1).min(40));
        Some(doubled.min(self.backoff_max_ms))
    }
}
