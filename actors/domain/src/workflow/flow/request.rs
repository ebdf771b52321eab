//! What a workflow asks of the outside: plugins to run, money to be reserved and moved.
//!
//! A request is built in `evolve` from what is recorded, so a repeat sends the same bytes.

use coppice_core::hash::Hasher;
use coppice_core::{Effect, EffectId, EffectMode, Json, Timestamp};
use serde::{Deserialize, Serialize};

use super::graph::index;
use super::state::{Work, effect};

/// The handler that runs plugins.
pub const PLUGIN: &str = "plugin";
/// The handler that reserves and moves money.
pub const TREASURY: &str = "treasury";

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Call {
    /// Runs the step's plugin.
    Run,
    /// Reserves what the step costs.
    Pay,
    /// Moves what was reserved.
    Post,
    /// Gives it back.
    Void,
}

impl Call {
    const fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pay => "pay",
            Self::Post => "post",
            Self::Void => "void",
        }
    }

    pub(super) fn named(word: &str) -> Option<Self> {
        [Self::Run, Self::Pay, Self::Post, Self::Void].into_iter().find(|call| call.word() == word)
    }

    /// A step has one call of a kind at a time; the next try is another effect by its ordinal.
    pub(super) fn effect_id(self, place: u32) -> EffectId {
        EffectId(format!("{}:{place}", self.word()).into())
    }
}

/// The intent that money is reserved under for a step; one that was denied is never asked again.
pub(super) fn intent(workflow: &str, place: u32, payments: u32) -> String {
    format!("{workflow}:{place}:{payments}")
}

#[derive(Serialize)]
struct Run<'a> {
    workflow: &'a str,
    step: &'a str,
    plugin: &'a str,
    version: Option<&'a str>,
    capability: &'a str,
    description: &'a str,
    input: Json,
    priority: &'a str,
    approved: bool,
    channel: &'a str,
    user: Option<&'a str>,
    fallback: Option<&'a str>,
    /// The same for every try of the step, also after a failure, so that a plugin knows a repeat.
    idempotency_key: String,
    /// Of the workflow and not of the try, for a repeat has the same body to the last byte.
    requested_at: Timestamp,
    /// Likewise: a recovered effect has lost its trace.
    correlation: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Money<'a> {
    Authorize {
        intent_id: &'a str,
        amount: i64,
        asset: &'a str,
        merchant: &'a str,
        category: &'a str,
        ttl_seconds: u32,
        workflow_id: &'a str,
        approved: bool,
    },
    Post {
        intent_id: &'a str,
    },
    Void {
        intent_id: &'a str,
    },
}

/// Names a step's work to its plugin.
fn step_key(workflow: &str, place: u32) -> String {
    Hasher::new("coppice.step.v1")
        .text(workflow)
        .number(place.into())
        .finish()
        .to_uuid()
        .to_string()
}

/// The effect of a call.
pub(super) fn of(work: &Work, place: u32, call: Call) -> Effect {
    let (step, record) = (&work.graph.plan.steps[index(place)], &work.records[index(place)]);
    let (about, approved) = (&work.about, record.approved_by.is_some());
    let intent_id = record.intent.as_deref().unwrap_or_default();
    let money = match (call, &step.payment) {
        (Call::Pay, Some(payment)) => Money::Authorize {
            intent_id,
            amount: payment.amount,
            asset: &payment.asset,
            merchant: &payment.merchant,
            category: &payment.category,
            ttl_seconds: payment.ttl_seconds,
            workflow_id: &about.workflow,
            approved,
        },
        (Call::Post, _) => Money::Post { intent_id },
        (Call::Void, _) => Money::Void { intent_id },
        (Call::Run, _) | (Call::Pay, None) => {
            let run = Run {
                workflow: &about.workflow,
                step: &step.id,
                plugin: &step.plugin,
                version: step.version.as_deref(),
                capability: &step.capability,
                description: &step.description,
                input: work.input(place),
                priority: &about.priority,
                approved,
                channel: &about.source.channel,
                user: about.source.by.as_deref(),
                fallback: step.fallback.as_deref(),
                idempotency_key: step_key(&about.workflow, place),
                requested_at: about.at,
                correlation: &about.workflow,
            };
            return effect(PLUGIN, &run, step.mode);
        }
    };
    effect(TREASURY, &money, EffectMode::Retry)
}
