//! The steps that any plan may have.

use std::sync::Arc;

use coppice_core::Json;
use coppice_plugin_sdk::{InputEnvelope, Plugin};
use coppice_plugins::builtin::Builtin;
use coppice_plugins::builtin::wallet::{SAMPLE_WALLET, SimulatedWallets};
use coppice_plugins::{Fact, Permission, Permit, PermitUnavailable, Question, Unasked};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Ended, Setting, World, asking};

async fn world() -> World {
    with(Arc::new(Unasked)).await
}

async fn with(permission: Arc<dyn Permission>) -> World {
    let builtin = Builtin::new(Arc::new(SimulatedWallets::default()), permission);
    let inside = vec![Arc::new(builtin) as Arc<dyn Plugin>];
    World::start(Setting { inside, ..Setting::default() }).await
}

async fn step(world: &World, capability: &str, input: Value, key: Uuid) -> Result<Value, Ended> {
    let mut request = asking("builtin");
    request["capability"] = json!(capability);
    request["input"] = input;
    Ok(world.call_as(&request, key).await?.output)
}

async fn done(world: &World, capability: &str, input: Value) -> Value {
    step(world, capability, input, Uuid::now_v7()).await.unwrap()
}

async fn code(world: &World, capability: &str, input: Value) -> String {
    step(world, capability, input, Uuid::now_v7()).await.unwrap_err().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balance_is_whole_minor_units_and_says_that_it_is_simulated() {
    let world = world().await;
    let output = done(&world, "check_balance", json!({ "wallet_address": SAMPLE_WALLET })).await;
    let expected = json!({
        "wallet_address": SAMPLE_WALLET,
        "balance": "1000",
        "balance_minor": 1_000_000_000_000_i64,
        "currency": "ETH",
        "asset": "ETH",
        "scale": 9,
        "provider": "simulated",
        "simulated": true,
        "timestamp": "2026-01-01T00:00:00.000000Z"
    });
    assert_eq!(output, expected);
    for bad in [json!({}), json!({ "wallet_address": "x" }), json!({ "wallet_address": "0x1" })] {
        assert_eq!(code(&world, "check_balance", bad).await, "plugin_input_invalid");
    }
    let (phase, failures) = world.breaker("builtin@1.0.0").await;
    assert_eq!((phase.as_str(), failures), ("closed", 0), "one tenant's mistakes are its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_is_detected_where_there_is_one() {
    let world = world().await;
    for (bounds, breach) in [
        (json!({}), false),
        (json!({ "minimum_balance": "1000" }), false),
        (json!({ "minimum_balance": "1000.000000001" }), true),
        (json!({ "maximum_balance": "1000.0" }), false),
        (json!({ "maximum_balance": "999.999999999" }), true),
        (json!({ "minimum_balance": "1", "maximum_balance": "2000" }), false),
    ] {
        let mut input = bounds.clone();
        input["wallet_address"] = json!(SAMPLE_WALLET);
        let output = done(&world, "monitor_action", input).await;
        assert_eq!(output["breach_detected"], breach, "{bounds}");
        assert!(output["message"].as_str().unwrap().contains("1000 ETH"), "{output}");
        assert_eq!(output["simulated"], true);
    }
    for bound in [json!(1000), json!("1e3"), json!("-1"), json!("0.0000000001")] {
        let input = json!({ "wallet_address": SAMPLE_WALLET, "minimum_balance": bound });
        assert_eq!(code(&world, "monitor_action", input).await, "plugin_input_invalid");
    }
}

fn transfer(amount: &Value) -> Value {
    json!({ "wallet_address": SAMPLE_WALLET, "to_address": "0xfeed", "amount": amount })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_repeated_is_the_same_transfer() {
    let (world, key) = (world().await, Uuid::now_v7());
    let first = step(&world, "onchain_action", transfer(&json!("12.5")), key).await.unwrap();
    assert_eq!((&first["status"], &first["simulated"]), (&json!("simulated"), &json!(true)));
    assert_eq!(
        (&first["amount"], &first["amount_minor"]),
        (&json!("12.5"), &json!(12_500_000_000_i64))
    );
    let hash = first["tx_hash"].as_str().unwrap();
    assert!(hash.len() == 66 && hash.starts_with("0x"), "{hash}");
    let again = step(&world, "onchain_action", transfer(&json!("12.5")), key).await.unwrap();
    assert_eq!(again, first);
    let other = done(&world, "onchain_action", transfer(&json!("12.5"))).await;
    assert_ne!(other["tx_hash"], first["tx_hash"]);
    for amount in [json!(12.5), json!(12), json!("0"), json!("-1"), json!("1000.1"), json!(null)] {
        let refused = code(&world, "onchain_action", transfer(&amount)).await;
        assert_eq!(refused, "plugin_input_invalid", "{amount}");
    }
    let mut unknown = transfer(&json!("1"));
    unknown["asset"] = json!("DOGE");
    assert_eq!(code(&world, "onchain_action", unknown).await, "plugin_input_invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_step_goes_to_the_generic_one_and_is_recorded_as_such() {
    let world = world().await;
    let output = done(&world, "water_the_plants", json!({ "litres": 2 })).await;
    let expected = json!({
        "step_type": "water_the_plants",
        "parameters": { "litres": 2 },
        "handled_as": "generic_action"
    });
    assert_eq!(output, expected);
    let output = done(&world, "generic_action", json!({ "step_type": "knock" })).await;
    assert_eq!(output["step_type"], "knock");
    let output = done(&world, "generic_action", json!(null)).await;
    assert_eq!(output["step_type"], "generic_action");
}

/// Denies one action, wants approval of another, and knows nothing of a third.
#[derive(Debug)]
struct Three;

impl Permission for Three {
    fn decide(&self, question: &Question) -> Result<Permit, PermitUnavailable> {
        if question.resource == "monitor_wallet" {
            return Err(PermitUnavailable("no bundle".to_owned()));
        }
        let reason_code = format!("about_{}", question.resource);
        Ok(Permit {
            allowed: question.resource != "burn_money",
            requires_approval: question.resource == "transfer_funds",
            reason_code,
            record: json!({ "context": question.context }).into(),
        })
    }
}

/// Allows up to one ETH, and has no answer about more than two or anything else.
#[derive(Debug)]
struct UpToOne;

impl Permission for UpToOne {
    fn decide(&self, question: &Question) -> Result<Permit, PermitUnavailable> {
        let known = |name: &str| question.context.get(name).cloned();
        match (known("amount_minor"), known("asset"), known("scale")) {
            (Some(Fact::Number(minor)), Some(Fact::Text(asset)), Some(Fact::Number(9)))
                if question.resource == "transaction"
                    && asset == "ETH"
                    && minor <= 2_000_000_000 =>
            {
                let allowed = minor <= 1_000_000_000;
                let reason_code = "over_ceiling".to_owned();
                Ok(Permit { allowed, requires_approval: true, reason_code, record: Json::empty() })
            }
            _ => Err(PermitUnavailable("it is of no known asset".to_owned())),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_that_the_policy_does_not_allow_by_its_amount() {
    let world = with(Arc::new(UpToOne)).await;
    let transfer = |amount: &str| {
        json!({
            "wallet_address": "0x1234567890abcdef", "to_address": "0xabc", "amount": amount
        })
    };
    let sent = done(&world, "onchain_action", transfer("1")).await;
    assert_eq!(sent["amount_minor"], 1_000_000_000);
    let over = code(&world, "onchain_action", transfer("1.000000001")).await;
    assert_eq!(over, "content_policy_violation");
    let unanswered = code(&world, "onchain_action", transfer("3")).await;
    assert_eq!(unanswered, "plugin_transient", "nobody takes no answer for a yes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_check_asks_the_policy_about_the_action() {
    let world = with(Arc::new(Three)).await;
    let asked = |action: &str| {
        json!({
            "action_type": action,
            "policy_id": "p-1",
            "amount": "12.5",
            "parameters": { "to": "0x1", "nested": {} }
        })
    };
    let verified = done(&world, "policy_check", asked("read")).await;
    assert_eq!((&verified["status"], &verified["policy_id"]), (&json!("verified"), &json!("p-1")));
    let context = json!({
        "amount": "12.5", "amount_minor": 12_500_000_000_i64, "asset": "ETH", "scale": 9, "to": "0x1"
    });
    assert_eq!(verified["record"]["context"], context);
    let approval = done(&world, "policy_check", asked("transfer_funds")).await;
    assert_eq!(approval["status"], "approval_required");
    assert_eq!(approval["requires_approval"], true);
    let unknown = done(&world, "policy_check", asked("monitor_wallet")).await;
    assert_eq!(
        (&unknown["status"], &unknown["reason_code"]),
        (&json!("approval_required"), &json!("policy_unavailable"))
    );
    assert_eq!(code(&world, "policy_check", asked("burn_money")).await, "content_policy_violation");
    assert_eq!(code(&world, "policy_check", json!({})).await, "plugin_input_invalid");
}

#[test]
fn what_is_computed_is_what_the_step_says_and_no_wallet_is_asked() {
    let builtin = Builtin::new(Arc::new(SimulatedWallets::default()), Arc::new(Unasked) as Arc<_>);
    let mut asked = Vec::new();
    for capability in builtin.manifest().capabilities.iter().map(String::as_str).chain(["other"]) {
        let input: InputEnvelope = serde_json::from_value(json!({
            "task_id": "workflow-1",
            "task_description": "Do it.",
            "envelope_version": "1.0",
            "capability": capability,
            "input": { "wallet_address": SAMPLE_WALLET, "action_type": "read", "amount": "1" },
            "context": { "tenant_id": "default" },
            "metadata": {
                "source_channel": "api",
                "priority": "P2",
                "source_plugin": null,
                "correlation_id": "c",
                "timestamp": "2026-01-01T00:00:00.000000Z",
                "idempotency_key": "k"
            }
        }))
        .unwrap();
        let computed = builtin.computes(capability).then(|| builtin.compute(&input)).flatten();
        if computed.is_none() {
            asked.push(capability.to_owned());
            assert_eq!(builtin.compute(&input), None, "{capability}");
            continue;
        }
        let said = futures_util::FutureExt::now_or_never(builtin.execute(input)).unwrap();
        assert_eq!(computed, Some(said), "{capability}");
    }
    assert_eq!(asked, ["check_balance", "monitor_action", "onchain_action"]);
}
