//! A node: one supervision tree over the writer, the regions and the tasks around them.
//!
//! | Started | Child of the root | Restarted with it |
//! |---|---|---|
//! | 1 | what the composition root puts first (the lease's keeper) | everything after it |
//! | 2 | `writer` | everything after it |
//! | 3 | `subscriptions`, a task per projection | everything after it |
//! | 4 | `system`: snapshots, old records, counts of tries, dead letters | everything after it |
//! | 5 | `regions`, a keeper per kind; the entities are below it | everything after it |
//! | 6 | `effects`, a task per handler | everything after it |
//! | 7 | `schedulers`: timers and scans | what comes last |
//! | 8 | what the composition root puts last (the gateway) | itself |
//!
//! A stop goes the other way, and each part finishes what is under way: no request is taken in, no
//! effect started, the entities decide what waits and the writer commits it. The store has no child
//! here: its absence is a state that the writer and the others wait out, not an exit.

mod tree;

pub(crate) use self::tree::group;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coppice_core::control::control_key;
use coppice_core::sensitive::Vault;
use coppice_core::{Access, Entity};
use coppice_persistence::Store;
use coppice_supervisors::{ChildSpec, Outcome, StartError, SupervisorHandle, Tree, TreeOptions};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::warn;

use crate::answer::Failure;
use crate::clock::Clock;
use crate::control::Control;
use crate::door::Door;
use crate::erasure::{DESTROY, Destroyer, Eraser};
use crate::feed::Feed;
use crate::gate::Gate;
use crate::horizon::Horizons;
use crate::inspect::Inspector;
use crate::lease::Lease;
use crate::options::RuntimeOptions;
use crate::personal::{AtHand, Keys, NoKeys};
use crate::policy::{NoPolicyBundle, PolicyBundle};
use crate::projection::{AnyProjection, Projection};
use crate::region::Region;
use crate::registry::{KindPort, Registry};
use crate::services::Services;
use crate::trace::{NoSpans, Spans};
use crate::work::Work;
use crate::work::courier::Courier;
use crate::work::effects::EffectPool;
use crate::work::entity_commands::{ENTITY, EntityCommands};
use crate::work::office::DeadLetterOffice;
use crate::work::pool::Pools;
use crate::work::quarantine::Quarantine;
use crate::work::retry::RetryPolicy;
use crate::work::timers::Timers;
use crate::writer::WriterHandle;

/// What a task that can only crash returns.
pub(crate) type Never = std::convert::Infallible;

/// A task that only a panic ends before its time.
pub(crate) async fn unfailing(work: impl Future<Output = ()>) -> Result<(), Never> {
    work.await;
    Ok(())
}

const GRACE: Duration = Duration::from_secs(10);

type MakeRegion = Box<dyn FnOnce(&Arc<Services>) -> Arc<dyn KindPort>>;

/// What a node is made of.
pub struct NodeBuilder {
    store: Arc<dyn Store>,
    lease: Arc<dyn Lease>,
    clock: Arc<dyn Clock>,
    keys: Arc<dyn Keys>,
    spans: Arc<dyn Spans>,
    policy_bundle: Arc<dyn PolicyBundle>,
    options: RuntimeOptions,
    kinds: Vec<MakeRegion>,
    platform_kinds: BTreeSet<&'static str>,
    obeys: bool,
    projections: Vec<AnyProjection>,
    effects: Vec<EffectPool>,
    doors: Vec<Door>,
    first: Vec<ChildSpec>,
    last: Vec<ChildSpec>,
    grace: Duration,
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl NodeBuilder {
    /// A node on a store, with no kinds yet.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        lease: Arc<dyn Lease>,
        clock: Arc<dyn Clock>,
        options: RuntimeOptions,
    ) -> Self {
        let (kinds, projections, effects) = (Vec::new(), Vec::new(), Vec::new());
        let (first, last, grace) = (Vec::new(), Vec::new(), GRACE);
        Self {
            store,
            lease,
            clock,
            keys: Arc::new(NoKeys),
            spans: Arc::new(NoSpans),
            policy_bundle: Arc::new(NoPolicyBundle),
            options,
            kinds,
            platform_kinds: BTreeSet::new(),
            obeys: false,
            projections,
            effects,
            doors: Vec::new(),
            first,
            last,
            grace,
        }
    }

    /// A child of the node's root that starts before everything else and ends after it.
    #[must_use]
    pub fn first(mut self, child: ChildSpec) -> Self {
        self.first.push(child);
        self
    }

