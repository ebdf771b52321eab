//! Whoever says what may be called.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use coppice_core::Json;
use serde::Serialize;
use serde_json::json;
use thiserror::Error;

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// To call a plugin; the resource is its name.
    CallPlugin,
    /// To do something in the world; the resource is the action's type.
    RunAction,
}

/// Something that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    Texts(BTreeSet<String>),
}

/// A question to the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Whose workflow asks.
    pub tenant: String,
    /// The workflow.
    pub workflow: String,
    /// What it wants to do.
    pub action: Action,
    /// With what.
    pub resource: String,
    /// What else is known.
    pub context: BTreeMap<String, Fact>,
}

/// An answer of the policy's.
#[derive(Debug, Clone, PartialEq)]
pub struct Permit {
    /// Whether it may be done at all.
    pub allowed: bool,
    /// Whether a person has to say so as well.
    pub requires_approval: bool,
    /// Why, as a code.
    pub reason_code: String,
    /// The whole answer as it is to be recorded.
    pub record: Json,
}

/// The policy has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the policy has no answer: {0}")]
pub struct PermitUnavailable(
    /// Why, for people.
    pub String,
);

/// Says what may be done.
pub trait Permission: fmt::Debug + Send + Sync + 'static {
    /// Answers a question.
    ///
    /// # Errors
    /// [`PermitUnavailable`], and then a person has to say so.
    fn decide(&self, question: &Question) -> Result<Permit, PermitUnavailable>;
}

/// Of a node without a policy: operators say what may be called, by what they register. It says so in
/// every record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unasked;

impl Permission for Unasked {
    fn decide(&self, question: &Question) -> Result<Permit, PermitUnavailable> {
        Ok(Permit {
            allowed: true,
            requires_approval: false,
            reason_code: "no_policy".to_owned(),
            record: json!({ "bundle": null, "question": question, "reason_code": "no_policy" })
                .into(),
        })
    }
}
