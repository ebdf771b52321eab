//! What each capability of `builtin` does.

use std::collections::BTreeMap;

use coppice_plugin_sdk::{InputEnvelope, OutputEnvelope, codes};
use serde_json::{Map, Value, json};

use super::amount::{Amount, Asset};
use super::wallet::{Transfer, WalletError};
use super::{Builtin, capability};
use crate::permission::{Action, Fact, PermitUnavailable, Question};

/// The longest address, in bytes: twice what chains use.
const ADDRESS_BYTES_MAX: usize = 128;

/// The type of action that sending from a wallet is.
const TRANSACTION: &str = "transaction";

/// Why a step failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) code: &'static str,
    pub(super) error: String,
}

fn invalid(error: impl Into<String>) -> Failed {
    Failed { code: codes::INVALID_INPUT, error: error.into() }
}

impl From<WalletError> for Failed {
    fn from(error: WalletError) -> Self {
        let code = match &error {
            // What is asked of a wallet that works, and not how the provider is.
            WalletError::Unknown(_)
            | WalletError::Insufficient { .. }
            | WalletError::OtherAsset(_) => codes::INVALID_INPUT,
            WalletError::Away(_) => codes::DEPENDENCY_FAILED,
        };
        Self { code, error: error.to_string() }
    }
}

type Done = Result<OutputEnvelope, Failed>;

impl Builtin {
    pub(super) async fn check_balance(&self, input: &InputEnvelope) -> Done {
        let wallet = address(input, "wallet_address")?;
        let held = self.wallets.balance(wallet).await?;
        let mut output = self.holding(wallet, held);
        output.insert("timestamp".to_owned(), json!(input.metadata.timestamp));
        let result = format!("{wallet} holds {} {}.", held.text(), held.asset.asset);
        Ok(OutputEnvelope::success(input, result).with_output(Value::Object(output)))
    }

    pub(super) async fn monitor_action(&self, input: &InputEnvelope) -> Done {
        let wallet = address(input, "wallet_address")?;
        let held = self.wallets.balance(wallet).await?;
        let bound = |name: &str| match &input.input[name] {
            Value::Null => Ok(None),
            Value::String(text) => amount(text, held.asset).map(Some),
            _ => Err(invalid(format!("{name} is decimal text, such as \"12.5\""))),
        };
        let (minimum, maximum) = (bound("minimum_balance")?, bound("maximum_balance")?);
        let below = minimum.filter(|minimum| held.minor < minimum.minor);
        let above = maximum.filter(|maximum| held.minor > maximum.minor);
        let breach =
            below.map(|bound| ("less", bound)).or_else(|| above.map(|bound| ("more", bound)));
        let message = match breach {
            Some((than, bound)) => format!(
                "{wallet} holds {} {}, {than} than {}.",
                held.text(),
                held.asset.asset,
                bound.text()
            ),
            None => format!("{wallet} holds {} {}, as it should.", held.text(), held.asset.asset),
        };
        let mut output = self.holding(wallet, held);
        output.insert("action".to_owned(), json!(capability::MONITOR_ACTION));
        output.insert("breach_detected".to_owned(), json!(breach.is_some()));
        output.insert("message".to_owned(), json!(message));
        Ok(OutputEnvelope::success(input, message).with_output(Value::Object(output)))
    }

    pub(super) async fn onchain_action(&self, input: &InputEnvelope) -> Done {
        let (from, to) = (address(input, "wallet_address")?, address(input, "to_address")?);
        let asset = match &input.input["asset"] {
            Value::Null => Asset::ETH,
            Value::String(code) => Asset::of(code)
                .ok_or_else(|| invalid(format!("the asset {code:?} is not known")))?,
            _ => return Err(invalid("asset is a code, such as \"ETH\"")),
        };
        let text = input.input["amount"].as_str();
        let text = text.ok_or_else(|| invalid("amount is decimal text, such as \"12.5\""))?;
        let amount = amount(text, asset)?;
        if amount.minor == 0 {
            return Err(invalid("the amount is nothing"));
        }
        let key = input.metadata.idempotency_key.clone();
        let key = key.ok_or_else(|| invalid("what a repeat is known by is missing"))?;
        self.may_send(input)?;
        let transfer = Transfer { from: from.to_owned(), to: to.to_owned(), amount, key };
        let receipt = self.wallets.send(&transfer).await?;
        let output = json!({
            "action": capability::ONCHAIN_ACTION,
            "wallet_address": from,
            "to_address": to,
            "amount": amount.text(),
            "amount_minor": amount.minor,
            "asset": asset.asset,
            "scale": asset.scale,
            "tx_hash": receipt.tx_hash,
            "status": receipt.status,
            "provider": self.wallets.name(),
            "simulated": self.wallets.is_simulated(),
        });
        let how = if self.wallets.is_simulated() { "Simulated: nothing was sent. " } else { "" };
        let result = format!("{how}{} {} from {from} to {to}.", amount.text(), asset.asset);
        Ok(OutputEnvelope::success(input, result).with_output(output))
    }

