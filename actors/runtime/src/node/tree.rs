//! The children of a node's root, in start order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coppice_persistence::{Snapshot, Store};
use coppice_supervisors::{ChildSpec, Shutdown, StopSignal, Strategy, SupervisorSpec};
use tokio::sync::{Mutex, mpsc};
use tracing::warn;

use super::{Never, unfailing};
use crate::projection::AnyProjection;
use crate::registry::{KindPort, Registry};
use crate::services::Services;
use crate::subscription::Subscription;
use crate::work::{BACKOFF, Work};
use crate::writer::{Writer, WriterHandle};

/// Crashes of the node's own parts within [`PERIOD`] that it puts up with. One is chance, a second
/// its echo; a node whose parts fall more often serves nobody and had better be started anew.
const RESTARTS: u32 = 3;
const PERIOD: Duration = Duration::from_secs(60);

/// How often old command records are dropped. A minute of them is a small share of a day's.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Command records dropped in one statement, so that a sweep never holds the writer for long.
const SWEEP_BATCH: usize = 2_000;

/// Snapshots saved in one go.
const SNAPSHOTS_PER_SAVE: usize = 64;

/// How often a region looks after its entities.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// How often the switches are asked for until they can be read.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How often a region that drains looks whether it has.
const DRAIN_EVERY: Duration = Duration::from_millis(2);

pub(super) fn root() -> SupervisorSpec {
    SupervisorSpec::new("node", Strategy::RestForOne).intensity(RESTARTS, PERIOD)
}

pub(crate) fn group(name: &'static str) -> SupervisorSpec {
    SupervisorSpec::new(name, Strategy::OneForOne).intensity(RESTARTS, PERIOD)
}

pub(super) fn children(
    root: SupervisorSpec,
    services: &Arc<Services>,
    registry: &Registry,
    projections: &[AnyProjection],
    work: &Work,
    taken: mpsc::Receiver<Snapshot>,
    grace: Duration,
) -> SupervisorSpec {
    let subscriptions = group("subscriptions").child(feed(services));
    let subscriptions = projections
        .iter()
        .fold(subscriptions, |all, projection| all.child(subscription(services, projection)));
    let system = work.clerks().into_iter().fold(
        group("system").child(saver(services, taken)).child(sweeper(services)),
        SupervisorSpec::child,
    );
    let regions = registry.ports().fold(group("regions"), |all, port| {
        all.child(keeper(services, port).shutdown(Shutdown::Timeout(grace)))
    });
    root.child(writer(services).shutdown(Shutdown::Timeout(grace)))
        .child(ChildSpec::supervisor(subscriptions))
        .child(ChildSpec::supervisor(system))
        .child(ChildSpec::supervisor(regions))
        .child(ChildSpec::supervisor(work.effects()))
        .child(ChildSpec::supervisor(work.schedulers()))
}

