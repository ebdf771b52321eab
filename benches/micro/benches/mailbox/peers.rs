//! The peers: the same sums by plain ractor, by kameo, and by a tokio task that reads a channel.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use coppice_bench::Row;
use coppice_runtime::task;
use kameo::actor::Spawn as _;
use ractor::{ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::doorbell::{Message, callers};

/// Larger than what a row sends, for none of the peers is to wait: ours has no limit here either.
const ROOM: usize = 4_000_000;

struct Plain;

enum PlainMessage {
    Tell(u64),
    Ask(u64, RpcReplyPort<u64>),
    Done(Arc<Notify>),
}

impl ractor::Actor for Plain {
    type Msg = PlainMessage;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: PlainMessage,
        sum: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PlainMessage::Tell(n) => *sum = sum.wrapping_add(n),
            PlainMessage::Ask(n, reply) => {
                *sum = sum.wrapping_add(n);
                reply.send(*sum)?;
            }
            PlainMessage::Done(done) => done.notify_one(),
        }
        Ok(())
    }
}

pub(crate) async fn tells_ractor(row: &mut Row, count: usize) {
    let done = Arc::new(Notify::new());
    let (actor, _) = ractor::Actor::spawn(None, Plain, ()).await.unwrap();
    let started = Instant::now();
    for n in 0..count as u64 {
        actor.cast(PlainMessage::Tell(n)).unwrap();
    }
    actor.cast(PlainMessage::Done(Arc::clone(&done))).unwrap();
    done.notified().await;
    row.nanos(count, started.elapsed());
    actor.stop(None);
}

pub(crate) async fn asks_ractor(row: &mut Row, count: usize) {
    let (actor, _) = ractor::Actor::spawn(None, Plain, ()).await.unwrap();
    let started = Instant::now();
    callers(&actor, count, |actor, share| async move {
        for n in 0..share {
            ractor::call!(actor, |reply| PlainMessage::Ask(n, reply)).unwrap();
        }
    })
    .await;
    row.nanos(count, started.elapsed());
    actor.stop(None);
}

struct Kameo {
    sum: u64,
}

impl kameo::Actor for Kameo {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(state: Self, _: kameo::actor::ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(state)
    }
}

struct Add(u64);

impl kameo::message::Message<Add> for Kameo {
    type Reply = u64;

    async fn handle(&mut self, add: Add, _: &mut kameo::message::Context<Self, u64>) -> u64 {
        self.sum = self.sum.wrapping_add(add.0);
        self.sum
    }
}

fn kameo_actor() -> kameo::actor::ActorRef<Kameo> {
    Kameo::spawn_with_mailbox(Kameo { sum: 0 }, kameo::mailbox::bounded(ROOM))
}

pub(crate) async fn tells_kameo(row: &mut Row, count: usize) {
    let actor = kameo_actor();
    let started = Instant::now();
    for n in 0..count as u64 {
        actor.tell(Add(n)).await.unwrap();
    }
    actor.ask(Add(0)).await.unwrap();
    row.nanos(count, started.elapsed());
    actor.kill();
}

pub(crate) async fn asks_kameo(row: &mut Row, count: usize) {
    let actor = kameo_actor();
    let started = Instant::now();
    callers(&actor, count, |actor, share| async move {
        for n in 0..share {
            actor.ask(Add(n)).await.unwrap();
        }
    })
    .await;
    row.nanos(count, started.elapsed());
    actor.kill();
}

fn tokio_task() -> mpsc::Sender<Message> {
    let (tell, mut told) = mpsc::channel(ROOM);
    let summing = async move {
        let mut sum = 0_u64;
        while let Some(message) = told.recv().await {
            match message {
                Message::Tell(n) => sum = sum.wrapping_add(n),
                Message::Ask(n, reply) => {
                    sum = sum.wrapping_add(n);
                    let _gone = reply.send(sum);
                }
                Message::Done(done) => done.notify_one(),
            }
        }
    };
    drop(task::spawn(summing));
    tell
}

pub(crate) async fn tells_tokio(row: &mut Row, count: usize) {
    let (tell, done) = (tokio_task(), Arc::new(Notify::new()));
    let started = Instant::now();
    for n in 0..count as u64 {
        tell.send(Message::Tell(n)).await.unwrap();
    }
    tell.send(Message::Done(Arc::clone(&done))).await.unwrap();
    done.notified().await;
    row.nanos(count, started.elapsed());
}

pub(crate) async fn asks_tokio(row: &mut Row, count: usize) {
    let tell = tokio_task();
    let started = Instant::now();
    callers(&tell, count, |tell, share| async move {
        for n in 0..share {
            let (reply, answer) = oneshot::channel();
            tell.send(Message::Ask(n, reply)).await.unwrap();
            answer.await.unwrap();
        }
    })
    .await;
    row.nanos(count, started.elapsed());
}
