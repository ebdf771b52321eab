//! Registering versions, taking them out, and hearing how they are.
//!
//! **Invariant:** an entity is told first and the catalog follows, so what is offered was recorded,
//! and what was refused is not offered.

use std::sync::Arc;

use coppice_core::{CommandId, CorrelationId, Entity};
use coppice_domain::plugin::PluginVersion;
use coppice_domain::plugin::version::Lifecycle;
use coppice_plugin_sdk::{HealthReport, Manifest, manifest};
use coppice_runtime::Failure;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::catalog::{Offer, Seat, VERSIONS_MAX, VersionReport};
use crate::entities::Told;
use crate::http::Endpoint;
use crate::service::{Plugins, checked, recorded, view_of};

/// A plugin that makes itself known.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// Its manifest, as it came.
    pub manifest: Value,
    /// Where it is called.
    pub url: String,
}

/// Whoever registers, as what, and how long they wait.
#[derive(Debug, Clone)]
pub struct Word {
    /// Who says so.
    pub by: String,
    /// The command's id; a repeat has the same.
    pub command_id: CommandId,
    /// Whether the caller knows the id.
    pub keyed: bool,
    /// The conversation it belongs to.
    pub correlation: CorrelationId,
    /// After this it is not decided any more.
    pub deadline: Instant,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// `name@version`.
    pub plugin_id: String,
}

/// Why a version was not registered.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// The manifest or the address is not accepted.
    #[error("{0}")]
    Refused(String),
    /// The name is one of the node's own.
    #[error("the plugin {0} is a part of the node")]
    InProcess(String),
    /// There are as many versions as there may be.
    #[error("there are {VERSIONS_MAX} versions of plugins already")]
    Full,
    /// Its entity did not take it.
    #[error("the registration was not recorded")]
    Entity(#[source] Failure),
}

/// Why a version was not taken out.
#[derive(Debug, Error)]
pub enum DeregisterError {
    /// Nobody knows it.
    #[error("there is no plugin {0}")]
    Unknown(String),
    /// It is a part of the node.
    #[error("{0} is a part of the node")]
    InProcess(String),
    /// Its entity did not take it.
    #[error("the deregistration was not recorded")]
    Entity(#[source] Failure),
}

/// Why a report was not taken in.
#[derive(Debug, Error)]
pub enum HealthError {
    /// Nobody knows the version.
    #[error("there is no plugin {0}")]
    Unknown(String),
    /// Its entity did not take it.
    #[error("the report was not recorded")]
    Entity(#[source] Failure),
}

impl Plugins {
    /// Registers a version that is called over HTTP, or hears that it has moved.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub async fn register(
        &self,
        registration: Registration,
        word: Word,
    ) -> Result<Registered, RegisterError> {
        let refused = |problem: String| {
            warn!(by = word.by, problem, "a plugin's registration was refused");
            RegisterError::Refused(problem)
        };
        let parts = &self.0;
        let Registration { manifest, url } = registration;
        let read = serde_json::from_value::<Manifest>(manifest.clone());
        let read = read.map_err(|error| refused(format!("the manifest: {error}")))?;
        let (contract, version) = checked(read, &parts.options).map_err(refused)?;
        let endpoint = Endpoint::new(&url).map_err(refused)?;
        let plugin_id = contract.manifest().plugin_id();
        let name = &contract.manifest().name;
        if parts.catalog.versions(name).iter().any(|known| known.offer.is_in_process()) {
            return Err(RegisterError::InProcess(name.clone()));
        }
        let before = parts.catalog.get(name, &version);
        if before.is_none() && parts.catalog.len() >= VERSIONS_MAX {
            return Err(RegisterError::Full);
        }
        let body = json!({ "manifest": manifest, "place": { "http": url }, "by": word.by });
        let told = word.told(&plugin_id, "register");
        let answer = parts.entities.tell(told, &body).await.map_err(RegisterError::Entity)?;
        let view = view_of(&answer.reply).map_err(RegisterError::Entity)?;
        let stays = before
            .filter(|before| matches!(&before.seat, Seat::Outside(known) if *known == endpoint));
        if stays.is_none() && view.lifecycle != Lifecycle::Inactive {
            let offer = Offer::new(Arc::new(contract), version, Seat::Outside(endpoint));
            offer.recall(view.lifecycle, recorded(&view));
            parts.catalog.put(Arc::new(offer));
            info!(plugin = plugin_id, by = word.by, "a plugin was registered");
        }
        // It is offered once it was found well, so it is asked at once.
        self.ask_at_once(&plugin_id);
        Ok(Registered { plugin_id })
    }