fn writer(services: &Arc<Services>) -> ChildSpec {
    let services = Arc::clone(services);
    let task = ChildSpec::service("writer", move |context| {
        let services = Arc::clone(&services);
        async move {
            // Nothing of what stands on the writer reads while a commit may still come.
            services.writer.vacant().await;
            let again = context.incarnation > 1;
            if again {
                services.gate.doubt();
            }
            let store = Arc::clone(&services.store);
            let options = services.options.clone();
            let writer = Writer::new(&services.writer, store, options, services.snapshots.clone());
            let looking = async move {
                while again && services.gate.read(services.lease.as_ref()).await.is_err() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            let stop = context.stop.clone();
            Ok::<_, Never>(unfailing(async move {
                let reading = async {
                    tokio::select! {
                        biased;
                        () = stop.raised() => {}
                        () = looking => {}
                    }
                };
                tokio::join!(writer.run(context.stop), reading);
            }))
        }
    });
    // However long the store takes.
    task.start_timeout(None).backoff(BACKOFF)
}

fn feed(services: &Arc<Services>) -> ChildSpec {
    let services = Arc::clone(services);
    let task = ChildSpec::task("feed", move |context| {
        let (feed, commits) = (services.feed.clone(), services.writer.commits());
        unfailing(feed.run(commits, context.stop))
    });
    task.backoff(BACKOFF)
}

fn subscription(services: &Arc<Services>, projection: &AnyProjection) -> ChildSpec {
    let (services, projection) = (Arc::clone(services), projection.clone());
    let task = ChildSpec::task(projection.name(), move |context| {
        let subscription = Subscription::new(
            Arc::clone(&services.store),
            Arc::clone(&services.clock),
            services.writer.commits(),
            projection.clone(),
            &services.options,
        );
        let horizon = services.horizons.of(projection.name()).unwrap_or_default();
        unfailing(subscription.seen_from(horizon).run(context.stop))
    });
    task.backoff(BACKOFF)
}

fn saver(services: &Arc<Services>, taken: mpsc::Receiver<Snapshot>) -> ChildSpec {
    let (store, taken) = (Arc::clone(&services.store), Arc::new(Mutex::new(taken)));
    let task = ChildSpec::task("snapshots", move |context| {
        let (store, taken) = (Arc::clone(&store), Arc::clone(&taken));
        async move {
            let mut taken = taken.lock().await;
            save_snapshots(store.as_ref(), &mut taken, context.stop).await;
            Ok::<_, Never>(())
        }
    });
    task.backoff(BACKOFF)
}

async fn save_snapshots(
    store: &dyn Store,
    taken: &mut mpsc::Receiver<Snapshot>,
    stopping: StopSignal,
) {
    let mut batch = Vec::new();
    loop {
        let received = tokio::select! {
            biased;
            received = taken.recv_many(&mut batch, SNAPSHOTS_PER_SAVE) => received,
            () = stopping.raised() => 0,
        };
        if received == 0 {
            return;
        }
        if let Err(error) = store.save_snapshots(&batch).await {
            warn!(%error, "snapshots can't be saved");
        }
        batch.clear();
    }
}

fn sweeper(services: &Arc<Services>) -> ChildSpec {
    let services = Arc::clone(services);
    let task = ChildSpec::task("old-records", move |context| {
        let services = Arc::clone(&services);
        unfailing(async move { sweep_commands(&services, context.stop).await })
    });
    task.backoff(BACKOFF)
}

async fn sweep_commands(services: &Services, stopping: StopSignal) {
    let retention = services.options.command_retention.as_micros();
    let retention = i64::try_from(retention).unwrap_or(i64::MAX);
    loop {
        tokio::select! {
            biased;
            () = stopping.raised() => return,
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

fn keeper(services: &Arc<Services>, port: &Arc<dyn KindPort>) -> ChildSpec {
    let (services, port) = (Arc::clone(services), Arc::clone(port));
    let task = ChildSpec::task(port.kind(), move |context| {
        let (services, port) = (Arc::clone(&services), Arc::clone(&port));
        unfailing(async move { keep(&services, port.as_ref(), context.stop).await })
    });
    task.backoff(BACKOFF)
}

/// Looks after the entities of a kind; at the end, lets them decide what waits.
async fn keep(services: &Services, port: &dyn KindPort, stopping: StopSignal) {
    services.closing.store(false, Ordering::Relaxed);
    port.reopen();
    while !stopping.is_raised() {
        port.keep();
        tokio::select! {
            biased;
            () = stopping.raised() => {}
            () = tokio::time::sleep(KEEP_EVERY) => {}
        }
    }
    services.closing.store(true, Ordering::Relaxed);
    // Without a writer nothing that waits is going to end.
    while services.writer.is_running() && !is_drained(&services.writer, port) {
        tokio::time::sleep(DRAIN_EVERY).await;
    }
}

/// Whether nothing is left to be decided or committed. Work goes from the entities to the writer,
/// and back where a ticket falls: only if the writer was handed nothing between two looks at it was
/// there nothing in its hands when the entities were looked at.
fn is_drained(writer: &WriterHandle, port: &dyn KindPort) -> bool {
    let before = writer.settled();
    before.is_some() && port.is_idle() && writer.settled() == before
}
