//! Incarnations: launched, up, asked to stop, killed.

use tokio::sync::watch;
use tokio::time::Instant;

use super::child::{Intent, Life, Stage};
use super::{Machine, answer};
use crate::exit::SHUTDOWN;
use crate::launch::{Launched, Launching, Stop, ended};
use crate::report::Event;
use crate::requests::Message;
use crate::spec::Shutdown;
use crate::subtree::Subtree;
use crate::task::{self, Timer};

impl Machine {
    /// Starts the next incarnation of a child that has none.
    pub(super) fn launch(&mut self, number: u64) {
        let Some(child) = self.children.get_mut(number) else { return };
        debug_assert!(child.life.is_none(), "one incarnation at a time");
        let incarnation = child.spec.status.next_incarnation();
        let subtree = Subtree::default();
        let announce = {
            let myself = self.myself.clone();
            Box::new(move || drop(myself.cast(Message::Up { number, incarnation })))
        };
        let launching = Launching {
            parent: self.myself.get_cell(),
            place: self.place.clone(),
            incarnation,
            subtree: subtree.clone(),
            announce,
        };
        let Launched { cell, starting, stop } = child.spec.launch.launch(launching);
        let timeout = child.spec.start_timeout;
        let overdue = Message::Overdue { number, incarnation };
        let timer = timeout.map(|time| Timer::after(time, self.myself.clone(), overdue));
        let (gone, when_gone) = watch::channel(());
        self.subtree.supervise(number, when_gone);
        let myself = self.myself.clone();
        let below = subtree.clone();
        task::spawn(async move {
            let start_failure = ended(starting, below).await;
            drop(gone);
            drop(myself.cast(Message::Gone { number, incarnation, start_failure }));
        });
        let life = Life {
            cell,
            incarnation,
            subtree,
            stop,
            stage: Stage::Starting,
            up_since: None,
            exit: None,
            start_timed_out: false,
            timer,
        };
        self.children.live(number, life);
    }

    /// A child has come up.
    pub(super) fn up(&mut self, number: u64, incarnation: u64) {
        let Some(child) = self.children.get_mut(number) else { return };
        let Some(life) = child.life.as_mut().filter(|life| life.incarnation == incarnation) else {
            return;
        };
        life.up_since.get_or_insert_with(Instant::now);
        if life.stage != Stage::Starting {
            return;
        }
        life.stage = Stage::Up;
        life.timer = None;
        child.was_up = true;
        child.is_provisional = false;
        let id = child.spec.id.clone();
        let starter = child.starter.take();
        let handle = child.spec.handle();
        child.publish();
        if self.starting == Some(number) {
            self.starting = None;
        }
        self.place.report(Event::ChildStarted { child: id, incarnation });
        if let Some(starter) = starter {
            answer(starter, Ok(handle));
        }
    }

    /// Stops a child as its specification says. One that is stopped already goes on as it is, with
    /// the new intent.
    pub(super) fn stop(&mut self, number: u64, intent: Intent) {
        let Some(child) = self.children.get_mut(number) else { return };
        let Some(life) = &mut child.life else { return };
        let was_stopping = matches!(life.stage, Stage::Stopping(_));
        life.stage = Stage::Stopping(intent);
        if was_stopping || life.exit.is_some() {
            return;
        }
        life.timer = None;
        let overdue = Message::Overdue { number, incarnation: life.incarnation };
        match child.spec.shutdown {
            Shutdown::Brutal => {
                let incarnation = life.incarnation;
                life.kill();
                let killed = Event::ChildKilled { child: child.spec.id.clone(), incarnation };
                self.place.report(killed);
            }
            Shutdown::Timeout(time) => {
                life.ask();
                life.timer = Some(Timer::after(time, self.myself.clone(), overdue));
            }
            Shutdown::Infinity => life.ask(),
        }
        child.publish();
    }

    /// A child's time to start or to stop is up.
    pub(super) fn overdue(&mut self, number: u64, incarnation: u64) {
        let Some(child) = self.children.get_mut(number) else { return };
        let Some(life) = child.life.as_mut().filter(|life| life.incarnation == incarnation) else {
            return;
        };
        // It came up, or ended, while the reminder was on its way.
        if life.stage == Stage::Up || life.exit.is_some() {
            return;
        }
        life.start_timed_out = life.stage == Stage::Starting;
        life.kill();
        let child = child.spec.id.clone();
        self.place.report(Event::ChildKilled { child, incarnation });
    }
}

impl Life {
    fn ask(&self) {
        match &self.stop {
            Stop::Actor => self.cell.stop(Some(SHUTDOWN.to_owned())),
            Stop::Task(raise) => {
                raise.raise();
                self.cell.stop(Some(SHUTDOWN.to_owned()));
            }
            // Not by ractor's stop: it must stop its children first.
            Stop::Supervisor(supervisor) => drop(supervisor.cast(Message::Shutdown)),
        }
    }
}
