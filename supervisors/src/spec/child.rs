//! One child: how it is made, when it is restarted, how it is stopped.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr};

use crate::backoff::Backoff;
use crate::exit::ExitKind;
use crate::handle::{ChildHandle, StatusSender};
use crate::launch::{ActorLaunch, Launch, SupervisorLaunch, TaskLaunch};
use crate::spec::{ChildId, SupervisorSpec};
use crate::worker::TaskContext;

/// When a child that ended by itself is started again.
///
/// | | normal | shutdown | crash | killed |
/// |---|---|---|---|---|
/// | permanent | yes | yes | yes | yes |
/// | transient | no | no | yes | yes |
/// | temporary | no | no | no | no |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always. The default, as in OTP.
    Permanent,
    /// After an abnormal exit.
    Transient,
    /// Never, not even with its siblings; its specification goes with it.
    Temporary,
}

/// How a child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Killed without being asked.
    Brutal,
    /// Asked, and killed when the time is up. The default of workers, with OTP's 5 seconds.
    Timeout(Duration),
    /// Asked, and waited for however long it takes. The default of supervisors.
    Infinity,
}

/// What a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildKind {
    /// An actor or a task.
    Worker,
    /// A supervisor with children of its own.
    Supervisor,
}

/// A child's specification. Defaults are OTP's: permanent, not significant, 5 seconds to stop (a
/// supervisor: any time); and 30 seconds to start (a supervisor: any time), no restart delay.
pub struct ChildSpec {
    pub(crate) id: ChildId,
    pub(crate) launch: Box<dyn Launch>,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) significant: bool,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) backoff: Backoff,
    pub(crate) status: StatusSender,
}

impl ChildSpec {
    /// A ractor actor. `make` is called for each incarnation, with its number from 1, off the
    /// supervisor's loop; what it panics with is a failed start. The child is up once ractor calls
    /// it started, after `pre_start` and `post_start`.
    ///
    /// One that links actors of its own should say what their ends mean to it: by ractor's default
    /// `handle_supervisor_evt` any of them stops it, and that is a normal exit.
    pub fn actor<A, F>(id: impl Into<ChildId>, make: F) -> Self
    where
        A: Actor,
        F: Fn(u64) -> (A, A::Arguments) + Send + Sync + 'static,
    {
        Self::worker(id.into(), Box::new(ActorLaunch::new(make)))
    }

    /// An async task, up as soon as it runs. `Ok` is a normal exit, `Err` or a panic a crash. To
    /// stop it, its [`StopSignal`](crate::StopSignal) is raised; when its shutdown timeout is up,
    /// it is dropped at its next await.
    ///
    /// ```
    /// use coppice_supervisors::{ChildSpec, TaskContext};
    ///
    /// let spec = ChildSpec::task("ticker", |context: TaskContext| async move {
    ///     context.stop.raised().await;
    ///     Ok::<_, std::io::Error>(())
    /// });
    /// # drop(spec);
    /// ```
    pub fn task<F, Fut, E>(id: impl Into<ChildId>, run: F) -> Self
    where
        F: Fn(TaskContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<ActorProcessingErr> + Send + 'static,
    {
        let start = move |context| std::future::ready(Ok::<_, E>(run(context)));
        Self::worker(id.into(), Box::new(TaskLaunch::new(start)))
    }

    /// An async task in two parts: `start` makes it ready (opens a store, binds a socket) and gives
    /// the future that then runs. It is up when `start` is done, and fails to start if that fails.
    pub fn service<F, Start, Run, E>(id: impl Into<ChildId>, start: F) -> Self
    where
        F: Fn(TaskContext) -> Start + Send + Sync + 'static,
        Start: Future<Output = Result<Run, E>> + Send + 'static,
        Run: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<ActorProcessingErr> + 'static,
    {
        Self::worker(id.into(), Box::new(TaskLaunch::new(start)))
    }

    /// A supervisor, under its own name. It is up when all its children are.
    #[must_use]
    pub fn supervisor(spec: SupervisorSpec) -> Self {
        let id = ChildId::from(Arc::clone(&spec.name));
        let launch = Box::new(SupervisorLaunch::new(Arc::new(spec)));
        Self { shutdown: Shutdown::Infinity, start_timeout: None, ..Self::worker(id, launch) }
    }

    /// When it is started again. Default: [`Restart::Permanent`].
    #[must_use]
    pub const fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How it is stopped. Default: 5 seconds, for a supervisor [`Shutdown::Infinity`].
    #[must_use]
    pub const fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// That its own end may end the supervisor; see [`AutoShutdown`](crate::AutoShutdown).
    #[must_use]
    pub const fn significant(mut self) -> Self {
        self.significant = true;
        self
    }

    /// How long it may take to come up; `None` is any time. Default: 30 seconds, for a supervisor
    /// any time.
    #[must_use]
    pub const fn start_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// How long to wait before a restart. Default: not at all.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// A handle to this child that outlives its incarnations, and those of its supervisor.
    #[must_use]
    pub fn handle(&self) -> ChildHandle {
        ChildHandle::new(self.id.clone(), self.status.subscribe())
    }

    pub(crate) fn kind(&self) -> ChildKind {
        match self.launch.supervisor() {
            Some(_) => ChildKind::Supervisor,
            None => ChildKind::Worker,
        }
    }

    fn worker(id: ChildId, launch: Box<dyn Launch>) -> Self {
        Self {
            id,
            launch,
            restart: Restart::Permanent,
            shutdown: Shutdown::Timeout(Duration::from_secs(5)),
            significant: false,
            start_timeout: Some(Duration::from_secs(30)),
            backoff: Backoff::NONE,
            status: StatusSender::default(),
        }
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("significant", &self.significant)
            .finish_non_exhaustive()
    }
}

impl Restart {
    /// Whether a child of this type is started again after such an exit.
    #[must_use]
    pub const fn applies_to(self, exit: ExitKind) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => exit.is_abnormal(),
            Self::Temporary => false,
        }
    }
}
