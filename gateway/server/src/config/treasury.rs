//! The settings of money.

use std::collections::BTreeMap;
use std::time::Duration;

use coppice_domain::treasury::{Amount, Asset};
use coppice_treasury::{AssetLimits, TreasuryOptions};
use serde::Deserialize;

use super::ConfigError;

/// Limits of money.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreasuryConfig {
    /// How long an authorization may take before it is denied.
    pub authorize_timeout_ms: u64,
    /// What a tenant may spend on one UTC day, of each asset with scale 2.
    pub global_daily_cap_cents: u64,
    /// The length of a velocity's window.
    pub velocity_window_s: u32,
    /// What may be approved within it, of each asset with scale 2.
    pub velocity_max_cents: u64,
    /// The longest time that an intent may have.
    pub intent_ttl_s_max: u32,
    /// Assets that have limits of their own, such as `ETH/18`.
    pub assets: BTreeMap<String, TreasuryAsset>,
}

/// Limits of one asset, as exact decimals of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreasuryAsset {
    /// What a tenant may spend on one UTC day.
    pub daily_cap: String,
    /// What may be approved within the window.
    pub velocity_max: String,
}

impl TreasuryConfig {
    /// As the treasury takes them.
    ///
    /// # Errors
    /// [`ConfigError`] for an asset or an amount that is none.
    pub fn options(&self) -> Result<TreasuryOptions, ConfigError> {
        let mut assets = BTreeMap::new();
        for (name, limits) in &self.assets {
            let wrong = |problem: String| ConfigError::OutOfRange {
                key: "treasury.assets",
                problem: format!("has {name:?}: {problem}"),
            };
            let asset = Asset::new(name).map_err(|error| wrong(error.to_string()))?;
            let amount = |text: &str| match asset.parse_decimal(text) {
                Ok(amount) if (Amount::ZERO..=Amount::MOVED_MAX).contains(&amount) => Ok(amount),
                Ok(amount) => Err(wrong(format!("{amount} is no ceiling"))),
                Err(error) => Err(wrong(error.to_string())),
            };
            let own = AssetLimits {
                daily_cap: amount(&limits.daily_cap)?,
                velocity_max: amount(&limits.velocity_max)?,
            };
            assets.insert(asset, own);
        }
        Ok(TreasuryOptions {
            authorize_timeout: Duration::from_millis(self.authorize_timeout_ms),
            daily_cap: Amount::of(self.global_daily_cap_cents),
            velocity_window_s: self.velocity_window_s,
            velocity_max: Amount::of(self.velocity_max_cents),
            intent_ttl_s_max: self.intent_ttl_s_max,
            assets,
        })
    }
}