    /// A child of the node's root that starts after everything else and ends before it.
    #[must_use]
    pub fn last(mut self, child: ChildSpec) -> Self {
        self.last.push(child);
        self
    }

    /// How long each part of the node may take to finish what is under way when it stops. Default
    /// 10 s: longer than any commit, shorter than what supervises the process waits.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Carries out the effects of a handler's name. Commands between entities need none: the
    /// handler `entity` is always there.
    #[must_use]
    pub fn effects(mut self, pool: EffectPool) -> Self {
        self.effects.push(pool);
        self
    }

    /// Connects a door to this node's entities when it starts.
    #[must_use]
    pub fn door(mut self, door: &Door) -> Self {
        self.doors.push(door.clone());
        self
    }

    /// Keys of personal data. Without any, it is neither written nor read.
    #[must_use]
    pub fn keys(mut self, keys: Arc<dyn Keys>) -> Self {
        self.keys = keys;
        self
    }

    /// Who is told of spans of recorded traces. Without any, nobody is.
    #[must_use]
    pub fn spans(mut self, spans: Arc<dyn Spans>) -> Self {
        self.spans = spans;
        self
    }

    /// Which policy bundle events name as the one in force. Without any, they name none.
    #[must_use]
    pub fn policy_bundle(mut self, policy_bundle: Arc<dyn PolicyBundle>) -> Self {
        self.policy_bundle = policy_bundle;
        self
    }

    /// Keys of personal data that are all at hand, such as a test's.
    #[must_use]
    pub fn vault(self, vault: Arc<dyn Vault>) -> Self {
        self.keys(Arc::new(AtHand(vault)))
    }

    /// Serves an entity kind.
    #[must_use]
    pub fn kind<K: Entity>(mut self) -> Self {
        self.kinds.push(Box::new(|services| Arc::new(Region::<K>::new(Arc::clone(services)))));
        if K::ACCESS == Access::Platform {
            self.platform_kinds.insert(K::KIND);
        }
        self
    }

    /// Obeys the system's switches, whose kind must be among those that are served. Without it,
    /// nothing stops the node's entities.
    #[must_use]
    pub fn obeys_control(mut self) -> Self {
        self.obeys = true;
        self
    }

    /// Keeps a read model up to date.
    #[must_use]
    pub fn projection(mut self, projection: impl Projection) -> Self {
        self.projections.push(AnyProjection::new(projection));
        self
    }

    /// Starts the tree. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`NodeError`], where a part of the node doesn't come up or its switches can't be read;
    /// nothing runs then.
    pub async fn start(mut self) -> Result<Node, NodeError> {
        let handlers = OwnHandlers::new(&mut self.effects, &self.options);
        let quarantine = Quarantine::new(Arc::clone(&self.clock));
        let patience = self.options.delivery_patience;
        let gate = Arc::new(Gate::new(self.obeys.then(control_key), self.platform_kinds, patience));
        let (queue_max, seed) = (self.options.pool_queue_max, self.options.jitter_seed);
        let pools = Pools::new(self.effects, queue_max, quarantine.clone(), Arc::clone(&gate));
        let (snapshots, taken) = mpsc::channel(self.options.snapshots_waiting_max);
        let services = Arc::new(Services {
            horizons: Horizons::new(self.projections.iter().map(|projection| projection.name())),
            feed: Feed::new(Arc::clone(&self.store), &self.options),
            store: self.store,
            writer: WriterHandle::default(),
            lease: self.lease,
            clock: self.clock,
            keys: self.keys,
            spans: self.spans,
            policy_bundle: self.policy_bundle,
            gate,
            pools,
            timers: Timers::default(),
            snapshots,
            quarantine,
            options: self.options,
            closing: AtomicBool::new(false),
        });
        let registry = Registry::new(self.kinds.into_iter().map(|make| make(&services)));
        handlers.connect(&services, &registry);
        self.doors.iter().for_each(|door| door.connect(&registry));
        services.gate.connect(&registry);
        let work = Work::new(&services, &registry, self.grace);
        let mut root = tree::root();
        for child in self.first {
            root = root.child(child);
        }
        root =
            tree::children(root, &services, &registry, &self.projections, &work, taken, self.grace);
        for child in self.last {
            root = root.child(child);
        }
        let tree = Tree::start(root, TreeOptions::new(seed)).await.map_err(NodeError::Tree)?;
        let node = Node { registry, services, courier: work.courier, tree };
        // Nothing is decided or sent before this; here it is found out whether it can be.
        let read = node.services.gate.read(node.services.lease.as_ref()).await;
        match read {
            Ok(()) => Ok(node),
            Err(failure) => {
                node.shutdown(self.grace).await;
                Err(NodeError::Control(failure))
            }
        }
    }
}

