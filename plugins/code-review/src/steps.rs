//! The review's steps by name, with JSON in and out: what a plugin around this crate calls.
//!
//! A plan passes the output of one step to the next: `split` takes `{"diff": text}`; each node takes
//! `{"files": …, "config": …}` with the files of `split`; `merge` takes `{"outputs": […]}` with what
//! the nodes gave; `rank` takes what `merge` gave, and `summarise` what `rank` gave, beside counts
//! and `left_out` of `split`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::{merge, nodes, rank, split, summary};

/// The names of the steps, in the order of a review.
pub const STEPS: [&str; 8] =
    ["split", "security", "style", "logic", "performance", "merge", "rank", "summarise"];

/// Why a step can't be done.
#[derive(Debug, Error)]
pub enum StepError {
    /// There is no step of that name.
    #[error("there is no step {0}")]
    Unknown(String),
    /// The input isn't what the step takes.
    #[error("the input of {step} does not fit")]
    Input {
        /// The step.
        step: &'static str,
        /// What doesn't fit.
        #[source]
        source: serde_json::Error,
    },
    /// The output can't be written as JSON.
    #[error("the output of {step} can't be written")]
    Output {
        /// The step.
        step: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Does a step.
///
/// ```
/// let input = serde_json::json!({"diff": "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+eval(b)\n"});
/// let split = coppice_code_review::steps::run("split", input)?;
/// let input = serde_json::json!({"files": split["files"], "config": {}});
/// let found = coppice_code_review::steps::run("security", input)?;
/// assert_eq!(found["findings"][0]["rule"], "security/dynamic-code");
/// # Ok::<(), coppice_code_review::steps::StepError>(())
/// ```
///
/// # Errors
/// [`StepError`] for a name or an input that isn't known.
pub fn run(step: &str, input: Value) -> Result<Value, StepError> {
    match step {
        "split" => apply("split", input, split::split),
        "security" => apply("security", input, nodes::security),
        "style" => apply("style", input, nodes::style),
        "logic" => apply("logic", input, nodes::logic),
        "performance" => apply("performance", input, nodes::performance),
        "merge" => apply("merge", input, merge::merge),
        "rank" => apply("rank", input, rank::rank),
        "summarise" => apply("summarise", input, summary::summarise),
        other => Err(StepError::Unknown(other.to_owned())),
    }
}

fn apply<I: DeserializeOwned, O: Serialize>(
    step: &'static str,
    input: Value,
    function: impl Fn(&I) -> O,
) -> Result<Value, StepError> {
    let input =
        serde_json::from_value(input).map_err(|source| StepError::Input { step, source })?;
    serde_json::to_value(function(&input)).map_err(|source| StepError::Output { step, source })
}

/// The whole review of a diff in one go, as the plan does it step by step.
#[must_use]
pub fn review(diff: &str, config: &crate::Config) -> Review {
    let split = split::split(&split::DiffInput { diff: diff.to_owned() });
    let added = split.batches.iter().map(|batch| batch.added).sum();
    let input = crate::NodeInput { files: split.files, config: config.clone() };
    let outputs = vec![
        nodes::security(&input),
        nodes::style(&input),
        nodes::logic(&input),
        nodes::performance(&input),
    ];
    let ranked = rank::rank(&merge::merge(&merge::MergeInput { outputs }));
    let summary = summary::summarise(&summary::SummaryInput {
        findings: ranked.findings.clone(),
        dropped: ranked.dropped,
        files: input.files.len(),
        added,
        left_out: split.left_out,
        config: input.config,
    });
    Review { findings: ranked.findings, summary }
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Ranked findings.
    pub findings: Vec<crate::Finding>,
    /// The same for people.
    pub summary: summary::Summary,
}
