//! An actor under supervision: the caller's own, made off the supervisor's loop, with a record of
//! whom it has linked.
//!
//! **Invariant:** the caller's state is never dropped on the supervisor's loop, where a panic would
//! end the supervisor: after a graceful stop it is dropped in the actor's own task, else, since ractor
//! hands it to the supervisor with the event, in a task that the restart waits for. **Invariant:** whatever way a callback ends the actor, its descendants at that
//! moment are on record in the [`Subtree`].

use std::any::Any;
use std::sync::{Arc, OnceLock};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;

use crate::subtree::{Remains, Subtree};

/// One incarnation of a caller's actor.
pub(crate) struct Tracked<A, F> {
    make: Arc<F>,
    incarnation: u64,
    subtree: Subtree,
    actor: OnceLock<A>,
}

/// The caller's state.
pub(crate) struct Kept<S: Any + Send> {
    state: Option<S>,
    grave: Option<oneshot::Sender<Remains>>,
}

impl<S: Any + Send> Drop for Kept<S> {
    fn drop(&mut self) {
        if let (Some(state), Some(grave)) = (self.state.take(), self.grave.take()) {
            drop(grave.send(Box::new(state)));
        }
    }
}

/// Fells what is below an actor unless the callback came to a good end. It works on drop because
/// a panic or a kill leaves the callback no other way.
struct Callback<'a> {
    subtree: &'a Subtree,
    cell: ActorCell,
    survives: bool,
}

impl Drop for Callback<'_> {
    fn drop(&mut self) {
        if !self.survives {
            self.subtree.kill_below(&self.cell);
        }
    }
}

impl<A: Actor, F> Tracked<A, F> {
    pub(crate) const fn new(make: Arc<F>, incarnation: u64, subtree: Subtree) -> Self {
        Self { make, incarnation, subtree, actor: OnceLock::new() }
    }

    fn callback(&self, myself: &ActorRef<A::Msg>) -> Callback<'_> {
        Callback { subtree: &self.subtree, cell: myself.get_cell(), survives: false }
    }

    /// The actor and its state. They are there from `pre_start` to `post_stop`, and ractor calls
    /// nothing before or after.
    fn parts<'a>(
        &'a self,
        kept: &'a mut Kept<A::State>,
    ) -> Result<(&'a A, &'a mut A::State), ActorProcessingErr> {
        self.actor.get().zip(kept.state.as_mut()).ok_or_else(|| "called before its start".into())
    }
}

impl<A, F> Actor for Tracked<A, F>
where
    A: Actor,
    F: Fn(u64) -> (A, A::Arguments) + Send + Sync + 'static,
{
    type Msg = A::Msg;
    type State = Kept<A::State>;
    type Arguments = ();

    async fn pre_start(
        &self,
        myself: ActorRef<A::Msg>,
        (): (),
    ) -> Result<Self::State, ActorProcessingErr> {
        let mut callback = self.callback(&myself);
        let (actor, arguments) = (self.make)(self.incarnation);
        let actor = self.actor.get_or_init(|| actor);
        let state = actor.pre_start(myself, arguments).await?;
        callback.survives = true;
        let (grave, remains) = oneshot::channel();
        self.subtree.expect(remains);
        Ok(Kept { state: Some(state), grave: Some(grave) })
    }

    async fn post_start(
        &self,
        myself: ActorRef<A::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let mut callback = self.callback(&myself);
        let (actor, state) = self.parts(state)?;
        actor.post_start(myself, state).await?;
        callback.survives = true;
        Ok(())
    }

    async fn post_stop(
        &self,
        myself: ActorRef<A::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let callback = self.callback(&myself);
        let (actor, own) = self.parts(state)?;
        actor.post_stop(myself, own).await?;
        drop(callback);
        drop(state.state.take());
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<A::Msg>,
        message: A::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let mut callback = self.callback(&myself);
        let (actor, state) = self.parts(state)?;
        actor.handle(myself, message, state).await?;
        callback.survives = true;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<A::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let mut callback = self.callback(&myself);
        match &event {
            SupervisionEvent::ActorStarted(cell) => self.subtree.link(cell.clone()),
            SupervisionEvent::ActorTerminated(cell, ..) => self.subtree.unlink(cell.get_id()),
            SupervisionEvent::ActorFailed(cell, _) => self.subtree.unlink(cell.get_id()),
            SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        let (actor, state) = self.parts(state)?;
        actor.handle_supervisor_evt(myself, event, state).await?;
        callback.survives = true;
        Ok(())
    }
}
