//! The effect handler `treasury`: what workflows want of money, and what transfers owe when their
//! time is over.
//!
//! Every request may come again, and is answered the same: so whatever isn't known is tried again.

use coppice_core::CorrelationId;
use coppice_domain::treasury::names::Name;
use coppice_domain::treasury::{Amount, Asset};
use coppice_runtime::{EffectCall, EffectError, EffectHandler, Failure, Outcome};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

use crate::call::{Asker, Call};
use crate::error::TreasuryError;
use crate::settle::Settled;
use crate::treasury::{NewIntent, Treasury};

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Wanted {
    /// Creates an intent and decides it.
    Authorize {
        intent_id: String,
        amount: Amount,
        asset: String,
        merchant: Name,
        category: Name,
        ttl_seconds: u32,
        #[serde(default)]
        workflow_id: Option<Name>,
        #[serde(default)]
        approved: bool,
    },
    Post {
        intent_id: String,
        #[serde(default)]
        amount: Option<Amount>,
    },
    Void {
        intent_id: String,
    },
    Expire {
        transfer: String,
    },
}

#[derive(Serialize)]
struct Decided<'a> {
    decision: &'a str,
    reason_code: &'a str,
    intent_id: &'a str,
}

#[derive(Serialize)]
struct Ended<'a> {
    status: coppice_domain::treasury::intent::Status,
    posted: Amount,
    intent_id: &'a str,
}

/// Carries out the effects that are named `treasury`.
#[derive(Debug, Clone)]
pub struct TreasuryHandler {
    treasury: Treasury,
    patience: Duration,
}

impl TreasuryHandler {
    /// Waits for the treasury's entities for so long.
    #[must_use]
    pub const fn new(treasury: Treasury, patience: Duration) -> Self {
        Self { treasury, patience }
    }

    async fn carry_out(&self, call: EffectCall) -> Result<String, EffectError> {
        let wanted: Wanted = serde_json::from_str(&call.request)
            .map_err(|error| refused("invalid", error.to_string()))?;
        let (kind, id) = (call.entity.kind().as_str(), call.entity.id().as_str());
        let kind = if kind == "workflow" { "workflow" } else { "entity" };
        let asker = Asker { kind, id: id.to_owned(), role: String::new() };
        let call = Call {
            tenant: call.entity.tenant().clone(),
            asker,
            correlation: CorrelationId(call.idempotency_key),
            trace: Some(call.trace),
            deadline: Instant::now() + self.patience,
        };
        match wanted {
            Wanted::Authorize {
                intent_id,
                amount,
                asset,
                merchant,
                category,
                ttl_seconds,
                workflow_id,
                approved,
            } => {
                let asset =
                    Asset::named(&asset).map_err(|error| refused("invalid", error.to_string()))?;
                let (ttl_s, workflow, from) = (ttl_seconds, workflow_id, None);
                let new = NewIntent { amount, asset, merchant, category, ttl_s, workflow, from };
                self.authorize(&call, &intent_id, &new, approved).await
            }
            Wanted::Post { intent_id, amount } => {
                ended(&intent_id, self.treasury.post(&call, &intent_id, amount).await)
            }
            Wanted::Void { intent_id } => {
                ended(&intent_id, self.treasury.void(&call, &intent_id).await)
            }
            Wanted::Expire { transfer } => {
                ended(&transfer, self.treasury.expire(&call, &transfer).await)
            }
        }
    }

    async fn authorize(
        &self,
        call: &Call,
        intent_id: &str,
        new: &NewIntent,
        approved: bool,
    ) -> Result<String, EffectError> {
        self.treasury.create_intent(call, intent_id, new).await.map_err(of)?;
        let decided = self.treasury.authorize(call, intent_id, approved).await.map_err(of)?;
        let decision = if decided.approved { "approved" } else { "denied" };
        text(&Decided { decision, reason_code: decided.reason.code(), intent_id })
    }
}

fn ended(intent_id: &str, settled: Result<Settled, TreasuryError>) -> Result<String, EffectError> {
    let Settled { status, posted, .. } = settled.map_err(of)?;
    text(&Ended { status, posted, intent_id })
}

fn refused(code: &str, detail: String) -> EffectError {
    EffectError::Refused { code: code.to_owned(), detail }
}

fn text(response: &impl Serialize) -> Result<String, EffectError> {
    serde_json::to_string(response).map_err(|error| refused("invalid", error.to_string()))
}

/// What may pass is tried again; a refusal of an entity's stays one.
fn of(error: TreasuryError) -> EffectError {
    let detail = error.to_string();
    match error {
        TreasuryError::NoIntent(_) => refused("intent_not_found", detail),
        TreasuryError::NoAccount(_) => refused("account_not_found", detail),
        TreasuryError::Other(_) => refused("intent_other", detail),
        TreasuryError::Invalid(_) => refused("invalid", detail),
        TreasuryError::Failed(failure) => match failure {
            Failure::Rejected { code, detail } => refused(code, detail),
            Failure::MessageQuarantined | Failure::EntityQuarantined | Failure::Damaged { .. } => {
                refused("out_of_service", failure.to_string())
            }
            _ if failure.outcome() == Outcome::Unknown => {
                EffectError::Unknown { detail: failure.to_string() }
            }
            _ => EffectError::NotSent { detail: failure.to_string() },
        },
    }
}

impl EffectHandler for TreasuryHandler {
    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        Box::pin(self.carry_out(call))
    }
}
