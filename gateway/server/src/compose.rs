//! The composition root: settings to a running node.
//!
//! **Invariant:** the data directory's lock is held from before the store is opened until after it
//! is closed. It makes this process the only writer of the embedded store, and on PostgreSQL it
//! makes the node's id its own: a predecessor of the same id is certainly gone.

mod options;

use std::convert::Infallible;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use coppice_code_review::plugin::CodeReview;
use coppice_domain::example::alarm::BELL;
use coppice_domain::ingress::delivery::PLANNER;
use coppice_domain::treasury::transfer::TREASURY;
use coppice_egress::{Unset, Webhook};
use coppice_persistence::{ClaimOutcome, Directory, ShardClaim, SqlStore, Store, StoreError};
use coppice_plugins::builtin::Builtin;
use coppice_plugins::builtin::wallet::SimulatedWallets;
use coppice_plugins::fetch::Fetch;
use coppice_plugins::{
    LoadError, PLUGIN, Parts, Permission, PluginOptions, PluginSecrets, Plugins, RegistryBreakers,
};
use coppice_policy::{BundleError, Policy};
use coppice_runtime::lease::LeaseKeeper;
use coppice_runtime::supervisors::{ChildSpec, Outcome, RequestError};
use coppice_runtime::{
    Clock, Door, EffectHandler, EffectPool, Eraser, ExclusiveLease, Inspector, KeyRing, Lease,
    NodeBuilder, NodeError, PlatformKeys, Registry, RetryPolicy, Spans, SystemClock,
};
use coppice_treasury::{Treasury, TreasuryHandler};
use thiserror::Error;
use tracing::info;
use uuid::Uuid;

use crate::config::{Config, ConfigError, EffectsConfig, PluginsConfig, StoreConfig};
use crate::health::{self, Health, HealthOptions};
use crate::logging;
use crate::permissions::ByPolicy;
use crate::planning::{Planner, PlannerHandler, TemplateError, Templates};
use crate::policy::published::{self, PublishedError};
use crate::policy::{self, InForce};
use crate::registry;
use crate::routes::Switches;
use crate::state::{JournalAccess, PolicyAccess};

use options::{plugin_options, postgres_options, runtime_options, sqlite_options};

