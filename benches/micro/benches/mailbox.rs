//! The mailbox alone: tell and ask at 64 concurrent callers, beside plain ractor in the same run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step ends the run")]

use std::sync::Arc;
use std::time::Instant;

use coppice_bench::{Row, Size, print_ratio};
use coppice_runtime::cell::{self, Ring, Turn, Worker};
use coppice_runtime::mailbox::{Bell, Mailbox};
use coppice_runtime::task;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::{Notify, oneshot};

const CALLERS: usize = 64;
const BATCH: usize = 256;

enum Message {
    Tell(u64),
    Ask(u64, oneshot::Sender<u64>),
    Done(Arc<Notify>),
}

struct Summing {
    mailbox: Arc<Mailbox<Message>>,
    drained: Vec<Message>,
    sum: u64,
}

impl Worker for Summing {
    async fn turn(&mut self) -> Turn {
        self.mailbox.silence();
        let left = self.mailbox.drain(BATCH, &mut self.drained);
        for message in self.drained.drain(..) {
            match message {
                Message::Tell(n) => self.sum = self.sum.wrapping_add(n),
                Message::Ask(n, reply) => {
                    self.sum = self.sum.wrapping_add(n);
                    let _gone = reply.send(self.sum);
                }
                Message::Done(done) => done.notify_one(),
            }
        }
        if left > 0 && self.mailbox.ring() == Bell::Ring { Turn::More } else { Turn::Idle }
    }
}

#[derive(Clone)]
struct Doorbell {
    mailbox: Arc<Mailbox<Message>>,
    cell: ActorRef<Ring>,
}

impl Doorbell {
    fn start() -> Self {
        let mailbox = Arc::new(Mailbox::new(usize::MAX));
        let worker = Summing { mailbox: Arc::clone(&mailbox), drained: Vec::new(), sum: 0 };
        Self { mailbox, cell: cell::start(worker).unwrap() }
    }

    fn send(&self, message: Message) {
        let Ok(bell) = self.mailbox.push(message) else { panic!("the mailbox has no limit") };
        if bell == Bell::Ring {
            self.cell.cast(Ring).unwrap();
        }
    }
}

struct Plain;

enum PlainMessage {
    Tell(u64),
    Ask(u64, RpcReplyPort<u64>),
    Done(Arc<Notify>),
}

impl Actor for Plain {
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

async fn tells_doorbell(row: &mut Row, count: usize) {
    let (bell, done) = (Doorbell::start(), Arc::new(Notify::new()));
    let started = Instant::now();
    for n in 0..count as u64 {
        bell.send(Message::Tell(n));
    }
    bell.send(Message::Done(Arc::clone(&done)));
    done.notified().await;
    row.nanos(count, started.elapsed());
    bell.cell.stop(None);
}

async fn tells_plain(row: &mut Row, count: usize) {
    let done = Arc::new(Notify::new());
    let (actor, _) = Actor::spawn(None, Plain, ()).await.unwrap();
    let started = Instant::now();
    for n in 0..count as u64 {
        actor.cast(PlainMessage::Tell(n)).unwrap();
    }
    actor.cast(PlainMessage::Done(Arc::clone(&done))).unwrap();
    done.notified().await;
    row.nanos(count, started.elapsed());
    actor.stop(None);
}

async fn asks_doorbell(row: &mut Row, count: usize) {
    let bell = Doorbell::start();
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let bell = bell.clone();
            task::spawn(async move {
                for n in 0..(count / CALLERS) as u64 {
                    let (reply, answer) = oneshot::channel();
                    bell.send(Message::Ask(n, reply));
                    answer.await.unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    row.nanos(count, started.elapsed());
    bell.cell.stop(None);
}

async fn asks_plain(row: &mut Row, count: usize) {
    let (actor, _) = Actor::spawn(None, Plain, ()).await.unwrap();
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let actor = actor.clone();
            task::spawn(async move {
                for n in 0..(count / CALLERS) as u64 {
                    ractor::call!(actor, |reply| PlainMessage::Ask(n, reply)).unwrap();
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    row.nanos(count, started.elapsed());
    actor.stop(None);
}

#[tokio::main]
async fn main() {
    let size = Size::from_arguments();
    let mut tell = Row::new("tell, doorbell mailbox", "ns");
    let mut tell_plain = Row::new("tell, plain ractor", "ns");
    let mut ask = Row::new("ask at 64 concurrent, doorbell mailbox", "ns");
    let mut ask_plain = Row::new("ask at 64 concurrent, plain ractor", "ns");
    for _ in 0..size.runs() {
        tells_doorbell(&mut tell, size.operations(2_000_000)).await;
        tells_plain(&mut tell_plain, size.operations(2_000_000)).await;
        asks_doorbell(&mut ask, size.operations(1_000_000)).await;
        asks_plain(&mut ask_plain, size.operations(1_000_000)).await;
    }
    for row in [&tell, &tell_plain, &ask, &ask_plain] {
        row.print();
    }
    print_ratio("tell against plain ractor", &tell, &tell_plain);
    print_ratio("ask against plain ractor", &ask, &ask_plain);
}
