//! A task as a child: an actor whose only message is "run".
//!
//! As an actor it has an id, a supervisor and a place in the tree; ractor's panic boundary turns a
//! panic into an exit, and its kill drops the future.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;

/// What a task is given when it starts.
#[derive(Debug, Clone)]
pub struct TaskContext {
    /// Its number, from 1.
    pub incarnation: u64,
    /// Raised when it should end.
    pub stop: StopSignal,
}

/// Says that a task should end. Stays raised once it is.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Raised once `true` is sent, or the sender is gone: for what runs outside a tree.
    #[must_use]
    pub const fn new(raised: watch::Receiver<bool>) -> Self {
        Self(raised)
    }

    /// Waits until it is raised.
    pub async fn raised(&self) {
        // The supervisor's end being gone means the same.
        drop(self.0.clone().wait_for(|raised| *raised).await);
    }

    /// Whether it is.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.0.borrow()
    }
}

/// The wake-up of a task.
#[derive(Debug)]
pub(crate) struct Run;

/// The actor around a task.
pub(crate) struct TaskActor<F, Body> {
    start: Arc<F>,
    context: TaskContext,
    body: PhantomData<fn() -> Body>,
}

impl<F, Body> TaskActor<F, Body> {
    pub(crate) const fn new(start: Arc<F>, context: TaskContext) -> Self {
        Self { start, context, body: PhantomData }
    }
}

impl<F, Start, Body, E> Actor for TaskActor<F, Body>
where
    F: Fn(TaskContext) -> Start + Send + Sync + 'static,
    Start: Future<Output = Result<Body, E>> + Send + 'static,
    Body: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<ActorProcessingErr> + 'static,
{
    type Msg = Run;
    type State = Option<Body>;
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<Run>,
        (): (),
    ) -> Result<Option<Body>, ActorProcessingErr> {
        (self.start)(self.context.clone()).await.map(Some).map_err(Into::into)
    }

    async fn post_start(
        &self,
        myself: ActorRef<Run>,
        _: &mut Option<Body>,
    ) -> Result<(), ActorProcessingErr> {
        Ok(myself.cast(Run)?)
    }

    async fn handle(
        &self,
        myself: ActorRef<Run>,
        Run: Run,
        body: &mut Option<Body>,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(body) = body.take() {
            body.await.map_err(Into::into)?;
        }
        myself.stop(None);
        Ok(())
    }
}