/// Everything behind the gateway.
pub struct Node {
    /// Every entity kind of this node.
    pub registry: Registry,
    /// Where the journal is.
    pub store: Arc<dyn Store>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    runtime: coppice_runtime::Node,
    treasury: Treasury,
    keys: Arc<KeyRing>,
    plugins: Plugins,
    policy: PolicyAccess,
    planner: Planner,
    opened: Opened,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum ComposeError {
    /// The data directory can't be used.
    #[error("the data directory {directory} can not be used")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// Another process works in the data directory.
    #[error("the data directory {0} is in use by another process")]
    InUse(PathBuf),
    /// There is nothing to verify.
    #[error("there is no store in the directory {0}")]
    NoStore(PathBuf),
    /// Another node works on the database.
    #[error("the database is in use by node {0}")]
    Leased(String),
    /// The store can't be opened.
    #[error("the store can not be opened")]
    Store(#[source] StoreError),
    /// The runtime did not start: a part of its tree, or it can't be read what is stopped.
    #[error("the runtime did not start")]
    Runtime(#[source] NodeError),
    /// The setting `effects.bell_url` is no address that can be called.
    #[error("effects.bell_url can not be called: {0}")]
    BellUrl(String),
    /// Nothing can be fetched.
    #[error("the plugin fetch did not come up: {0}")]
    Fetch(String),
    /// The plugins did not come up.
    #[error("the plugins did not come up")]
    Plugins(#[source] LoadError),
    /// The settings of money are none.
    #[error("the settings of money can not be used")]
    Treasury(#[source] ConfigError),
    /// Plans can't be made of what the settings name.
    #[error("the plan templates can not be used")]
    Plans(#[source] TemplateError),
    /// The policy bundle can't be put in force.
    #[error("the policy bundle can not be put in force")]
    Policy(#[source] BundleError),
    /// The bundle that was published last can't be put in force.
    #[error("the published policy bundle can not be put in force")]
    Published(#[source] PublishedError),
    /// The embedded store's shards belong to somebody else, though we hold its lock.
    #[error("the embedded store's shards are held by {0}")]
    Shards(String),
}

/// A store with the lock that guards it.
pub(crate) struct Opened {
    pub(crate) store: Arc<SqlStore>,
    node_id: String,
    _lock: File,
}

const LOCK_FILE: &str = "node.lock";

/// Opens the store that the settings name.
pub(crate) async fn open_store(config: &StoreConfig) -> Result<Opened, ComposeError> {
    let directory = config.data.as_path();
    let (lock, node_id) = lock(directory)?;
    let store = if config.database.expose().is_empty() {
        SqlStore::open_sqlite(directory, sqlite_options(config)).await
    } else {
        SqlStore::open_postgres(config.database.expose(), postgres_options(config)).await
    };
    let store = Arc::new(store.map_err(ComposeError::Store)?);
    Ok(Opened { store, node_id, _lock: lock })
}

/// Opens a store that is there and that nobody works on, to be looked at.
pub(crate) async fn open_idle(config: &StoreConfig) -> Result<Opened, ComposeError> {
    let embedded = config.database.expose().is_empty();
    if embedded && !config.data.join(SqlStore::JOURNAL_FILE).exists() {
        return Err(ComposeError::NoStore(config.data.clone()));
    }
    let opened = open_store(config).await?;
    let user = opened.store.in_use_by(&opened.node_id).await.map_err(ComposeError::Store)?;
    match user {
        Some(node) if !embedded => Err(ComposeError::Leased(node)),
        Some(_) | None => Ok(opened),
    }
}

/// Opens a store to look at it beside the node that works on it, if one does.
pub(crate) async fn open_to_look(config: &StoreConfig) -> Result<SqlStore, StoreError> {
    if config.database.expose().is_empty() {
        SqlStore::look_sqlite(&config.data).await
    } else {
        SqlStore::look_postgres(config.database.expose(), postgres_options(config)).await
    }
}

/// Locks the directory, and reads the node's id from the lock file or makes one up.
fn lock(directory: &Path) -> Result<(File, String), ComposeError> {
    let failed = |source| ComposeError::Directory { directory: directory.to_path_buf(), source };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(LOCK_FILE));
    let mut file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(ComposeError::InUse(directory.to_path_buf()));
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let mut id = String::new();
    file.read_to_string(&mut id).map_err(failed)?;
    if Uuid::parse_str(id.trim()).is_err() {
        id = Uuid::new_v4().to_string();
        file.set_len(0).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.write_all(id.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
    }
    Ok((file, id.trim().to_owned()))
}

/// Who carries out the effects of this node.
fn effects(config: &EffectsConfig) -> Result<EffectPool, ComposeError> {
    let handler: Arc<dyn EffectHandler> = if config.bell_url.is_empty() {
        Arc::new(Unset("effects.bell_url"))
    } else {
        Arc::new(Webhook::new(&config.bell_url).map_err(ComposeError::BellUrl)?)
    };
    let pool = EffectPool::new(BELL, handler);
    let timeout = Duration::from_millis(config.timeout_ms);
    Ok(EffectPool { concurrency: config.concurrency, timeout, ..pool })
}

/// The plugins that are a part of every node, and the way to the others.
fn plugins(
    (config, secrets): (&Config, PluginSecrets),
    door: &Door,
    clock: &Arc<dyn Clock>,
    permission: Arc<dyn Permission>,
) -> Result<Plugins, ComposeError> {
    let options = plugin_options(&config.plugins, config.runtime.delivery_patience_ms);
    let options = PluginOptions { secrets, ..options };
    let breakers = RegistryBreakers::new(door.clone(), Arc::clone(clock), options.clone());
    let hosts = config.plugins.fetch_hosts.iter().cloned();
    let fetch = Fetch::new(hosts, config.plugins.fetch_bytes_max);
    let fetch = fetch.map_err(|error| ComposeError::Fetch(error.to_string()))?;
    let builtin = Builtin::new(Arc::new(SimulatedWallets::default()), Arc::clone(&permission));
    let parts = Parts {
        door: door.clone(),
        breakers: Arc::new(breakers),
        permission,
        clock: Arc::clone(clock),
        options,
        in_process: vec![Arc::new(builtin), Arc::new(CodeReview::default()), Arc::new(fetch)],
    };
    Plugins::new(parts).map_err(ComposeError::Plugins)
}

/// Who calls them.
fn plugin_pool(plugins: &Plugins, config: &PluginsConfig) -> EffectPool {
    let host = plugins.host();
    let timeout = host.pool_timeout();
    let pool = EffectPool::new(PLUGIN, Arc::new(host));
    EffectPool { concurrency: config.concurrency, timeout, ..pool }
}

/// What moves money, and what carries out the effects that ask for it: tried again until they are
/// answered, for what a transfer owes must come about.
fn treasury(
    config: &Config,
    door: &Door,
    clock: &Arc<dyn Clock>,
    permission: Arc<dyn coppice_treasury::Permission>,
) -> Result<(Treasury, EffectPool), ComposeError> {
    let options = config.treasury.options().map_err(ComposeError::Treasury)?;
    let treasury = Treasury::new(door.clone(), options, permission, Arc::clone(clock));
    let timeout = Duration::from_millis(config.effects.timeout_ms);
    let handler = Arc::new(TreasuryHandler::new(treasury.clone(), timeout));
    let pool = EffectPool::new(TREASURY, handler);
    let (concurrency, retry) = (config.effects.concurrency, RetryPolicy::DELIVERY);
    Ok((treasury, EffectPool { concurrency, timeout, retry, ..pool }))
}

/// The keys of personal data, all wrapped under the platform's present key.
async fn keys(
    config: &Config,
    platform: Option<&PlatformKeys>,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<KeyRing>, StoreError> {
    let (store, clock) = (Arc::clone(store), Arc::clone(clock));
    let keys_max = config.runtime.subject_keys_max;
    let ring = KeyRing::open(store, clock, platform.cloned(), keys_max).await?;
    ring.rewrap().await?;
    Ok(Arc::new(ring))
}

/// The lease, and what keeps it where it has to be kept.
async fn lease(
    config: &Config,
    opened: &Opened,
) -> Result<(Arc<dyn Lease>, Option<ChildSpec>), ComposeError> {
    let store: Arc<dyn Store> = Arc::clone(&opened.store) as Arc<dyn Store>;
    let claim = ShardClaim {
        owner: opened.node_id.clone(),
        count: config.runtime.shards,
        duration: None,
        succeed_own: true,
    };
    if config.store.database.expose().is_empty() {
        // Whoever held the embedded store is gone, or we would not hold its lock: any lease in it
        // is a copied directory's.
        if let ClaimOutcome::Held { owner, .. } =
            store.claim(&claim).await.map_err(ComposeError::Store)?
        {
            info!(owner, "the store was another node's, taking it over");
            store.release(&owner).await.map_err(ComposeError::Store)?;
        }
        return match store.claim(&claim).await.map_err(ComposeError::Store)? {
            ClaimOutcome::Granted(epochs) => Ok((Arc::new(ExclusiveLease::new(epochs)), None)),
            ClaimOutcome::Held { owner, .. } => Err(ComposeError::Shards(owner)),
        };
    }
    let duration = Duration::from_millis(config.runtime.lease_ms);
    let (keeper, lease) =
        LeaseKeeper::claim(store, claim, duration).await.map_err(ComposeError::Store)?;
    let keeper = Arc::new(keeper);
    let task = ChildSpec::task("lease", move |context| {
        let keeper = Arc::clone(&keeper);
        async move {
            keeper.run(context.stop).await;
            Ok::<_, Infallible>(())
        }
    });
    Ok((lease, Some(task)))
}

impl Node {
    /// Opens the store and starts the runtime. On PostgreSQL it waits while another node's lease
    /// lasts.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub async fn start(
        config: &Config,
        platform: Option<&PlatformKeys>,
        secrets: PluginSecrets,
        spans: Arc<dyn Spans>,
    ) -> Result<Self, ComposeError> {
        let policy = policy::open(&config.policy).map_err(ComposeError::Policy)?;
        let opened = open_store(&config.store).await?;
        let (lease, keeper) = lease(config, &opened).await?;
        let store: Arc<dyn Store> = Arc::clone(&opened.store) as Arc<dyn Store>;
        if !policy.authority.is_reloading() {
            // Under the lease, so that nobody publishes meanwhile.
            let looked = published::look(&policy.authority, store.as_ref()).await;
            looked.map_err(ComposeError::Published)?;
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let keys = keys(config, platform, &store, &clock).await.map_err(ComposeError::Store)?;
        let builder = NodeBuilder::new(
            Arc::clone(&store),
            lease,
            Arc::clone(&clock),
            runtime_options(config),
        );
        let grace = Duration::from_millis(config.server.shutdown_grace_ms);
        let door = Door::new();
        let asked = Arc::new(ByPolicy(Arc::clone(&policy.authority) as Arc<dyn Policy>));
        let plugins = plugins((config, secrets), &door, &clock, asked.clone())?;
        let (treasury, payments) = treasury(config, &door, &clock, asked.clone())?;
        let templates = Templates::of(&config.plans).map_err(ComposeError::Plans)?;
        let planner = Planner::new(templates, asked);
        let patience = Duration::from_millis(config.runtime.delivery_patience_ms);
        let planning =
            PlannerHandler::new(planner.clone(), treasury.clone(), door.clone(), patience);
        let planning = EffectPool {
            retry: RetryPolicy::DELIVERY,
            timeout: patience * 2,
            ..EffectPool::new(PLANNER, Arc::new(planning))
        };
        let builder = builder
            .effects(effects(&config.effects)?)
            .effects(plugin_pool(&plugins, &config.plugins))
            .effects(payments)
            .effects(planning)
            .door(&door)
            .grace(grace)
            .keys(keys.clone())
            .spans(spans);
        let builder = builder.policy_bundle(Arc::new(InForce(Arc::clone(&policy.authority))));
        let builder = match keeper {
            Some(keeper) => builder.first(keeper),
            None => builder,
        };
        let runtime = registry::serve_all(builder).start().await.map_err(ComposeError::Runtime)?;
        plugins.load(store.as_ref()).await.map_err(ComposeError::Plugins)?;
        logging::name_node(&opened.node_id);
        let bundle = policy.authority.stamp();
        info!(node_id = opened.node_id, policy_bundle = &*bundle, "the node has started");
        let registry = runtime.registry();
        Ok(Self {
            registry,
            store,
            clock,
            runtime,
            treasury,
            plugins,
            policy,
            planner,
            keys,
            opened,
        })
    }

    /// A look into the node.
    #[must_use]
    pub fn inspector(&self) -> Inspector {
        self.runtime.inspector()
    }

    /// What the node depends on.
    #[must_use]
    pub fn health(&self, config: &Config) -> Health {
        let dependencies = health::of_node(health::Parts {
            inspector: self.inspector(),
            store: Arc::clone(&self.store),
            keys: Arc::clone(&self.keys),
            disk: (
                config.store.data.clone(),
                config.store.disk_free_min_bytes,
                config.store.database.expose().is_empty(),
            ),
            bell: health::receiver(&config.effects.bell_url),
            policy: Arc::clone(&self.policy.authority),
        });
        Health::new(HealthOptions::from(&config.health), dependencies, self.clock.now())
    }

    /// The system's switches.
    #[must_use]
    pub fn switches(&self) -> Switches {
        let tenants = Arc::clone(&self.opened.store) as Arc<dyn Directory>;
        Switches { control: self.runtime.control(), tenants }
    }

    /// The plugins.
    #[must_use]
    pub fn plugins(&self) -> Plugins {
        self.plugins.clone()
    }

    /// Makes plans of tasks.
    #[must_use]
    pub fn planner(&self) -> Planner {
        self.planner.clone()
    }

    /// What moves money.
    #[must_use]
    pub fn treasury(&self) -> Treasury {
        self.treasury.clone()
    }

    /// What decides by policy.
    #[must_use]
    pub fn policy(&self) -> PolicyAccess {
        self.policy.clone()
    }

    /// What erases subjects.
    #[must_use]
    pub fn eraser(&self) -> Eraser {
        self.runtime.eraser()
    }

    /// Puts a part into the node's tree, behind all that are there: of those the last to start and
    /// the first to stop. The gateway is the last.
    ///
    /// # Errors
    /// The tree's, where it doesn't come up.
    pub async fn open(&self, part: ChildSpec) -> Result<(), RequestError> {
        self.runtime.supervisor().start_child(part).await.map(drop)
    }

    /// The journal, for lists and streams.
    #[must_use]
    pub fn journal(&self) -> JournalAccess {
        let store = Arc::clone(&self.opened.store) as Arc<dyn Store>;
        JournalAccess { store, feed: self.runtime.feed(), read_models: self.runtime.horizons() }
    }

    /// Waits until the node's tree has ended, which by itself it does only where it gave up.
    pub async fn outcome(&self) -> Outcome {
        self.runtime.outcome().await
    }

    /// Stops in order: the tree, then the store and its lock.
    pub async fn stop(self) {
        // Every part of the tree has a time of its own.
        self.runtime.shutdown(Duration::MAX).await;
        self.plugins.shutdown().await;
        drop(self.store);
        self.opened.store.close().await;
    }
}