    /// Takes a version out of service: no call is given to it any more, and those under way may end,
    /// for as long as one may take.
    ///
    /// # Errors
    /// [`DeregisterError`].
    pub async fn deregister(
        &self,
        name: &str,
        version: &str,
        word: Word,
    ) -> Result<(), DeregisterError> {
        let parts = &self.0;
        let plugin_id = format!("{name}@{version}");
        let parsed = manifest::version(version).filter(|_| manifest::is_name(name));
        let Some(parsed) = parsed else { return Err(DeregisterError::Unknown(plugin_id)) };
        let offer = parts.catalog.get(name, &parsed);
        if offer.as_ref().is_some_and(|offer| offer.is_in_process()) {
            return Err(DeregisterError::InProcess(plugin_id));
        }
        if offer.is_none() {
            let view = parts.entities.view(PluginVersion::KIND, &plugin_id, word.deadline).await;
            if view.map_err(DeregisterError::Entity)?.sequence.0 == 0 {
                return Err(DeregisterError::Unknown(plugin_id));
            }
        }
        let told = word.told(&plugin_id, "deregister");
        let body = json!({ "by": word.by });
        parts.entities.tell(told, &body).await.map_err(DeregisterError::Entity)?;
        parts.catalog.take(name, &parsed);
        let mut left = 0;
        if let Some(offer) = offer {
            let patience = offer.timeout().min(parts.options.call_timeout);
            left = offer.land((Instant::now() + patience).min(word.deadline)).await;
        }
        parts.breakers.forget(&plugin_id);
        if let Err(failure) = self.drained(&plugin_id, left).await {
            // The next start finds it out of service and says so again.
            warn!(plugin = plugin_id, %failure, "that a plugin has no calls left was not recorded");
        }
        info!(plugin = plugin_id, by = word.by, left, "a plugin was taken out of service");
        Ok(())
    }

    /// Hears a version say how it is.
    ///
    /// # Errors
    /// [`HealthError`].
    pub async fn report_health(
        &self,
        name: &str,
        version: &str,
        report: HealthReport,
    ) -> Result<VersionReport, HealthError> {
        let parsed = manifest::version(version);
        let offer = parsed.and_then(|version| self.0.catalog.get(name, &version));
        let unknown = || HealthError::Unknown(format!("{name}@{version}"));
        let offer = offer.ok_or_else(unknown)?;
        self.note(&offer, report).await.map_err(HealthError::Entity)?;
        let health = offer.health();
        Ok(VersionReport { offer, health })
    }

    /// Tells a version's entity and its breaker what it says of itself.
    pub(crate) async fn note(&self, offer: &Offer, report: HealthReport) -> Result<(), Failure> {
        let parts = &self.0;
        let was_active = offer.health().lifecycle == Lifecycle::Active;
        let unhealthy = report.status == coppice_plugin_sdk::Health::Unhealthy;
        if offer.is_recorded() {
            let patience = parts.options.patience;
            let told = Told::once(PluginVersion::KIND, &offer.id, "report_health", patience);
            let answer = parts.entities.tell(told, &report).await?;
            let view = view_of(&answer.reply)?;
            offer.learn(view.lifecycle, recorded(&view), parts.clock.now());
        } else {
            offer.learn_unrecorded(report, parts.clock.now());
        }
        // One that never was in service has no calls that a breaker could hold back.
        if was_active { parts.breakers.note_health(&offer.id, unhealthy).await } else { Ok(()) }
    }
}

impl Word {
    fn told<'a>(&self, id: &'a str, command: &'static str) -> Told<'a> {
        Told {
            kind: PluginVersion::KIND,
            id,
            command,
            command_id: self.command_id,
            keyed: self.keyed,
            correlation: self.correlation,
            deadline: self.deadline,
        }
    }
}
