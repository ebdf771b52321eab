//! Starting one incarnation of a child, whatever it is: an actor linked to its supervisor.
//!
//! **Invariant:** nothing of the caller's runs on the supervisor's loop. Launching returns at once
//! with the actor's cell, so that every exit, however early, can be matched by its id.

use std::fmt;
use std::sync::Arc;

use ractor::{Actor, ActorCell, ActorRef, ActorRuntime, SpawnErr};
use tokio::task::JoinHandle;

use crate::actor::{SupervisorActor, SupervisorArguments};
use crate::report::Place;
use crate::requests::Message;
use crate::spec::SupervisorSpec;
use crate::subtree::Subtree;
use crate::tracked::Tracked;
use crate::worker::{StopSignal, StopSource, TaskActor, TaskContext};

/// What an incarnation is started with.
pub(crate) struct Launching {
    pub(crate) parent: ActorCell,
    pub(crate) place: Place,
    pub(crate) incarnation: u64,
    pub(crate) subtree: Subtree,
    /// What a supervisor calls when its children are up.
    pub(crate) announce: Announce,
}

/// Called once, when a supervisor's children are up.
pub(crate) type Announce = Box<dyn FnOnce() + Send>;

/// Ends with the start's result, which holds what ends with the actor.
pub(crate) type Starting = JoinHandle<Result<JoinHandle<()>, SpawnErr>>;

/// An incarnation that has been launched and may not be up yet.
pub(crate) struct Launched {
    pub(crate) cell: ActorCell,
    pub(crate) starting: Starting,
    pub(crate) stop: Stop,
}

/// How an incarnation is asked to stop.
pub(crate) enum Stop {
    Actor,
    Task(StopSource),
    Supervisor(ActorRef<Message>),
}

/// A way to start a child.
pub(crate) trait Launch: Send + Sync {
    fn launch(&self, launching: Launching) -> Launched;

    /// The specification below, where the child is a supervisor.
    fn supervisor(&self) -> Option<&Arc<SupervisorSpec>> {
        None
    }
}

/// Starts an actor below `parent`, if there is one, without waiting for it.
pub(crate) fn start<A: Actor>(
    actor: A,
    arguments: A::Arguments,
    parent: Option<ActorCell>,
) -> (ActorRef<A::Msg>, Starting) {
    let started = match parent {
        Some(parent) => ActorRuntime::spawn_linked_instant(None, actor, arguments, parent),
        None => ActorRuntime::spawn_instant(None, actor, arguments),
    };
    started.expect("only a name can be taken, and it has none")
}

/// Waits until an incarnation and all below it have ended. Why it never started, if it didn't.
pub(crate) async fn ended(starting: Starting, subtree: Subtree) -> Option<String> {
    let failure = match starting.await {
        Ok(Ok(running)) => {
            // How it ended is told by ractor's event, which came before this.
            drop(running.await);
            None
        }
        Ok(Err(SpawnErr::StartupFailed(error))) => Some(error.to_string()),
        Ok(Err(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    subtree.gone().await;
    failure
}

/// Starts a caller's actor.
pub(crate) struct ActorLaunch<F>(Arc<F>);

impl<F> ActorLaunch<F> {
    pub(crate) fn new(make: F) -> Self {
        Self(Arc::new(make))
    }
}

impl<A, F> Launch for ActorLaunch<F>
where
    A: Actor,
    F: Fn(u64) -> (A, A::Arguments) + Send + Sync + 'static,
{
    fn launch(&self, launching: Launching) -> Launched {
        let Launching { parent, incarnation, subtree, .. } = launching;
        let tracked = Tracked::new(Arc::clone(&self.0), incarnation, subtree);
        let (actor, starting) = start(tracked, (), Some(parent));
        Launched { cell: actor.get_cell(), starting, stop: Stop::Actor }
    }
}

/// Starts a caller's task.
pub(crate) struct TaskLaunch<F>(Arc<F>);

impl<F> TaskLaunch<F> {
    pub(crate) fn new(start: F) -> Self {
        Self(Arc::new(start))
    }
}

impl<F, Start, Body, E> Launch for TaskLaunch<F>
where
    F: Fn(TaskContext) -> Start + Send + Sync + 'static,
    Start: Future<Output = Result<Body, E>> + Send + 'static,
    Body: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<ractor::ActorProcessingErr> + 'static,
{
    fn launch(&self, launching: Launching) -> Launched {
        let (raise, stop) = StopSignal::pair();
        let task = Arc::clone(&self.0);
        let make = move |incarnation| {
            let context = TaskContext { incarnation, stop: stop.clone() };
            (TaskActor::new(Arc::clone(&task), context), ())
        };
        let tracked = Tracked::new(Arc::new(make), launching.incarnation, launching.subtree);
        let (actor, starting) = start(tracked, (), Some(launching.parent));
        Launched { cell: actor.get_cell(), starting, stop: Stop::Task(raise) }
    }
}

/// Starts a supervisor.
pub(crate) struct SupervisorLaunch(Arc<SupervisorSpec>);

impl SupervisorLaunch {
    pub(crate) const fn new(spec: Arc<SupervisorSpec>) -> Self {
        Self(spec)
    }
}

impl Launch for SupervisorLaunch {
    fn launch(&self, launching: Launching) -> Launched {
        let arguments = SupervisorArguments {
            place: launching.place.below(&self.0.name),
            spec: Arc::clone(&self.0),
            subtree: launching.subtree,
            announce: launching.announce,
            verdict: Arc::default(),
        };
        let (actor, starting) = start(SupervisorActor, arguments, Some(launching.parent));
        Launched { cell: actor.get_cell(), starting, stop: Stop::Supervisor(actor) }
    }

    fn supervisor(&self) -> Option<&Arc<SupervisorSpec>> {
        Some(&self.0)
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Actor => "Actor",
            Self::Task(_) => "Task",
            Self::Supervisor(_) => "Supervisor",
        })
    }
}
