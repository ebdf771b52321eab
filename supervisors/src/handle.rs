//! A child as the rest of the program sees it: one handle through all its incarnations.

use ractor::{ActorCell, ActorRef, Message};
use tokio::sync::watch;

use crate::spec::ChildId;

/// Where a child is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// Not running: not started yet, ended for good, or terminated by request.
    Stopped,
    /// Its turn to start comes when those before it are up, or stopped.
    Waiting,
    /// Being started.
    Starting,
    /// Running.
    Up,
    /// Waits out its restart delay.
    Backoff,
    /// Asked to stop, or ended and whatever it had below it is still ending.
    Stopping,
}

/// A moment in a child's life.
#[derive(Debug, Clone)]
pub struct ChildStatus {
    /// Where it is.
    pub state: ChildState,
    /// How many times it has been started.
    pub incarnation: u64,
    /// The actor, while it is up.
    pub cell: Option<ActorCell>,
}

/// The child's specification is gone, and with it any further incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the child is gone for good")]
pub struct ChildGone;

/// A cheap, stable handle to a child: it outlives every incarnation, and those of the supervisor
/// too.
#[derive(Debug, Clone)]
pub struct ChildHandle {
    id: ChildId,
    status: watch::Receiver<ChildStatus>,
}

/// The supervisor's end of a child's handles. It lies in the specification, so it outlives the
/// supervisor.
#[derive(Debug)]
pub(crate) struct StatusSender(watch::Sender<ChildStatus>);

impl ChildHandle {
    pub(crate) const fn new(id: ChildId, status: watch::Receiver<ChildStatus>) -> Self {
        Self { id, status }
    }

    /// Its name among its siblings.
    #[must_use]
    pub const fn id(&self) -> &ChildId {
        &self.id
    }

    /// As it is now.
    #[must_use]
    pub fn status(&self) -> ChildStatus {
        self.status.borrow().clone()
    }

    /// Where it is now.
    #[must_use]
    pub fn state(&self) -> ChildState {
        self.status.borrow().state
    }

    /// The actor, if it is up.
    #[must_use]
    pub fn cell(&self) -> Option<ActorCell> {
        self.status.borrow().cell.clone()
    }

    /// The actor as one that takes messages of this type, if it is up and does.
    #[must_use]
    pub fn actor<M: Message>(&self) -> Option<ActorRef<M>> {
        let cell = self.cell()?;
        (cell.is_message_type_of::<M>() == Some(true)).then(|| cell.into())
    }

    /// Waits until it is up.
    ///
    /// # Errors
    /// [`ChildGone`] where it never will be.
    pub async fn up(&self) -> Result<ChildStatus, ChildGone> {
        self.wait_for(|status| status.state == ChildState::Up).await
    }

    /// Waits until an incarnation after that one is up.
    ///
    /// # Errors
    /// [`ChildGone`] where there won't be one.
    pub async fn up_after(&self, incarnation: u64) -> Result<ChildStatus, ChildGone> {
        let is_later = |status: &ChildStatus| status.incarnation > incarnation;
        self.wait_for(|status| status.state == ChildState::Up && is_later(status)).await
    }

    /// Waits until a condition holds.
    ///
    /// # Errors
    /// [`ChildGone`] where it doesn't and nothing will change any more.
    pub async fn wait_for(
        &self,
        mut holds: impl FnMut(&ChildStatus) -> bool,
    ) -> Result<ChildStatus, ChildGone> {
        let mut status = self.status.clone();
        let held = status.wait_for(|status| holds(status)).await;
        held.map(|status| status.clone()).map_err(|_| ChildGone)
    }
}

impl StatusSender {
    pub(crate) fn subscribe(&self) -> watch::Receiver<ChildStatus> {
        self.0.subscribe()
    }

    /// The number of the incarnation that is to be started.
    pub(crate) fn next_incarnation(&self) -> u64 {
        self.0.borrow().incarnation + 1
    }

    pub(crate) fn publish(&self, state: ChildState, incarnation: u64, cell: Option<ActorCell>) {
        self.0.send_replace(ChildStatus { state, incarnation, cell });
    }

    /// A state without a running incarnation.
    pub(crate) fn rest(&self, state: ChildState) {
        self.0.send_modify(|status| {
            status.state = state;
            status.cell = None;
        });
    }
}

impl Default for StatusSender {
    fn default() -> Self {
        let state = ChildState::Stopped;
        Self(watch::Sender::new(ChildStatus { state, incarnation: 0, cell: None }))
    }
}