    /// Asks the policy about the very amount, whatever the steps before asked: it is the last word
    /// before what can't be taken back. That a person agreed is the plan's to see to.
    fn may_send(&self, input: &InputEnvelope) -> Result<(), Failed> {
        let question = Question {
            tenant: input.context.tenant_id.clone(),
            workflow: input.task_id.clone(),
            action: Action::RunAction,
            resource: TRANSACTION.to_owned(),
            context: facts(&input.input),
        };
        match self.permission.decide(&question) {
            Ok(permit) if permit.allowed => Ok(()),
            Ok(permit) => {
                let error = format!("the transfer is not allowed: {}", permit.reason_code);
                Err(Failed { code: codes::CONTENT_POLICY_VIOLATION, error })
            }
            Err(PermitUnavailable(why)) => {
                let error = format!("policy can not say whether it may be sent: {why}");
                Err(Failed { code: codes::DEPENDENCY_FAILED, error })
            }
        }
    }

    pub(super) fn policy_check(&self, input: &InputEnvelope) -> Done {
        let action = input.input["action_type"].as_str();
        let action = action.ok_or_else(|| invalid("action_type is missing"))?;
        let question = Question {
            tenant: input.context.tenant_id.clone(),
            workflow: input.task_id.clone(),
            action: Action::RunAction,
            resource: action.to_owned(),
            context: facts(&input.input),
        };
        let (status, permit) = match self.permission.decide(&question) {
            Ok(permit) if !permit.allowed => {
                let error = format!("{action} is not allowed: {}", permit.reason_code);
                return Err(Failed { code: codes::CONTENT_POLICY_VIOLATION, error });
            }
            Ok(permit) if permit.requires_approval => ("approval_required", Some(permit)),
            Ok(permit) => ("verified", Some(permit)),
            Err(PermitUnavailable(_)) => ("approval_required", None),
        };
        let reason = permit.as_ref().map_or("policy_unavailable", |permit| &permit.reason_code);
        let output = json!({
            "policy_id": input.input["policy_id"],
            "action_type": action,
            "status": status,
            "allowed": true,
            "requires_approval": status == "approval_required",
            "reason_code": reason,
            "record": permit.as_ref().map(|permit| permit.record.clone()),
        });
        let result = format!("{action}: {status}.");
        Ok(OutputEnvelope::success(input, result).with_output(output))
    }

    /// What every output about a wallet says.
    fn holding(&self, wallet: &str, held: Amount) -> Map<String, Value> {
        let members = [
            ("wallet_address", json!(wallet)),
            ("balance", json!(held.text())),
            ("balance_minor", json!(held.minor)),
            ("currency", json!(held.asset.asset)),
            ("asset", json!(held.asset.asset)),
            ("scale", json!(held.asset.scale)),
            ("provider", json!(self.wallets.name())),
            ("simulated", json!(self.wallets.is_simulated())),
        ];
        members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    }
}

/// Also for a step that nobody knows: it is recorded as one that came here for want of a better.
pub(super) fn generic_action(input: &InputEnvelope) -> OutputEnvelope {
    let known = input.capability == capability::GENERIC_ACTION;
    let said = input.input["step_type"].as_str().filter(|_| known);
    let step_type = said.unwrap_or(&input.capability);
    let output = json!({
        "step_type": step_type,
        "parameters": input.input,
        "handled_as": capability::GENERIC_ACTION,
    });
    OutputEnvelope::success(input, format!("Noted the step {step_type:?}; nothing was done."))
        .with_output(output)
}

fn address<'a>(input: &'a InputEnvelope, name: &str) -> Result<&'a str, Failed> {
    let text = input.input[name].as_str().ok_or_else(|| invalid(format!("{name} is missing")))?;
    let digits = text.strip_prefix("0x").unwrap_or_default();
    let is_address = !digits.is_empty()
        && text.len() <= ADDRESS_BYTES_MAX
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_address { Ok(text) } else { Err(invalid(format!("{name} is 0x and hex digits"))) }
}

fn amount(text: &str, asset: Asset) -> Result<Amount, Failed> {
    Amount::parse(text, asset).map_err(|error| invalid(error.to_string()))
}

/// What a policy can look at of the action: what stands beside its type, or under `parameters`. An
/// amount in decimal text is there in minor units as well, since a policy compares whole numbers.
fn facts(input: &Value) -> BTreeMap<String, Fact> {
    let beside = input.as_object().into_iter().flatten();
    let beside = beside.filter(|(name, _)| !["action_type", "policy_id"].contains(&name.as_str()));
    let below = input["parameters"].as_object().into_iter().flatten();
    let members = beside.chain(below).filter_map(|(name, value)| Some((name, fact(value)?)));
    let mut facts: BTreeMap<_, _> = members.map(|(name, fact)| (name.clone(), fact)).collect();
    if let Some(Fact::Text(text)) = facts.get("amount") {
        let asset = match facts.get("asset") {
            Some(Fact::Text(code)) => Asset::of(code),
            Some(_) => None,
            None => Some(Asset::ETH),
        };
        let amount = asset.and_then(|asset| Amount::parse(text, asset).ok());
        // All three: an amount is compared with a ceiling only where it is known of what it is.
        facts.extend(amount.into_iter().flat_map(|Amount { minor, asset }| {
            [
                ("amount_minor".to_owned(), Fact::Number(minor)),
                ("asset".to_owned(), Fact::Text(asset.asset.to_owned())),
                ("scale".to_owned(), Fact::Number(asset.scale.into())),
            ]
        }));
    }
    facts
}

fn fact(value: &Value) -> Option<Fact> {
    match value {
        Value::String(text) => Some(Fact::Text(text.clone())),
        Value::Bool(flag) => Some(Fact::Flag(*flag)),
        Value::Number(number) => number.as_i64().map(Fact::Number),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
