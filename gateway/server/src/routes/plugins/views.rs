//! What is shown of plugins.

use coppice_api::plugin::{
    BreakerPhase, BreakerView, PluginDetail, PluginLifecycle, PluginStatus, PluginSummary,
    VersionHealthView,
};
use coppice_core::Timestamp;
use coppice_domain::plugin::breaker::PhaseName;
use coppice_domain::plugin::version::Lifecycle;
use coppice_plugin_sdk::Health;
use coppice_plugins::{Standing, VersionReport};

/// What is out of service isn't shown; it leaves the catalog at once.
const fn lifecycle(of: Lifecycle) -> Option<PluginLifecycle> {
    match of {
        Lifecycle::Registered => Some(PluginLifecycle::Registered),
        Lifecycle::Active => Some(PluginLifecycle::Active),
        Lifecycle::Unknown | Lifecycle::Inactive => None,
    }
}

const fn status(of: Health) -> PluginStatus {
    match of {
        Health::Healthy => PluginStatus::Healthy,
        Health::Degraded => PluginStatus::Degraded,
        Health::Unhealthy => PluginStatus::Unhealthy,
    }
}

fn whole(of: &VersionReport) -> Option<PluginStatus> {
    of.health.report.as_ref().map(|report| status(report.status))
}

pub(super) fn summary(of: &VersionReport) -> Option<PluginSummary> {
    let manifest = of.offer.manifest();
    Some(PluginSummary {
        plugin_id: manifest.plugin_id(),
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        description: manifest.description.clone(),
        capabilities: manifest.capabilities.clone(),
        category: manifest.category.clone(),
        in_process: of.offer.is_in_process(),
        lifecycle: lifecycle(of.health.lifecycle)?,
        health: whole(of),
    })
}

pub(super) fn detail(of: &VersionReport) -> Option<PluginDetail> {
    let manifest = of.offer.manifest();
    Some(PluginDetail {
        plugin_id: manifest.plugin_id(),
        version: manifest.version.clone(),
        in_process: of.offer.is_in_process(),
        lifecycle: lifecycle(of.health.lifecycle)?,
        health: whole(of),
        // Text, numbers and JSON always serialize.
        manifest: serde_json::to_value(manifest).unwrap_or_default(),
    })
}

pub(super) fn health_view(
    of: &VersionReport,
    standing: Option<Standing>,
) -> Option<VersionHealthView> {
    let report = of.health.report.clone();
    let (status_of, components, message) = match report {
        Some(report) => (Some(report.status), report.components, report.message),
        None => (None, Default::default(), None),
    };
    let components = components.into_iter().map(|(name, health)| (name, status(health)));
    Some(VersionHealthView {
        version: of.offer.manifest().version.clone(),
        lifecycle: lifecycle(of.health.lifecycle)?,
        status: status_of.map(status),
        components: components.collect(),
        message,
        checked_at: of.health.checked_at.map(Timestamp::as_micros),
        breaker: standing.map(breaker),
    })
}

fn breaker(standing: Standing) -> BreakerView {
    BreakerView {
        phase: match standing.phase {
            PhaseName::Closed => BreakerPhase::Closed,
            PhaseName::HalfOpen => BreakerPhase::HalfOpen,
            PhaseName::Open => BreakerPhase::Open,
        },
        until: standing.until.map(Timestamp::as_micros),
        failures: standing.failures,
        opened: standing.opened,
    }
}
