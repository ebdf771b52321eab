//! A doorbell on ractor: an actor whose only message is "look at your mailbox".
//!
//! ractor carries the wake-up, the panic boundary and, later, supervision; the commands themselves
//! wait in a [`Mailbox`](crate::mailbox::Mailbox) that outlives the actor.

use std::future::Future;
use std::marker::PhantomData;

use futures_util::FutureExt as _;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::task::coop::unconstrained;

/// The wake-up. It carries nothing: what there is to do stands in the mailbox.
#[derive(Debug, Clone, Copy)]
pub struct Ring;

/// Whether a turn left work that it could go on with at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing more to do until the bell rings.
    Idle,
    /// More waits; another turn follows, behind other messages to this actor.
    More,
    /// Nothing more to do: the cell ends, and the next ring needs another.
    Asleep,
}

/// What a cell does when its bell rings.
pub trait Worker: Send + 'static {
    /// One turn: silence the bell, drain up to a batch, handle it.
    fn turn(&mut self) -> impl Future<Output = Turn> + Send;
}

struct Cell<W>(PhantomData<fn(W)>);

impl<W: Worker> Actor for Cell<W> {
    type Msg = Ring;
    type State = W;
    type Arguments = W;

    async fn pre_start(&self, _: ActorRef<Ring>, worker: W) -> Result<W, ActorProcessingErr> {
        Ok(worker)
    }

    async fn handle(
        &self,
        myself: ActorRef<Ring>,
        _: Ring,
        worker: &mut W,
    ) -> Result<(), ActorProcessingErr> {
        match worker.turn().await {
            Turn::Idle => {}
            Turn::More => myself.cast(Ring)?,
            Turn::Asleep => myself.stop(None),
        }
        Ok(())
    }
}

/// Starts a cell. It takes rings at once; the worker is dropped when the cell ends, however it
/// ends.
///
/// # Errors
/// ractor's, which an unnamed actor does not meet.
pub fn start<W: Worker>(worker: W) -> Result<ActorRef<Ring>, SpawnErr> {
    let starting = Actor::spawn(None, Cell(PhantomData), worker);
    // `pre_start` only hands the worker on, so one poll ends it, provided that the task that polls
    // still may: `select!` inside waits once tokio's budget is used up. That spares the second task
    // that `spawn_instant` takes to wait for a start.
    let started = unconstrained(starting).now_or_never();
    let (actor, _ended) = started.ok_or_else(|| SpawnErr::StartupFailed(WAITS.into()))??;
    Ok(actor)
}

const WAITS: &str = "a cell's start waited, which nothing in it does";
