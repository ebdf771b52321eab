//! A spawn until the actor may be sent to: a cell, a plain ractor actor, a kameo actor, a task.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use coppice_bench::{Row, Size, print_ratio};
use coppice_runtime::cell::{self, Turn, Worker};
use coppice_runtime::task;
use kameo::actor::Spawn as _;
use ractor::{ActorProcessingErr, ActorRef};
use tokio::sync::mpsc;

struct Still;

impl Worker for Still {
    async fn turn(&mut self) -> Turn {
        Turn::Idle
    }
}

struct Plain;

impl ractor::Actor for Plain {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

struct Kameo;

impl kameo::Actor for Kameo {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(state: Self, _: kameo::actor::ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(state)
    }
}

/// What was started ends between the rows, so that none pays for another's end.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

pub(crate) async fn spawns(size: Size) {
    let count = size.operations(20_000);
    let mut ours = Row::new("spawn of a cell", "ns");
    let mut peers = ["plain ractor actor", "kameo actor", "tokio task with a channel"]
        .map(|peer| Row::new(&format!("spawn of a {peer}"), "ns"));
    for _ in 0..size.runs() {
        let started = Instant::now();
        let cells: Vec<_> = (0..count).map(|_| cell::start(Still).unwrap()).collect();
        ours.nanos(count, started.elapsed());
        cells.iter().for_each(|cell| cell.stop(None));
        settle().await;

        let started = Instant::now();
        let mut actors = Vec::with_capacity(count);
        for _ in 0..count {
            actors.push(ractor::Actor::spawn(None, Plain, ()).await.unwrap().0);
        }
        peers[0].nanos(count, started.elapsed());
        actors.iter().for_each(|actor| actor.stop(None));
        settle().await;

        let started = Instant::now();
        let actors: Vec<_> = (0..count).map(|_| Kameo::spawn(Kameo)).collect();
        peers[1].nanos(count, started.elapsed());
        actors.iter().for_each(kameo::actor::ActorRef::kill);
        settle().await;

        let started = Instant::now();
        let tasks: Vec<_> = (0..count).map(|_| channel_task()).collect();
        peers[2].nanos(count, started.elapsed());
        drop(tasks);
        settle().await;
    }
    ours.print();
    for peer in &peers {
        peer.print();
        print_ratio("  of it", &ours, peer);
    }
}

fn channel_task() -> mpsc::Sender<()> {
    let (tell, mut told) = mpsc::channel(64);
    drop(task::spawn(async move { while told.recv().await.is_some() {} }));
    tell
}
