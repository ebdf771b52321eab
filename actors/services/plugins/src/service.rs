//! Plugins as a part of a node: what it is made of, and how it comes up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use coppice_core::{Entity, EntityKind};
use coppice_domain::plugin::PluginVersion;
use coppice_domain::plugin::version::{Health as Noted, Lifecycle, Place, View};
use coppice_persistence::{Store, StoreError};
use coppice_plugin_sdk::contract::Contract;
use coppice_plugin_sdk::{Health, HealthReport, Manifest, Plugin, manifest};
use coppice_runtime::{Clock, Door, Failure};
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tracing::{error, info, warn};

use crate::breakers::Breakers;
use crate::calls::Calls;
use crate::catalog::{Catalog, Offer, Seat, VERSIONS_MAX};
use crate::entities::{Entities, Told, operators};
use crate::host::PluginHost;
use crate::http::{Endpoint, HttpCaller};
use crate::options::PluginOptions;
use crate::permission::Permission;

/// Entities that are listed at once.
const PAGE: usize = 200;

/// Who registers the node's own plugins.
pub(crate) const NODE: &str = "node";

/// What plugins are made of.
#[derive(Debug)]
pub struct Parts {
    /// The door of the node, which is yet to start.
    pub door: Door,
    /// The circuit breakers.
    pub breakers: Arc<dyn Breakers>,
    /// Whoever says what may be called.
    pub permission: Arc<dyn Permission>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The limits.
    pub options: PluginOptions,
    /// The plugins that are a part of the node.
    pub in_process: Vec<Arc<dyn Plugin>>,
}

pub(crate) struct Inner {
    pub(crate) entities: Entities,
    pub(crate) breakers: Arc<dyn Breakers>,
    pub(crate) permission: Arc<dyn Permission>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: PluginOptions,
    pub(crate) catalog: Catalog,
    pub(crate) calls: Calls,
    pub(crate) http: HttpCaller,
    /// Rung when a version is to be asked at once how it is.
    pub(crate) bell: Notify,
    /// Whether what is registered was taken in: before that nobody can say that there is none.
    pub(crate) loaded: watch::Sender<bool>,
}

/// The plugins of a node. Clones are the same.
#[derive(Clone)]
pub struct Plugins(pub(crate) Arc<Inner>);

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugins").field("catalog", &self.0.catalog).finish_non_exhaustive()
    }
}

