//! Talking to a supervisor.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::sync::{oneshot, watch};

use crate::exit::ExitReason;
use crate::handle::ChildHandle;
use crate::spec::{ChildId, ChildSpec, SpecError};
use crate::view::{ChildCounts, ChildInfo, ChildSnapshot, SupervisorSnapshot};

/// The supervisor's running incarnation, if there is one.
pub(crate) type Port = Option<ActorRef<Message>>;

pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What a supervisor hears, apart from ractor's events.
pub(crate) enum Message {
    /// A child that is a supervisor has all its children up.
    Up {
        number: u64,
        incarnation: u64,
    },
    /// An incarnation and all below it have ended; why it never started, if it didn't.
    Gone {
        number: u64,
        incarnation: u64,
        start_failure: Option<String>,
    },
    /// An incarnation's time to start or to stop is up.
    Overdue {
        number: u64,
        incarnation: u64,
    },
    /// A child's restart delay is over.
    Due {
        number: u64,
    },
    /// The delay of a group's restart is over.
    GroupDue,
    /// Stop all children, then yourself.
    Shutdown,
    StartChild(Arc<ChildSpec>, Reply<Result<ChildHandle, RequestError>>),
    RestartChild(ChildId, Reply<Result<ChildHandle, RequestError>>),
    TerminateChild(ChildId, Reply<Result<(), RequestError>>),
    DeleteChild(ChildId, Reply<Result<(), RequestError>>),
    FindChild(ChildId, Reply<Option<ChildHandle>>),
    WhichChildren(Reply<Vec<ChildInfo>>),
    CountChildren(Reply<ChildCounts>),
    Look(Reply<Sight>),
}

/// One level of a snapshot, with the ways to the next.
pub(crate) struct Sight {
    pub(crate) snapshot: SupervisorSnapshot,
    pub(crate) below: Vec<(usize, SupervisorHandle)>,
}

/// Why a supervisor didn't do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The specification makes no sense.
    #[error("invalid specification")]
    Invalid(#[source] SpecError),
    /// A child of that id is there already, running or not.
    #[error("there is a child {0} already")]
    Duplicate(ChildId),
    /// The supervisor has as many children as it takes.
    #[error("the supervisor takes no more than {0} children")]
    TooMany(usize),
    /// The child didn't come up.
    #[error("child did not start")]
    StartFailed(#[source] ExitReason),
    /// It was terminated while it was starting.
    #[error("child was terminated while it was starting")]
    Terminated,
    /// There is no such child.
    #[error("there is no child {0}")]
    NotFound(ChildId),
    /// The child runs.
    #[error("child {0} is running")]
    Running(ChildId),
    /// The child is about to be started.
    #[error("child {0} is about to be started")]
    Restarting(ChildId),
    /// The supervisor isn't running, or stops.
    #[error("the supervisor is not running")]
    NotRunning,
}

/// A cheap, stable handle to a supervisor: it outlives every incarnation.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    name: Arc<str>,
    port: watch::Receiver<Port>,
}

impl SupervisorHandle {
    pub(crate) const fn new(name: Arc<str>, port: watch::Receiver<Port>) -> Self {
        Self { name, port }
    }

    /// The supervisor's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a child, after all others, and starts it. Answers when it is up. A child that fails
    /// to start isn't added, and counts against nobody.
    ///
    /// # Errors
    /// `Invalid`, `Duplicate`, `TooMany`, `StartFailed`, `Terminated`, `NotRunning`.
    pub async fn start_child(&self, spec: ChildSpec) -> Result<ChildHandle, RequestError> {
        let spec = Arc::new(spec);
        self.ask(|reply| Message::StartChild(spec, reply)).await?
    }

    /// Starts a child that doesn't run: terminated, or ended and not restarted. Answers when it is
    /// up.
    ///
    /// # Errors
    /// `NotFound`, `Running`, `Restarting`, `StartFailed`, `Terminated`, `NotRunning`.
    pub async fn restart_child(&self, id: impl Into<ChildId>) -> Result<ChildHandle, RequestError> {
        self.ask(|reply| Message::RestartChild(id.into(), reply)).await?
    }

    /// Stops a child, or calls its restart off. Answers when it and all below it are gone. Its
    /// specification stays, unless it is temporary.
    ///
    /// # Errors
    /// `NotFound`, `NotRunning`.
    pub async fn terminate_child(&self, id: impl Into<ChildId>) -> Result<(), RequestError> {
        self.ask(|reply| Message::TerminateChild(id.into(), reply)).await?
    }

    /// Forgets a child that doesn't run.
    ///
    /// # Errors
    /// `NotFound`, `Running`, `Restarting`, `NotRunning`.
    pub async fn delete_child(&self, id: impl Into<ChildId>) -> Result<(), RequestError> {
        self.ask(|reply| Message::DeleteChild(id.into(), reply)).await?
    }

    /// The handle of a child, if there is such a child.
    ///
    /// # Errors
    /// `NotRunning`.
    pub async fn child(&self, id: impl Into<ChildId>) -> Result<Option<ChildHandle>, RequestError> {
        self.ask(|reply| Message::FindChild(id.into(), reply)).await
    }

    /// All children, in start order.
    ///
    /// # Errors
    /// `NotRunning`.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, RequestError> {
        self.ask(Message::WhichChildren).await
    }

    /// How many children there are.
    ///
    /// # Errors
    /// `NotRunning`.
    pub async fn count_children(&self) -> Result<ChildCounts, RequestError> {
        self.ask(Message::CountChildren).await
    }

    /// This supervisor and all below it. Each level is looked at a moment after the one above.
    ///
    /// # Errors
    /// `NotRunning`.
    pub async fn snapshot(&self) -> Result<SupervisorSnapshot, RequestError> {
        let Sight { mut snapshot, below } = self.ask(Message::Look).await?;
        for (place, handle) in below {
            // One that ended in the meantime has nothing below it.
            let child: &mut ChildSnapshot = &mut snapshot.children[place];
            child.supervisor = Box::pin(handle.snapshot()).await.ok();
        }
        Ok(snapshot)
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Message) -> Result<T, RequestError> {
        let port = self.port.borrow().clone().ok_or(RequestError::NotRunning)?;
        let (reply, answer) = oneshot::channel();
        port.cast(request(reply)).map_err(|_| RequestError::NotRunning)?;
        answer.await.map_err(|_| RequestError::NotRunning)
    }
}
