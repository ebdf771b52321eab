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
pub mod message;
pub mod office;
pub mod pool;
pub mod quarantine;
pub mod retry;
pub mod scan;
pub mod timers;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tracing::warn;

use self::attempts::AttemptsHandle;
use self::courier::Courier;
use self::pool::PoolRunner;
use self::retry::Jitter;
use self::scan::Scanner;
use crate::registry::Registry;
use crate::slot::Services;
use crate::task;

/// The tasks behind all this, on one node.
#[derive(Debug)]
pub(crate) struct Work {
    stopping: watch::Sender<bool>,
    /// In the order in which they end: first what begins something new.
    tasks: Vec<JoinHandle<()>>,
    /// What the others count on until they have ended.
    clerks: Vec<JoinHandle<()>>,
    pub(crate) courier: Courier,
}

impl Work {
    /// Starts everything; the clerks end with `stop`, after the others.
    pub(crate) fn start(
        services: &Arc<Services>,
        registry: &Registry,
        stop: &watch::Receiver<bool>,
    ) -> Self {
        let (stopping, stopped) = watch::channel(false);
        let options = &services.options;
        let jitter = Arc::new(Jitter::seeded(options.jitter_seed));
        let attempts = AttemptsHandle::default();
        let courier = Courier {
            registry: registry.clone(),
            attempts: attempts.clone(),
            quarantine: services.quarantine.clone(),
            jitter: Arc::clone(&jitter),
            patience: options.delivery_patience,
            crashes_max: options.message_crashes_max,
        };
        let (store, clock) = (Arc::clone(&services.store), Arc::clone(&services.clock));
        let counting =
            attempts.run(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&jitter), stop.clone());
        let quarantine = services.quarantine.clone();
        let writing = quarantine.run(Arc::clone(&store), jitter, stop.clone());
        let clerks = vec![task::spawn(counting), task::spawn(writing)];
        let rescan = Arc::new(Notify::new());
        let lease = Arc::clone(&services.lease);
        let scanner = Scanner {
            store,
            clock: Arc::clone(&clock),
            lease: Arc::clone(&lease),
            courier: courier.clone(),
            rescan: Arc::clone(&rescan),
        };
        let timers = services.timers.clone();
        let mut tasks = vec![
            task::spawn(scanner.run(stopped.clone())),
            task::spawn(timers.run(clock, courier.clone(), stopped.clone())),
        ];
        for pool in services.pools.iter() {
            let runner = PoolRunner {
                pool: Arc::clone(pool),
                courier: courier.clone(),
                lease: Arc::clone(&lease),
                rescan: Arc::clone(&rescan),
                starts_max: options.effect_starts_max,
                open_max: options.pool_open_max,
            };
            tasks.push(task::spawn(runner.run(stopped.clone())));
        }
        Self { stopping, tasks, clerks, courier }
    }

    /// Begins nothing new, and waits for what is under way; what isn't done within `grace` is
    /// owed still and comes again with the next start.
    pub(crate) async fn stop(&mut self, grace: Duration) {
        self.stopping.send_replace(true);
        let until = tokio::time::Instant::now() + grace;
        for mut task in self.tasks.drain(..) {
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                warn!("effects under way are left, they are owed still");
                task.abort();
            }
        }
    }

    /// What is left once the others have ended.
    pub(crate) fn clerks(&mut self) -> impl Iterator<Item = JoinHandle<()>> {
        self.clerks.drain(..)
    }

    pub(crate) fn abort(&self) {
        self.tasks.iter().chain(&self.clerks).for_each(JoinHandle::abort);
    }
}
