//! Whether the policy lets money be spent: asked before anything is set aside.

use std::fmt;

use coppice_core::{Json, TenantId};
use coppice_domain::treasury::intent::Wanted;
use serde_json::json;
use thiserror::Error;

use crate::call::Asker;

/// What the policy is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Whose money.
    pub tenant: &'a TenantId,
    /// Who wants to spend it.
    pub asker: &'a Asker,
    /// Under which intent.
    pub intent: &'a str,
    /// What is wanted.
    pub wanted: &'a Wanted,
    /// Whether a person has said yes.
    pub approved: bool,
}

/// What the policy said.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether it may be spent.
    pub allowed: bool,
    /// Whether a person has to say yes first.
    pub requires_approval: bool,
    /// Why not: a code, of which those of
    /// [`Reason`](coppice_domain::treasury::Reason) are told on and others are `policy_denied`.
    pub reason_code: String,
    /// Question and answer, whole, as they go into the decision's event.
    pub record: Json,
}

/// Nobody can say what the policy says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the policy can not be asked: {0}")]
pub struct Unavailable(pub String);

/// The policy, as the treasury asks it. It answers at once, out of memory.
pub trait Permission: fmt::Debug + Send + Sync + 'static {
    /// Whether money may be spent.
    ///
    /// # Errors
    /// [`Unavailable`], which is a denial.
    fn ask(&self, question: &Question<'_>) -> Result<Verdict, Unavailable>;
}

/// Lets everything through, and says in the record that nobody was asked. The limits stand.
#[derive(Debug, Clone, Copy)]
pub struct NoPolicy;

impl Permission for NoPolicy {
    fn ask(&self, _: &Question<'_>) -> Result<Verdict, Unavailable> {
        Ok(Verdict {
            allowed: true,
            requires_approval: false,
            reason_code: String::new(),
            record: json!({ "policy": "none" }).into(),
        })
    }
}
