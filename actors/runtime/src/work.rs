//! What entities owe and are owed: effects, their outcomes, and timers.
//!
//! Nothing here is remembered outside the entities: what is queued follows from committed state,
//! and whoever owns an entity after a crash queues it again.
//!
//! **Invariants:** an effect starts only after the commit of the events that added it; the lease is
//! looked at right before anything is sent; a message that the system delivers again is counted
//! durably before it meets the entity's own code, so that one which ends the whole process is
//! taken out of delivery; what is taken out stands among the dead letters and nowhere is dropped.

pub mod attempts;
pub mod courier;
pub mod effects;
pub mod entity_commands;
mod left;
pub mod message;
pub mod office;
pub mod pool;
pub mod quarantine;
pub mod retry;
pub mod scan;
pub mod timers;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use coppice_supervisors::{Backoff, ChildSpec, Shutdown, StopSignal, SupervisorSpec};
use tokio::sync::Notify;

use self::attempts::AttemptsHandle;
use self::courier::Courier;
use self::left::Left;
use self::pool::PoolRunner;
use self::retry::Jitter;
use self::scan::Scanner;
use crate::node::{group, unfailing};
use crate::registry::Registry;
use crate::services::Services;
use crate::writer::WriterHandle;

/// What a part of the node is restarted with after a crash: fast at first, for it is likely chance.
pub(crate) const BACKOFF: Backoff =
    Backoff::exponential(Duration::from_millis(50), Duration::from_secs(5));

/// How often work that is to stop looks whether it still has a writer.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What the tasks behind all this share.
pub(crate) struct Work {
    services: Arc<Services>,
    pub(crate) courier: Courier,
    jitter: Arc<Jitter>,
    rescan: Arc<Notify>,
    grace: Duration,
}

impl Work {
    pub(crate) fn new(services: &Arc<Services>, registry: &Registry, grace: Duration) -> Self {
        let options = &services.options;
        let jitter = Arc::new(Jitter::seeded(options.jitter_seed));
        let courier = Courier {
            registry: registry.clone(),
            attempts: AttemptsHandle::default(),
            quarantine: services.quarantine.clone(),
            jitter: Arc::clone(&jitter),
            left: Left::new(Arc::clone(&services.lease)),
            patience: options.delivery_patience,
            crashes_max: options.message_crashes_max,
        };
        let (services, rescan) = (Arc::clone(services), Arc::default());
        Self { services, courier, jitter, rescan, grace }
    }

    /// What the others count on until they have ended.
    pub(crate) fn clerks(&self) -> [ChildSpec; 2] {
        let attempts = {
            let (services, jitter) = (Arc::clone(&self.services), Arc::clone(&self.jitter));
            let attempts = self.courier.attempts.clone();
            ChildSpec::task("attempts", move |context| {
                let (store, clock) = (Arc::clone(&services.store), Arc::clone(&services.clock));
                let clerk = attempts.clone().run(store, clock, Arc::clone(&jitter), context.stop);
                unfailing(clerk)
            })
        };
        let (services, jitter) = (Arc::clone(&self.services), Arc::clone(&self.jitter));
        let letters = ChildSpec::task("dead-letters", move |context| {
            let quarantine = services.quarantine.clone();
            let store = Arc::clone(&services.store);
            let clerk = quarantine.run(store, Arc::clone(&jitter), context.stop);
            unfailing(clerk)
        });
        [attempts.backoff(BACKOFF), letters.backoff(BACKOFF)]
    }

    /// One child per handler.
    pub(crate) fn effects(&self) -> SupervisorSpec {
        let options = &self.services.options;
        let pools = group("effects");
        self.services.pools.iter().fold(pools, |pools, pool| {
            let runner = PoolRunner {
                pool: Arc::clone(pool),
                courier: self.courier.clone(),
                lease: Arc::clone(&self.services.lease),
                spans: Arc::clone(&self.services.spans),
                gate: Arc::clone(&self.services.gate),
                rescan: Arc::clone(&self.rescan),
                starts_max: options.effect_starts_max,
                open_max: options.pool_open_max,
            };
            let services = Arc::clone(&self.services);
            let task = ChildSpec::task(pool.spec().name, move |context| {
                let running = runner.clone().run(context.stop.clone());
                unfailing(unless_in_vain(running, context.stop, services.writer.clone()))
            });
            // Calls under way may still bring their outcomes home; what isn't done by then is owed
            // still and comes again with the next start.
            pools.child(task.shutdown(Shutdown::Timeout(self.grace)).backoff(BACKOFF))
        })
    }

    /// What finds out that something is due.
    pub(crate) fn schedulers(&self) -> SupervisorSpec {
        let scanner = Scanner {
            store: Arc::clone(&self.services.store),
            clock: Arc::clone(&self.services.clock),
            lease: Arc::clone(&self.services.lease),
            courier: self.courier.clone(),
            timers: self.services.timers.clone(),
            rescan: Arc::clone(&self.rescan),
            gate: Arc::clone(&self.services.gate),
        };
        let scans = ChildSpec::task("scanner", move |context| {
            let scanning = scanner.clone().run(context.stop);
            unfailing(scanning)
        });
        let (services, courier) = (Arc::clone(&self.services), self.courier.clone());
        let timers = ChildSpec::task("timers", move |context| {
            let clock = Arc::clone(&services.clock);
            let (gate, stop) = (Arc::clone(&services.gate), context.stop.clone());
            let firing = services.timers.clone().run(clock, courier.clone(), gate, stop);
            unfailing(unless_in_vain(firing, context.stop, services.writer.clone()))
        });
        group("schedulers")
            .child(timers.shutdown(Shutdown::Timeout(self.grace)).backoff(BACKOFF))
            .child(scans.backoff(BACKOFF))
    }
}

/// Cuts work off that is told to stop and can't bring anything home: without a writer no outcome is
/// recorded, and the next writer starts only once everything that stood on this one has ended.
async fn unless_in_vain(
    work: impl Future<Output = ()>,
    stopping: StopSignal,
    writer: WriterHandle,
) {
    let in_vain = async {
        stopping.raised().await;
        while writer.is_running() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        biased;
        () = work => {}
        () = in_vain => {}
    }
}
