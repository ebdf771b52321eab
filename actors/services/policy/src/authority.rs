//! The seam: whoever answers questions.

use std::fmt;

use thiserror::Error;

use crate::data::ActionRule;
use crate::question::Question;
use crate::record::{BundleRef, PolicyRecord};

/// Why there is no decision. It is never an allow: a step waits for a person, money is denied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyUnavailable {
    /// No bundle is in force.
    #[error("no policy bundle is in force")]
    NoBundle,
    /// The question is larger than what is evaluated and recorded.
    #[error("the question is too large: {0}")]
    TooLarge(String),
    /// A fact of the question is not as it must be.
    #[error("the fact {name} {problem}")]
    Fact {
        /// Which.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The question doesn't fit the bundle's schema: a fact is missing or of another type.
    #[error("the question does not fit the bundle's schema: {0}")]
    Misfit(String),
    /// A policy could not be evaluated.
    #[error("the policy {policy} could not be evaluated: {problem}")]
    Evaluation {
        /// Which.
        policy: String,
        /// What went wrong.
        problem: String,
    },
}

impl PolicyUnavailable {
    /// The code under which it is told to callers and recorded.
    pub const CODE: &'static str = "policy_unavailable";

    pub(crate) fn fact(name: &str, problem: impl Into<String>) -> Self {
        Self::Fact { name: name.to_owned(), problem: problem.into() }
    }
}

/// Whoever answers questions.
pub trait Policy: fmt::Debug + Send + Sync + 'static {
    /// Decides a question. The same question and bundle give the same record; it takes
    /// microseconds, does no I/O and may be called from anywhere.
    ///
    /// # Errors
    /// [`PolicyUnavailable`], where it can't be decided. That is not an allow.
    fn decide(&self, question: &Question) -> Result<PolicyRecord, PolicyUnavailable>;

    /// The bundle in force.
    fn bundle(&self) -> Option<BundleRef>;

    /// The type of action that a type of task comes to: its own name, where nothing else is said.
    fn action_type(&self, task_type: &str) -> String {
        task_type.to_owned()
    }

    /// What stands for a type of action; none where there is no such type, and then it is denied.
    fn rule(&self, _action_type: &str) -> Option<ActionRule> {
        None
    }
}

/// Nobody: every question is unavailable. For a platform without policy, and for tests of what it
/// does then.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPolicy;

impl Policy for NoPolicy {
    fn decide(&self, _: &Question) -> Result<PolicyRecord, PolicyUnavailable> {
        Err(PolicyUnavailable::NoBundle)
    }

    fn bundle(&self) -> Option<BundleRef> {
        None
    }
}
