//! Ours, and what all have in common: the sum that each of them makes.

use std::sync::Arc;
use std::time::Instant;

use coppice_bench::Row;
use coppice_runtime::cell::{self, Ring, Turn, Worker};
use coppice_runtime::mailbox::{Bell, Mailbox};
use coppice_runtime::task;
use ractor::ActorRef;
use tokio::sync::{Notify, oneshot};

const CALLERS: usize = 64;
const BATCH: usize = 256;

pub(crate) enum Message {
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

/// Has as many callers as there are ask their share of `count`, and waits for them.
pub(crate) async fn callers<H, F>(handle: &H, count: usize, ask: impl Fn(H, u64) -> F)
where
    H: Clone,
    F: Future<Output = ()> + Send + 'static,
{
    let share = (count / CALLERS) as u64;
    let asking: Vec<_> = (0..CALLERS).map(|_| task::spawn(ask(handle.clone(), share))).collect();
    for caller in asking {
        caller.await.unwrap();
    }
}

pub(crate) async fn tells_doorbell(row: &mut Row, count: usize) {
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

pub(crate) async fn asks_doorbell(row: &mut Row, count: usize) {
    let bell = Doorbell::start();
    let started = Instant::now();
    callers(&bell, count, |bell, share| async move {
        for n in 0..share {
            let (reply, answer) = oneshot::channel();
            bell.send(Message::Ask(n, reply));
            answer.await.unwrap();
        }
    })
    .await;
    row.nanos(count, started.elapsed());
    bell.cell.stop(None);
}