/// The handlers that every node has.
struct OwnHandlers {
    commands: Arc<EntityCommands>,
    destroyer: Arc<Destroyer>,
}

impl OwnHandlers {
    fn new(pools: &mut Vec<EffectPool>, options: &RuntimeOptions) -> Self {
        let patience = options.delivery_patience;
        let commands = Arc::new(EntityCommands::new(patience));
        let destroyer = Arc::new(Destroyer::new(patience));
        let pool = |name, handler| EffectPool {
            retry: RetryPolicy::DELIVERY,
            timeout: patience * 2,
            ..EffectPool::new(name, handler)
        };
        let concurrency = options.pool_open_max;
        pools.push(EffectPool { concurrency, ..pool(ENTITY, commands.clone()) });
        pools.push(pool(DESTROY, destroyer.clone()));
        Self { commands, destroyer }
    }

    fn connect(&self, services: &Arc<Services>, registry: &Registry) {
        self.commands.connect(registry);
        self.destroyer.connect(services, registry);
    }
}

/// Why a node did not start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// A part of its tree did not come up.
    #[error("the node's tree did not come up")]
    Tree(#[source] StartError),
    /// It can't be read what is stopped, so nothing may be started.
    #[error("what is stopped can not be read")]
    Control(#[source] Failure),
}

/// A running node. Dropping it ends it at once.
#[derive(Debug)]
pub struct Node {
    registry: Registry,
    services: Arc<Services>,
    courier: Courier,
    tree: Tree,
}

impl Node {
    /// The door to every entity.
    #[must_use]
    pub fn registry(&self) -> Registry {
        self.registry.clone()
    }

    /// The dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetterOffice {
        let store = Arc::clone(&self.services.store);
        let gate = Arc::clone(&self.services.gate);
        let pools = self.services.pools.clone();
        DeadLetterOffice { store, courier: self.courier.clone(), gate, pools }
    }

    /// The hand on the switches that the node obeys.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(self.registry.clone(), self.services.options.delivery_patience)
    }

    /// What is stopped on this node.
    #[must_use]
    pub fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.services.gate)
    }

    /// What erases subjects.
    #[must_use]
    pub fn eraser(&self) -> Eraser {
        Eraser { services: Arc::clone(&self.services), registry: self.registry.clone() }
    }

    /// A look into the node.
    #[must_use]
    pub fn inspector(&self) -> Inspector {
        Inspector {
            services: Arc::clone(&self.services),
            registry: self.registry.clone(),
            supervisor: self.tree.supervisor(),
            office: self.dead_letters(),
        }
    }

    /// The journal as it grows.
    #[must_use]
    pub fn feed(&self) -> Feed {
        self.services.feed.clone()
    }

    /// How far the read models are.
    #[must_use]
    pub fn horizons(&self) -> Horizons {
        self.services.horizons.clone()
    }

    /// The writer's counters and state.
    #[must_use]
    pub fn writer(&self) -> WriterHandle {
        self.services.writer.clone()
    }

    /// The root of the node's tree.
    #[must_use]
    pub fn supervisor(&self) -> SupervisorHandle {
        self.tree.supervisor()
    }

    /// Waits until the tree has ended; by itself it does only where it gave up.
    pub async fn outcome(&self) -> Outcome {
        self.tree.outcome().await
    }

    /// Stops in order: nothing new is taken in, what waits is decided, the writer commits it and
    /// the tasks end. What isn't done within `grace` is left as it is; its callers were told
    /// nothing.
    pub async fn shutdown(self, grace: Duration) -> Outcome {
        self.tree.request_shutdown();
        if timeout(grace, self.tree.outcome()).await.is_err() {
            warn!("node did not stop in time, what is open is left");
            return Outcome::Killed;
        }
        self.tree.outcome().await
    }

    /// Ends at once, in the middle of whatever is going on, as a crash would: for tests.
    pub fn abort(self) {
        drop(self);
    }
}

/// Whichever way it ends, nothing of it stays in memory: the tree goes with its field, and this
/// ends what the tree doesn't hold. A cell may have its turn yet; it finds the writer closed.
impl Drop for Node {
    fn drop(&mut self) {
        self.services.closing.store(true, Ordering::Relaxed);
        self.registry.stop();
        self.services.writer.close();
    }
}
