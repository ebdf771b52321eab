//! `builtin`: the plugin that every node has, for the steps that any plan may have.
//!
//! | Capability | Does |
//! | --- | --- |
//! | `check_balance` | Says what a wallet holds |
//! | `policy_check` | Asks the policy whether an action may be run |
//! | `monitor_action` | Says whether a wallet holds less or more than it should |
//! | `onchain_action` | Sends from a wallet to an address |
//! | `generic_action` | Hands back what it was given, and whatever it is asked for that it doesn't know |
//!
//! **Invariants:** amounts are whole numbers of an asset's minor units; decimal text is converted
//! where it comes in and goes out, and a number with a fraction is never read. What is only simulated
//! says so in every output.

mod amount;
mod steps;
pub mod wallet;

use std::sync::Arc;

use coppice_plugin_sdk::manifest::ANY_CAPABILITY;
use coppice_plugin_sdk::{
    BoxFuture, HealthReport, InputEnvelope, Latency, Manifest, OutputEnvelope, Plugin,
};
use serde_json::json;

pub use self::amount::{Amount, AmountError, Asset};
use self::wallet::WalletProvider;
use crate::permission::Permission;

/// Its name.
pub const BUILTIN: &str = "builtin";

/// Its version. What it does is a part of the build: raised with every change of it.
const VERSION: &str = "1.0.0";

/// How long a step of it may take, in seconds: as long as a wallet's provider, which is elsewhere,
/// may think.
const TIMEOUT_SECONDS: u32 = 30;

/// The capabilities with meanings of their own.
pub(crate) mod capability {
    pub(crate) const CHECK_BALANCE: &str = "check_balance";
    pub(crate) const POLICY_CHECK: &str = "policy_check";
    pub(crate) const MONITOR_ACTION: &str = "monitor_action";
    pub(crate) const ONCHAIN_ACTION: &str = "onchain_action";
    pub(crate) const GENERIC_ACTION: &str = "generic_action";
}

/// Those that ask a wallet, which is elsewhere.
const ASKS_A_WALLET: [&str; 3] =
    [capability::CHECK_BALANCE, capability::MONITOR_ACTION, capability::ONCHAIN_ACTION];

/// The plugin.
#[derive(Debug)]
pub struct Builtin {
    manifest: Manifest,
    wallets: Arc<dyn WalletProvider>,
    permission: Arc<dyn Permission>,
}

impl Builtin {
    /// With wallets, and a policy to ask.
    #[must_use]
    pub fn new(wallets: Arc<dyn WalletProvider>, permission: Arc<dyn Permission>) -> Self {
        let manifest = Manifest::new(BUILTIN, VERSION)
            .description("The steps that any plan may have: balances, policy, actions.")
            .capability(capability::CHECK_BALANCE)
            .capability(capability::POLICY_CHECK)
            .capability(capability::MONITOR_ACTION)
            .capability(capability::ONCHAIN_ACTION)
            .capability(capability::GENERIC_ACTION)
            .capability(ANY_CAPABILITY)
            .category("platform")
            .input_schema(json!({ "type": ["object", "null"] }))
            .output_schema(json!({ "type": "object" }))
            .latency(Latency::Fast)
            .timeout_seconds(TIMEOUT_SECONDS);
        Self { manifest, wallets, permission }
    }
}

impl Plugin for Builtin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn health(&self) -> BoxFuture<'_, HealthReport> {
        let report = HealthReport::healthy();
        Box::pin(std::future::ready(report.component("wallets", self.wallets.health())))
    }

    fn execute(&self, input: InputEnvelope) -> BoxFuture<'_, OutputEnvelope> {
        Box::pin(async move {
            let done = match input.capability.as_str() {
                capability::CHECK_BALANCE => self.check_balance(&input).await,
                capability::POLICY_CHECK => self.policy_check(&input),
                capability::MONITOR_ACTION => self.monitor_action(&input).await,
                capability::ONCHAIN_ACTION => self.onchain_action(&input).await,
                _ => Ok(steps::generic_action(&input)),
            };
            done.unwrap_or_else(|failed| OutputEnvelope::failed(&input, failed.code, failed.error))
        })
    }

    /// What asks no wallet.
    fn computes(&self, capability: &str) -> bool {
        !ASKS_A_WALLET.contains(&capability)
    }

    fn compute(&self, input: &InputEnvelope) -> Option<OutputEnvelope> {
        match input.capability.as_str() {
            asks if ASKS_A_WALLET.contains(&asks) => None,
            capability::POLICY_CHECK => self.policy_check(input).ok(),
            _ => Some(steps::generic_action(input)),
        }
    }
}
