//! The effect handler that calls plugins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coppice_core::Json;
use coppice_plugin_sdk::contract::Breach;
use coppice_plugin_sdk::{InputEnvelope, OutputEnvelope, OutputStatus, codes};
use coppice_runtime::{EffectCall, EffectError, EffectHandler};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tracing::{debug, warn};
use uuid::Uuid;

use crate::breakers::{Admission, Unadmitted};
use crate::calls::Waited;
use crate::catalog::{Offer, Seat};
use crate::failure::{self, CallFailure, CallFault};
use crate::http::Sent;
use crate::permission::{Action, Fact, PermitUnavailable, Question};
use crate::request::{CallRequest, CallResponse};
use crate::secrets;
use crate::service::Plugins;

/// The name that effects carry.
pub const PLUGIN: &str = "plugin";

/// Stands in a failure's detail where the policy's answer would.
const POLICY_UNAVAILABLE: &str = "policy_unavailable";

/// Calls plugins for entities that owe it.
#[derive(Debug, Clone)]
pub struct PluginHost(pub(crate) Plugins);

impl PluginHost {
    /// How long a pool has to give it: two calls, where one fails and its fallback is asked, and
    /// what the node's own entities take around them.
    #[must_use]
    pub fn pool_timeout(&self) -> Duration {
        let options = &self.0.0.options;
        (options.call_timeout + options.patience * 2) * 2
    }

    /// Makes a call as an effect asks for it.
    ///
    /// # Errors
    /// [`CallFailure`].
    pub async fn carry_out(&self, call: &EffectCall) -> Result<CallResponse, CallFailure> {
        // Whoever is owed a call from before a restart asks sooner than the node knows its plugins.
        // The sender lives as long as this does.
        drop(self.0.0.loaded.subscribe().wait_for(|loaded| *loaded).await);
        let request: CallRequest = serde_json::from_str(&call.request).map_err(|error| {
            CallFailure::new(failure::INPUT_INVALID, format!("the request does not read: {error}"))
        })?;
        let asked = (request.plugin.as_str(), request.version.as_deref());
        let failed = match self.ask(call, &request, asked).await {
            Ok(response) => return Ok(response),
            Err(failed) => failed,
        };
        let Some(fallback) = request.fallback.as_deref().filter(|_| failed.is_permanent()) else {
            return Err(failed);
        };
        debug!(plugin = request.plugin, fallback, "a plugin failed for good, another is asked");
        let first = match &failed {
            CallFailure::Ended { detail, .. } => detail.plugin.clone(),
            CallFailure::NotNow(_) => None,
        };
        match self.ask(call, &request, (fallback, None)).await {
            Ok(response) => Ok(CallResponse { fallback_of: first, ..response }),
            // Where the fallback can't be asked at all, the first one's failure is the one to tell.
            Err(CallFailure::Ended { code: failure::UNAVAILABLE, .. }) => Err(failed),
            Err(other) => Err(other.with(|detail| detail.fallback_of = first)),
        }
    }

