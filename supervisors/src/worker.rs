//! A task as a child: an actor whose only message is "run".
//!
//! As an actor it has an id, a supervisor and a place in the tree; ractor's panic boundary turns a
//! panic into an exit, and its kill drops the future.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::Notify;

/// What a task is given when it starts.
#[derive(Debug, Clone)]
pub struct TaskContext {
    /// Its number, from 1.
    pub incarnation: u64,
    /// Raised when it should end.
    pub stop: StopSignal,
}

/// Says that a task should end. Stays raised once it is.
///
/// Whoever waits is woken in the order in which they came: a `watch` would wake them in one that no
/// seed of a simulation decides.
#[derive(Debug, Clone)]
pub struct StopSignal(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    is_raised: AtomicBool,
    waiting: Notify,
}

/// Raises a [`StopSignal`], at the latest when it is dropped.
#[derive(Debug)]
pub struct StopSource(Arc<Signal>);

impl StopSource {
    /// Says it.
    pub fn raise(&self) {
        self.0.is_raised.store(true, Ordering::Release);
        self.0.waiting.notify_waiters();
    }
}

impl Drop for StopSource {
    fn drop(&mut self) {
        self.raise();
    }
}

impl StopSignal {
    /// A signal with what raises it: for what runs outside a tree.
    #[must_use]
    pub fn pair() -> (StopSource, Self) {
        let signal = Arc::<Signal>::default();
        (StopSource(Arc::clone(&signal)), Self(signal))
    }

    /// Waits until it is raised.
    pub async fn raised(&self) {
        let mut notified = pin!(self.0.waiting.notified());
        // From here on no raise is missed.
        notified.as_mut().enable();
        if !self.is_raised() {
            notified.await;
        }
    }

    /// Whether it is.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.is_raised.load(Ordering::Acquire)
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
