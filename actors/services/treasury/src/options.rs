//! The treasury's limits, with their defaults and reasons.

use std::collections::BTreeMap;
use std::time::Duration;

use coppice_domain::treasury::plan::Limits;
use coppice_domain::treasury::{Amount, Asset};

/// Limits of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssetLimits {
    /// What a tenant may spend on one UTC day.
    pub daily_cap: Amount,
    /// What may be approved within the window for one workflow, merchant and category.
    pub velocity_max: Amount,
}

/// The treasury's limits.
#[derive(Debug, Clone)]
pub struct TreasuryOptions {
    /// How long an authorization may take before it is denied. Default 500 ms.
    pub authorize_timeout: Duration,
    /// What a tenant may spend on one UTC day, for every asset with scale 2. Default 1,000,000:
    /// ten thousand dollars.
    pub daily_cap: Amount,
    /// The length of a velocity's window. Default an hour.
    pub velocity_window_s: u32,
    /// What may be approved within the window for one workflow, merchant and category, for every
    /// asset with scale 2. Default 250,000: a quarter of a day's cap in an hour.
    pub velocity_max: Amount,
    /// The longest time that an intent may have, in seconds. Default a week: longer than an approval
    /// takes, and as long as card networks hold.
    pub intent_ttl_s_max: u32,
    /// Assets that have limits of their own. One with another scale than 2 that stands not here has
    /// room for nothing.
    pub assets: BTreeMap<Asset, AssetLimits>,
}

impl Default for TreasuryOptions {
    fn default() -> Self {
        Self {
            authorize_timeout: Duration::from_millis(500),
            daily_cap: Amount::of(1_000_000),
            velocity_window_s: 3_600,
            velocity_max: Amount::of(250_000),
            intent_ttl_s_max: 604_800,
            assets: BTreeMap::new(),
        }
    }
}

impl TreasuryOptions {
    /// The limits in force for an asset. A number of cents says nothing of wei: without limits of
    /// its own an asset with another scale has room for nothing.
    #[must_use]
    pub fn limits(&self, asset: &Asset) -> Limits {
        let nothing = AssetLimits { daily_cap: Amount::ZERO, velocity_max: Amount::ZERO };
        let general = AssetLimits { daily_cap: self.daily_cap, velocity_max: self.velocity_max };
        let own = self.assets.get(asset).copied();
        let found = own.unwrap_or_else(|| if asset.scale() == 2 { general } else { nothing });
        Limits {
            daily_cap: found.daily_cap,
            velocity_max: found.velocity_max,
            velocity_window_s: self.velocity_window_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_of_another_scale_has_room_only_where_it_was_given_some() {
        let asset = |text: &str| Asset::new(text).unwrap();
        let own = AssetLimits { daily_cap: Amount::of(7), velocity_max: Amount::of(5) };
        let assets = BTreeMap::from([(asset("ETH/18"), own)]);
        let options = TreasuryOptions { assets, ..TreasuryOptions::default() };
        let cap = |text: &str| options.limits(&asset(text)).daily_cap.units();
        assert_eq!((cap("USD/2"), cap("EUR/2")), (1_000_000, 1_000_000));
        assert_eq!((cap("ETH/18"), cap("USD/4"), cap("JPY/0")), (7, 0, 0));
    }
}