    /// Asks one plugin.
    async fn ask(
        &self,
        call: &EffectCall,
        request: &CallRequest,
        (name, version): (&str, Option<&str>),
    ) -> Result<CallResponse, CallFailure> {
        let parts = &self.0.0;
        let unavailable = |why: String| CallFailure::new(failure::UNAVAILABLE, why);
        let offer =
            parts.catalog.resolve(name, version).map_err(|why| unavailable(why.to_string()))?;
        let named = |failed: CallFailure| failed.with(|of| of.plugin = Some(offer.id.clone()));
        let refused = |failed: CallFailure| {
            offer.tally.refused.fetch_add(1, Ordering::Relaxed);
            named(failed)
        };
        let checked = offer.contract.input(&request.capability, &request.input);
        checked.map_err(|breach| {
            refused(CallFailure::new(failure::INPUT_INVALID, breach.to_string()))
        })?;
        let secrets = parts.options.secrets.of(offer.manifest());
        let secrets = secrets.map_err(|fault| refused(unavailable(fault.to_string())))?;
        let policy = self.permitted(call, request, &offer).map_err(refused)?;
        let key = request.key(call);
        let patience = offer.timeout().min(parts.options.call_timeout);
        let aboard = offer.board().ok_or_else(|| unavailable(format!("{} has left", offer.id)))?;
        let admission = match parts.breakers.admit(&offer.id, key, patience).await {
            Ok(admission) => admission,
            Err(Unadmitted::Open(why)) => return Err(refused(unavailable(why))),
            Err(Unadmitted::Away(failure)) => return Err(CallFailure::NotNow(failure)),
        };
        self.0.record(&offer).await.map_err(CallFailure::NotNow)?;
        let mut envelope = request.envelope(call, parts.clock.now());
        envelope.context.secrets.clone_from(&secrets);
        let said = self.call(&offer, envelope, call, key, patience).await;
        drop(aboard);
        let bytes_max = parts.options.answer_bytes_max;
        let said = said.and_then(|output| bounded(output, bytes_max, &secrets));
        self.tell_breaker(&offer, key, admission, is_well(&said)).await;
        let output = said.map_err(|fault| {
            let count = match fault {
                CallFault::TimedOut(_) => &offer.tally.timed_out,
                _ => &offer.tally.failed,
            };
            count.fetch_add(1, Ordering::Relaxed);
            let (code, own) = fault.codes();
            let failed = CallFailure::new(code, format!("{}: {fault}", offer.id));
            named(failed.with(|detail| {
                detail.error_code = own;
                detail.policy = Some(policy.clone());
            }))
        })?;
        answered(&offer, output, policy).map_err(named)
    }

    /// Asks the policy; its answer as it is to be recorded.
    pub(crate) fn permitted(
        &self,
        call: &EffectCall,
        request: &CallRequest,
        offer: &Offer,
    ) -> Result<Json, CallFailure> {
        let question = question(call, request, offer);
        let needs = |message: &str, policy: Json| {
            let failed = CallFailure::new(failure::APPROVAL_REQUIRED, message);
            failed.with(|detail| detail.policy = Some(policy))
        };
        match self.0.0.permission.decide(&question) {
            Ok(permit) if !permit.allowed => {
                let why = format!("the policy does not allow it: {}", permit.reason_code);
                let denied = CallFailure::new(failure::POLICY_DENIED, why);
                Err(denied.with(|detail| detail.policy = Some(permit.record)))
            }
            Ok(permit) if permit.requires_approval && !request.approved => {
                Err(needs("the policy wants a person to say so", permit.record))
            }
            Ok(permit) => Ok(permit.record),
            Err(PermitUnavailable(why)) => {
                warn!(plugin = offer.id, why, "the policy has no answer");
                if request.approved {
                    let policy = json!({ "reason_code": POLICY_UNAVAILABLE, "question": question });
                    return Ok(policy.into());
                }
                let policy = Value::from(POLICY_UNAVAILABLE).into();
                Err(needs("the policy has no answer, so a person has to say so", policy))
            }
        }
    }

    async fn call(
        &self,
        offer: &Arc<Offer>,
        envelope: InputEnvelope,
        call: &EffectCall,
        key: Uuid,
        patience: Duration,
    ) -> Result<OutputEnvelope, CallFault> {
        let parts = &self.0.0;
        let task = envelope.task_id.clone();
        let waited = match &offer.seat {
            Seat::Inside(plugin) => {
                let (plugin, contract) = (Arc::clone(plugin), Arc::clone(&offer.contract));
                let asked = async move {
                    let output = plugin.execute(envelope).await;
                    contract.output(&task, &output).map_err(CallFault::Breach)?;
                    Ok::<_, CallFault>(output)
                };
                parts.calls.make(asked, patience).await
            }
            Seat::Outside(endpoint) => {
                let (http, endpoint) = (parts.http.clone(), endpoint.clone());
                let (contract, trace) = (Arc::clone(&offer.contract), call.trace.clone());
                let bytes_max = parts.options.answer_bytes_max;
                // Text, numbers and JSON always serialize.
                let bytes = serde_json::to_vec(&envelope).unwrap_or_default();
                let signature = self.0.signature(offer, &bytes);
                let asked = async move {
                    let sent = Sent { envelope: bytes, key, trace: &trace, signature };
                    let answer = http.execute(&endpoint, sent, bytes_max).await?;
                    contract.answer(&task, &answer).map_err(CallFault::Breach)
                };
                parts.calls.make(asked, patience).await
            }
        };
        match waited {
            Waited::Answered(said) => said,
            Waited::TimedOut => Err(CallFault::TimedOut(patience.as_millis())),
            Waited::Panicked => Err(CallFault::Panicked),
        }
    }

