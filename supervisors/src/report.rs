//! What supervisors say about their children: to the log, and to an observer if there is one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::exit::{Escalation, ExitReason};
use crate::spec::{ChildId, Strategy};

/// Something that happened under a supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The supervisor's names from the root, with `/` between.
    pub supervisor: Arc<str>,
    /// When.
    pub at: Instant,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// All children of the supervisor are up.
    SupervisorStarted,
    /// A child is up.
    ChildStarted {
        /// Which one.
        child: ChildId,
        /// Its number, from 1.
        incarnation: u64,
    },
    /// A child didn't come up.
    ChildStartFailed {
        /// Which one.
        child: ChildId,
        /// Its number, from 1.
        incarnation: u64,
        /// Why.
        reason: ExitReason,
    },
    /// A child ended by itself, and all below it is gone.
    ChildExited {
        /// Which one.
        child: ChildId,
        /// Its number, from 1.
        incarnation: u64,
        /// Why.
        reason: ExitReason,
    },
    /// A child will be started again.
    ChildRestarting {
        /// Which one.
        child: ChildId,
        /// After this time.
        delay: Duration,
        /// Who is restarted with it.
        strategy: Strategy,
    },
    /// A child is killed: its time to stop or to start is up, or it is to be stopped brutally.
    ChildKilled {
        /// Which one.
        child: ChildId,
        /// Its number, from 1.
        incarnation: u64,
    },
    /// A child was stopped by its supervisor, and all below it is gone.
    ChildTerminated {
        /// Which one.
        child: ChildId,
        /// Its number, from 1.
        incarnation: u64,
        /// How it ended.
        reason: ExitReason,
    },
    /// The supervisor gives up: a child needed too many restarts, or failed to start with it.
    Escalating(Escalation),
    /// The supervisor shuts down because a significant child has ended.
    AutoShutdown {
        /// The last one.
        child: ChildId,
    },
    /// An actor ended that is linked to the supervisor and isn't its child.
    UnknownExit {
        /// How it ended.
        reason: ExitReason,
    },
    /// All children of the supervisor are gone, and it ends.
    SupervisorStopped,
}

/// Is told of everything in a tree, on the supervisors' loops: it must be quick and must not
/// panic.
pub type Observer = Arc<dyn Fn(&Report) + Send + Sync>;

/// What holds for a whole tree.
#[derive(Clone)]
pub struct TreeOptions {
    pub(crate) jitter_seed: u64,
    pub(crate) observer: Option<Observer>,
}

impl TreeOptions {
    /// With the seed of all restart delays: fixed in a simulation, random in production, where the
    /// nodes of a cluster must not restart in step.
    #[must_use]
    pub const fn new(jitter_seed: u64) -> Self {
        Self { jitter_seed, observer: None }
    }

    /// With an observer. Default: none.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }
}

impl fmt::Debug for TreeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeOptions")
            .field("jitter_seed", &self.jitter_seed)
            .field("observer", &self.observer.is_some())
            .finish()
    }
}

/// A supervisor's place in a tree.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: Arc<str>,
    pub(crate) options: TreeOptions,
}

impl Place {
    pub(crate) fn below(&self, name: &str) -> Self {
        let path = format!("{}/{name}", self.path).into();
        Self { path, options: self.options.clone() }
    }

    pub(crate) fn report(&self, event: Event) {
        log(&self.path, &event);
        if let Some(observer) = &self.options.observer {
            let supervisor = Arc::clone(&self.path);
            observer(&Report { supervisor, at: Instant::now(), event });
        }
    }
}

fn log(supervisor: &str, event: &Event) {
    match event {
        Event::SupervisorStarted => debug!(supervisor, "supervisor started"),
        Event::ChildStarted { child, incarnation } => {
            debug!(supervisor, %child, incarnation, "child started");
        }
        Event::ChildStartFailed { child, incarnation, reason } => {
            warn!(supervisor, %child, incarnation, %reason, "child failed to start");
        }
        Event::ChildExited { child, incarnation, reason } if reason.kind().is_abnormal() => {
            warn!(supervisor, %child, incarnation, %reason, "child failed");
        }
        Event::ChildExited { child, incarnation, reason } => {
            debug!(supervisor, %child, incarnation, %reason, "child exited");
        }
        Event::ChildRestarting { child, delay, strategy } => {
            info!(supervisor, %child, ?delay, ?strategy, "child is restarted");
        }
        Event::ChildKilled { child, incarnation } => {
            warn!(supervisor, %child, incarnation, "child is killed");
        }
        Event::ChildTerminated { child, incarnation, reason } => {
            debug!(supervisor, %child, incarnation, %reason, "child stopped");
        }
        Event::Escalating(escalation) => {
            error!(supervisor, child = %escalation.child, cause = %escalation.cause,
                reason = %escalation.reason, "supervisor gives up");
        }
        Event::AutoShutdown { child } => {
            info!(supervisor, %child, "significant child ended, supervisor shuts down");
        }
        Event::UnknownExit { reason } => warn!(supervisor, %reason, "unknown actor ended"),
        Event::SupervisorStopped => debug!(supervisor, "supervisor stopped"),
    }
}
