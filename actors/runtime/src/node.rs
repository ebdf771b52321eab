//! A node's runtime: the writer, the regions and the tasks around them, started and stopped in
//! order.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coppice_core::Entity;
use coppice_core::sensitive::Vault;
use coppice_persistence::{Snapshot, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::clock::Clock;
use crate::lease::Lease;
use crate::options::RuntimeOptions;
use crate::projection::Projection;
use crate::region::Region;
use crate::registry::{KindPort, Registry};
use crate::slot::Services;
use crate::subscription::Subscription;
use crate::task;
use crate::work::Work;
use crate::work::effects::{EffectHandler, EffectPool};
use crate::work::entity_commands::{ENTITY, EntityCommands};
use crate::work::office::DeadLetterOffice;
use crate::work::pool::Pools;
use crate::work::quarantine::Quarantine;
use crate::work::retry::RetryPolicy;
use crate::work::timers::Timers;
use crate::writer::{Writer, WriterHandle};

/// How often old command records are dropped. A minute of them is a small share of a day's.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Command records dropped in one statement, so that a sweep never holds the writer for long.
const SWEEP_BATCH: usize = 2_000;

type MakeRegion = Box<dyn FnOnce(&Arc<Services>) -> Arc<dyn KindPort>>;

/// What a node is made of.
pub struct NodeBuilder {
    store: Arc<dyn Store>,
    lease: Arc<dyn Lease>,
    clock: Arc<dyn Clock>,
    vault: Option<Arc<dyn Vault>>,
    options: RuntimeOptions,
    kinds: Vec<MakeRegion>,
    projections: Vec<Arc<dyn Projection>>,
    effects: Vec<EffectPool>,
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
        Self { store, lease, clock, vault: None, options, kinds, projections, effects }
    }

    /// Carries out the effects of a handler's name. Commands between entities need none: the
    /// handler `entity` is always there.
    #[must_use]
    pub fn effects(mut self, pool: EffectPool) -> Self {
        self.effects.push(pool);
        self
    }

    /// Keys of personal data.
    #[must_use]
    pub fn vault(mut self, vault: Arc<dyn Vault>) -> Self {
        self.vault = Some(vault);
        self
    }

    /// Serves an entity kind.
    #[must_use]
    pub fn kind<K: Entity>(mut self) -> Self {
        self.kinds.push(Box::new(|services| Arc::new(Region::<K>::new(Arc::clone(services)))));
        self
    }

    /// Keeps a read model up to date.
    #[must_use]
    pub fn projection(mut self, projection: Arc<dyn Projection>) -> Self {
        self.projections.push(projection);
        self
    }

    /// Starts the writer and the tasks around it, and opens the regions. Needs a tokio runtime.
    #[must_use]
    pub fn start(mut self) -> Node {
        let (snapshots, snapshots_taken) = mpsc::channel(self.options.snapshots_waiting_max);
        let (writer, handle) =
            Writer::new(Arc::clone(&self.store), self.options.clone(), snapshots);
        let commands = Arc::new(EntityCommands::new(self.options.delivery_patience));
        let entity = Arc::clone(&commands) as Arc<dyn EffectHandler>;
        self.effects.push(EffectPool {
            retry: RetryPolicy::DELIVERY,
            concurrency: self.options.pool_open_max,
            timeout: self.options.delivery_patience * 2,
            ..EffectPool::new(ENTITY, entity)
        });
        let quarantine = Quarantine::new(Arc::clone(&self.clock));
        let pools = Pools::new(self.effects, self.options.pool_queue_max, quarantine.clone());
        let services = Arc::new(Services {
            store: Arc::clone(&self.store),
            writer: handle.clone(),
            lease: self.lease,
            clock: Arc::clone(&self.clock),
            vault: self.vault,
            pools,
            timers: Timers::default(),
            quarantine,
            options: self.options,
            closing: AtomicBool::new(false),
        });
        let registry = Registry::new(self.kinds.into_iter().map(|make| make(&services)));
        commands.connect(registry.clone());
        let (stopping, stop) = watch::channel(false);
        let work = Work::start(&services, &registry, &stop);
        let mut tasks = vec![
            task::spawn(save_snapshots(Arc::clone(&self.store), snapshots_taken)),
            task::spawn(sweep_commands(Arc::clone(&services), stop.clone())),
        ];
        for projection in self.projections {
            let subscription = Subscription::new(
                Arc::clone(&self.store),
                Arc::clone(&self.clock),
                handle.commits(),
                projection,
                &services.options,
            );
            tasks.push(task::spawn(subscription.run(stop.clone())));
        }
        Node { registry, services, stopping, writer: task::spawn(writer.run()), tasks, work }
    }
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    registry: Registry,
    services: Arc<Services>,
    stopping: watch::Sender<bool>,
    writer: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
    work: Work,
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
        DeadLetterOffice { store, courier: self.work.courier.clone() }
    }

    /// The writer's counters and state.
    #[must_use]
    pub fn writer(&self) -> WriterHandle {
        self.services.writer.clone()
    }

    /// Stops in order: nothing new is taken in, the writer commits what has been decided and the
    /// tasks end. Where the store gives no answer within `grace`, what is open is left as it is;
    /// its callers were told nothing.
    pub async fn shutdown(mut self, grace: Duration) {
        // Calls under way may still bring their outcomes home.
        self.work.stop(grace).await;
        self.services.closing.store(true, Ordering::Relaxed);
        self.services.writer.stop();
        let mut writer = self.writer;
        if tokio::time::timeout(grace, &mut writer).await.is_err() {
            warn!("writer did not finish in time, its open tickets are left");
            writer.abort();
        }
        self.registry.stop();
        self.stopping.send_replace(true);
        drop(self.services);
        for mut task in self.tasks.into_iter().chain(self.work.clerks()) {
            if tokio::time::timeout(grace, &mut task).await.is_err() {
                task.abort();
            }
        }
    }

    /// Ends at once, in the middle of whatever is going on, as a crash would: for tests.
    pub fn abort(self) {
        self.services.closing.store(true, Ordering::Relaxed);
        self.writer.abort();
        self.tasks.iter().for_each(JoinHandle::abort);
        self.work.abort();
        self.registry.stop();
    }
}

/// Snapshots saved in one go.
const SNAPSHOTS_PER_SAVE: usize = 64;

async fn save_snapshots(store: Arc<dyn Store>, mut taken: mpsc::Receiver<Snapshot>) {
    let mut batch = Vec::new();
    while taken.recv_many(&mut batch, SNAPSHOTS_PER_SAVE).await > 0 {
        if let Err(error) = store.save_snapshots(&batch).await {
            warn!(%error, "snapshots can't be saved");
        }
        batch.clear();
    }
}

async fn sweep_commands(services: Arc<Services>, mut stopping: watch::Receiver<bool>) {
    let retention = services.options.command_retention.as_micros();
    let retention = i64::try_from(retention).unwrap_or(i64::MAX);
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        let before = services.clock.now().saturating_add_micros(-retention);
        loop {
            match services.store.drop_commands(before, SWEEP_BATCH).await {
                Ok(dropped) if dropped == SWEEP_BATCH as u64 => {}
                Ok(_) => break,
                Err(error) => {
                    warn!(%error, "old command records can't be dropped");
                    break;
                }
            }
        }
    }
}