    /// Once more where it isn't known whether it was heard; beyond that the answer counts, and the
    /// breaker misses one report.
    async fn tell_breaker(&self, offer: &Offer, key: Uuid, admission: Admission, ok: bool) {
        let breakers = &self.0.0.breakers;
        for last in [false, true] {
            let told = breakers.report(&offer.id, key, admission, ok).await;
            let Err(failure) = told else { return };
            if last {
                warn!(plugin = offer.id, ok, %failure, "a circuit breaker was not told of a call");
            }
        }
    }
}

/// What is known of a call, for the policy.
fn question(call: &EffectCall, request: &CallRequest, offer: &Offer) -> Question {
    let manifest = offer.manifest();
    let text = |text: &str| Fact::Text(text.to_owned());
    let context = [
        ("capability", text(&request.capability)),
        ("version", text(&manifest.version)),
        ("category", text(&manifest.category)),
        ("priority", text(&request.priority)),
        ("step", text(&request.step)),
        ("in_process", Fact::Flag(offer.is_in_process())),
        ("scopes", Fact::Texts(manifest.required_scopes.iter().cloned().collect())),
    ];
    Question {
        tenant: call.entity.tenant().to_string(),
        workflow: request.workflow.clone(),
        action: Action::CallPlugin,
        resource: manifest.name.clone(),
        context: context.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect(),
    }
}

/// Over HTTP it was cut off on the way; inside the process it is only known now.
pub(crate) fn bounded(
    output: OutputEnvelope,
    bytes_max: usize,
    secrets: &BTreeMap<String, String>,
) -> Result<OutputEnvelope, CallFault> {
    match serde_json::to_string(&output) {
        Ok(text) if text.len() <= bytes_max => match secrets::told(&text, secrets) {
            Some(name) => Err(CallFault::TellsSecret(name.to_owned())),
            None => Ok(output),
        },
        Ok(_) => Err(CallFault::TooLarge(bytes_max)),
        Err(error) => Err(CallFault::Breach(Breach::Envelope(error.to_string()))),
    }
}

/// Whether an answer says that the plugin works: a failure that is the input's fault does.
fn is_well(said: &Result<OutputEnvelope, CallFault>) -> bool {
    match said {
        Ok(output) if output.status == OutputStatus::Failed => {
            output.error_code.as_deref().is_some_and(codes::is_of_the_input)
        }
        Ok(_) => true,
        Err(_) => false,
    }
}

pub(crate) fn answered(
    offer: &Offer,
    output: OutputEnvelope,
    policy: Json,
) -> Result<CallResponse, CallFailure> {
    if output.status == OutputStatus::Failed {
        offer.tally.failed.fetch_add(1, Ordering::Relaxed);
        let own = output.error_code.unwrap_or_default();
        let failed = CallFailure::new(codes::step_code(&own), output.error.unwrap_or_default());
        return Err(failed.with(|detail| {
            detail.error_code = Some(own).filter(|own| !own.is_empty());
            detail.policy = Some(policy);
        }));
    }
    offer.tally.succeeded.fetch_add(1, Ordering::Relaxed);
    Ok(CallResponse {
        status: output.status,
        output: output.output,
        result: output.result,
        artifacts: output.artifacts,
        plugin: offer.id.clone(),
        policy,
        meta: output.execution_meta,
        confidence: output.confidence,
        next_steps: output.next_steps,
        deprecation_warning: output.deprecation_warning,
        fallback_of: None,
    })
}

impl EffectHandler for PluginHost {
    fn computes(&self) -> bool {
        true
    }

    fn compute(&self, call: &EffectCall) -> Option<String> {
        self.computed(call)
    }

    fn call(&self, call: EffectCall) -> BoxFuture<'_, Result<String, EffectError>> {
        Box::pin(async move {
            let response = self.carry_out(&call).await?;
            serde_json::to_string(&response).map_err(|error| EffectError::Refused {
                code: failure::OUTPUT_INVALID.to_owned(),
                detail: error.to_string(),
            })
        })
    }
}