/// Why plugins did not come up.
#[derive(Debug, Error)]
pub enum LoadError {
    /// One of the node's own can't be offered.
    #[error("the plugin {plugin} of this build can not be offered: {problem}")]
    Own {
        /// Which.
        plugin: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Calls can't be made.
    #[error("plugins can not be called: {0}")]
    Http(String),
    /// What is registered can't be listed.
    #[error("the plugins that are registered can not be listed")]
    Store(#[source] StoreError),
    /// What is registered can't be read.
    #[error("the plugin {plugin} can not be read")]
    Entity {
        /// Which.
        plugin: String,
        /// Why not.
        #[source]
        source: Failure,
    },
}

impl Plugins {
    /// With the node's own, which are offered once they have said that they are well.
    ///
    /// # Errors
    /// [`LoadError::Own`] and [`LoadError::Http`].
    pub fn new(parts: Parts) -> Result<Self, LoadError> {
        let catalog = Catalog::default();
        for plugin in parts.in_process {
            let id = plugin.manifest().plugin_id();
            let offer = own(plugin, &parts.options);
            let offer = offer.map_err(|problem| LoadError::Own { plugin: id, problem })?;
            catalog.put(Arc::new(offer));
        }
        Ok(Self(Arc::new(Inner {
            entities: Entities(parts.door),
            breakers: parts.breakers,
            permission: parts.permission,
            clock: parts.clock,
            options: parts.options,
            catalog,
            calls: Calls::default(),
            http: HttpCaller::new().map_err(LoadError::Http)?,
            bell: Notify::new(),
            loaded: watch::Sender::new(false),
        })))
    }

    /// The effect handler.
    #[must_use]
    pub fn host(&self) -> PluginHost {
        PluginHost(self.clone())
    }

    /// The versions in service.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// The circuit breakers.
    #[must_use]
    pub fn breakers(&self) -> &Arc<dyn Breakers> {
        &self.0.breakers
    }

    /// Answers that came when nobody waited for them any more.
    #[must_use]
    pub fn late_answers(&self) -> u64 {
        self.0.calls.late()
    }

    /// Takes in what is registered, once there is a node, and asks every version how it is.
    ///
    /// # Errors
    /// [`LoadError::Store`] and [`LoadError::Entity`].
    pub async fn load(&self, store: &dyn Store) -> Result<(), LoadError> {
        let kind = plugin_kind();
        let mut after = String::new();
        loop {
            let page = store.entities_of(&operators(), &kind, &after, PAGE).await;
            let page = page.map_err(LoadError::Store)?;
            let Some(last) = page.last() else { break };
            last.key.id().as_str().clone_into(&mut after);
            for row in &page {
                let id = row.key.id().as_str();
                match self.recall(id).await {
                    Err(failure @ (Failure::Damaged { .. } | Failure::EntityQuarantined)) => {
                        error!(plugin = id, %failure, "a plugin's entity is not to be trusted");
                    }
                    taken => taken.map_err(|source| {
                        let plugin = id.to_owned();
                        LoadError::Entity { plugin, source }
                    })?,
                }
            }
        }
        self.round(true).await;
        for known in self.0.catalog.all() {
            if let Err(failure) = self.0.breakers.look(&known.offer.id).await {
                warn!(plugin = known.offer.id, %failure, "a circuit breaker can not be read");
            }
        }
        self.0.loaded.send_replace(true);
        info!(versions = self.0.catalog.len(), "plugins were taken in");
        Ok(())
    }

    /// Takes a registered version in as its entity has it.
    async fn recall(&self, id: &str) -> Result<(), Failure> {
        let parts = &self.0;
        let deadline = Instant::now() + parts.options.patience;
        let view = parts.entities.view(PluginVersion::KIND, id, deadline).await?;
        let Ok(view) = serde_json::from_str::<View>(&view.state) else {
            error!(plugin = id, "a plugin's entity does not read, so it is not offered");
            return Ok(());
        };
        match (view.lifecycle, &view.place) {
            // Its calls ended with the process that made them.
            (Lifecycle::Inactive, _) if view.draining => {
                Self::catch_up(self.drained(id, 0).await, id);
                Ok(())
            }
            (Lifecycle::Registered | Lifecycle::Active, Some(Place::Http(url))) => {
                match stored(&view, url) {
                    Ok(offer) if parts.catalog.len() < VERSIONS_MAX => {
                        parts.catalog.put(Arc::new(offer));
                    }
                    Ok(_) => error!(plugin = id, "there are too many plugins to offer this one"),
                    Err(problem) => {
                        error!(plugin = id, problem, "a registered plugin can not be offered");
                    }
                }
                Ok(())
            }
            (Lifecycle::Registered | Lifecycle::Active, Some(Place::InProcess)) => {
                if self.is_own(id) {
                    return Ok(());
                }
                info!(plugin = id, "a plugin of an earlier build is gone");
                let body = serde_json::json!({ "by": NODE });
                Self::catch_up(self.told(id, "deregister", &body).await, id);
                Self::catch_up(self.drained(id, 0).await, id);
                Ok(())
            }
            (
                Lifecycle::Unknown
                | Lifecycle::Inactive
                | Lifecycle::Registered
                | Lifecycle::Active,
                _,
            ) => Ok(()),
        }
    }

    /// A record that is behind holds no start up, for a system may be frozen: the next one tries
    /// again.
    fn catch_up(told: Result<(), Failure>, id: &str) {
        if let Err(failure) = told {
            warn!(plugin = id, %failure, "that a plugin has left was not recorded");
        }
    }

    /// What shows a version that a request with this body is the node's, where it has a key.
    pub(crate) fn signature(&self, offer: &Offer, body: &[u8]) -> Option<String> {
        let seconds = self.0.clock.now().as_micros() / 1_000_000;
        self.0.options.secrets.signature(&offer.manifest().name, seconds, body)
    }

    fn is_own(&self, id: &str) -> bool {
        self.0.catalog.all().iter().any(|known| known.offer.id == id)
    }

    pub(crate) async fn drained(&self, id: &str, left: u64) -> Result<(), Failure> {
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        self.told(id, "drained", &serde_json::json!({ "left": left })).await
    }

    /// Tells a version's entity something that nobody repeats.
    pub(crate) async fn told(
        &self,
        id: &str,
        command: &'static str,
        body: &serde_json::Value,
    ) -> Result<(), Failure> {
        let patience = self.0.options.patience;
        let told = Told::once(PluginVersion::KIND, id, command, patience);
        self.0.entities.tell(told, body).await.map(drop)
    }

    /// Lets the node's own plugins put away what they hold. Nothing is called any more by then.
    pub async fn shutdown(&self) {
        for known in self.0.catalog.all() {
            let Seat::Inside(plugin) = &known.offer.seat else { continue };
            if timeout(self.0.options.health_timeout, plugin.shutdown()).await.is_err() {
                warn!(plugin = known.offer.id, "a plugin did not put its things away in time");
            }
        }
    }
}

fn plugin_kind() -> EntityKind {
    EntityKind::new(PluginVersion::KIND).expect("the kind has a name that is one")
}

/// A manifest as it may be registered.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn checked(
    manifest: Manifest,
    options: &PluginOptions,
) -> Result<(Contract, semver::Version), String> {
    let refused = manifest.required_scopes.iter().find(|scope| !options.allows(scope));
    if let Some(scope) = refused {
        return Err(format!("the scope {scope:?} is not given to plugins on this node"));
    }
    let names = &manifest.required_secret_names;
    if let Some(name) = names.iter().find(|name| !options.allows(&format!("secrets:{name}"))) {
        return Err(format!("the secret {name:?} is not given to plugins on this node"));
    }
    options.secrets.of(&manifest).map_err(|fault| fault.to_string())?;
    let contract = Contract::new(manifest).map_err(|error| error.to_string())?;
    let version = manifest::version(&contract.manifest().version);
    Ok((contract, version.ok_or("the version is none")?))
}

fn own(plugin: Arc<dyn Plugin>, options: &PluginOptions) -> Result<Offer, String> {
    let (contract, version) = checked(plugin.manifest().clone(), options)?;
    Ok(Offer::new(Arc::new(contract), version, Seat::Inside(plugin)))
}

/// A version as its entity has it. It was allowed its scopes when it was registered.
fn stored(view: &View, url: &str) -> Result<Offer, String> {
    let manifest: Manifest = view.manifest.read().map_err(|error| error.to_string())?;
    let contract = Contract::new(manifest).map_err(|error| error.to_string())?;
    let version = manifest::version(&contract.manifest().version).ok_or("the version is none")?;
    let offer = Offer::new(Arc::new(contract), version, Seat::Outside(Endpoint::new(url)?));
    offer.recall(view.lifecycle, recorded(view));
    Ok(offer)
}

/// The last report as a version's entity has it.
pub(crate) fn recorded(view: &View) -> Option<HealthReport> {
    let components = view.components.iter();
    let components: BTreeMap<_, _> =
        components.map(|(name, health)| (name.to_string(), of_record(*health))).collect();
    let message = view.message.as_deref().map(str::to_owned);
    view.health.map(|status| HealthReport { status: of_record(status), components, message })
}

const fn of_record(health: Noted) -> Health {
    match health {
        Noted::Healthy => Health::Healthy,
        Noted::Degraded => Health::Degraded,
        Noted::Unhealthy => Health::Unhealthy,
    }
}

/// What an entity's answer says of a version.
pub(crate) fn view_of(reply: &str) -> Result<View, Failure> {
    serde_json::from_str(reply).map_err(|error| Failure::InvalidBody(error.to_string()))
}
