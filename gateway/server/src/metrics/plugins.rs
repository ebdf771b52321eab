//! What is counted of plugins.

use coppice_domain::plugin::breaker::PhaseName;
use coppice_plugin_sdk::Health;
use coppice_plugins::Plugins;

use super::expose::Samples;
use super::gather::{counter, gauge};
use super::table as t;

pub(super) fn gather(samples: &mut Samples, plugins: &Plugins) {
    counter(samples, t::PLUGIN_LATE, &[], plugins.late_answers());
    for known in plugins.catalog().all() {
        let manifest = known.offer.manifest();
        let labels = [manifest.name.as_str(), manifest.version.as_str()];
        let counts = known.offer.counts();
        for (outcome, count) in [
            ("succeeded", counts.succeeded),
            ("failed", counts.failed),
            ("timed_out", counts.timed_out),
            ("refused", counts.refused),
        ] {
            counter(samples, t::PLUGIN_CALLS, &[labels[0], labels[1], outcome], count);
        }
        let open = u32::try_from(counts.open).unwrap_or(u32::MAX);
        gauge(samples, t::PLUGIN_OPEN, &labels, open);
        let health = match known.health.report.map(|report| report.status) {
            Some(Health::Healthy) => 0_u32,
            Some(Health::Degraded) => 1,
            Some(Health::Unhealthy) | None => 2,
        };
        gauge(samples, t::PLUGIN_HEALTH, &labels, health);
        // One that was never asked has never opened on this node, as far as it knows.
        if let Some(standing) = plugins.breakers().standing(&manifest.plugin_id()) {
            let state = match standing.phase {
                PhaseName::Closed => 0_u32,
                PhaseName::HalfOpen => 1,
                PhaseName::Open => 2,
            };
            gauge(samples, t::BREAKER_STATE, &labels, state);
            counter(samples, t::BREAKER_OPENED, &labels, standing.opened);
        }
    }
}
