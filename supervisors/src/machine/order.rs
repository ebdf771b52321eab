//! Who is stopped next, who is started next.
//!
//! Ordered stops and starts are level-triggered: after every event [`Machine::advance`] looks at
//! what there is and takes the next step. Nothing has to be remembered that an event could make
//! wrong.

use tokio::time::Instant;

use super::child::{Child, Intent, Life, Next, Stage};
use super::{Ending, Machine, Phase};
use crate::report::Event;
use crate::requests::Message;
use crate::spec::Strategy;
use crate::task::Timer;

impl Machine {
    /// Takes the next step. Why the supervisor ends, once all its children are gone.
    pub(crate) fn advance(&mut self) -> Option<Ending> {
        if let Phase::Ending(ending) = &self.phase {
            let ending = ending.clone();
            return self.wind_up().then_some(ending);
        }
        self.advance_group();
        self.start_next();
        self.announce_when_up();
        None
    }

    /// Stops the children in reverse, one after the other. Whether all are gone.
    fn wind_up(&mut self) -> bool {
        if self.children.active() == 0 {
            self.place.report(Event::SupervisorStopped);
            return true;
        }
        // Those of a dynamic one have all been told at once.
        if self.spec.strategy != Strategy::Dynamic {
            self.stop_last(0, Intent::End);
        }
        false
    }

    /// Stops the last child from a number on that still runs. Whether there is none.
    fn stop_last(&mut self, from: u64, intent: Intent) -> bool {
        let is_terminated = |life: &Life| life.stage == Stage::Stopping(Intent::Terminate);
        let running = |(number, child): (u64, &Child)| {
            child.life.as_ref().map(|life| (number, is_terminated(life)))
        };
        let last = self.children.iter().rev().find_map(running);
        let Some((number, is_terminated)) = last.filter(|(number, _)| *number >= from) else {
            return true;
        };
        // One that someone terminates stays terminated.
        if intent == Intent::End || !is_terminated {
            self.stop(number, intent);
        }
        false
    }

    /// A group is stopped, waits out its delay, and is then started in order.
    fn advance_group(&mut self) {
        let Some(from) = self.group.as_ref().map(|group| group.from) else { return };
        if !self.stop_last(from, Intent::Regroup) {
            return;
        }
        let myself = self.myself.clone();
        let Some(group) = &mut self.group else { return };
        let left = group.due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            group.timer.get_or_insert_with(|| Timer::after(left, myself, Message::GroupDue));
            return;
        }
        self.group = None;
        for child in self.children.iter_mut() {
            if matches!(child.next, Next::Delayed(None)) {
                child.rest(Next::Queued);
            }
        }
    }

    /// Starts the first child that waits for its turn, when the one before is up.
    fn start_next(&mut self) {
        if self.spec.strategy == Strategy::Dynamic || self.is_ordering() {
            return;
        }
        let is_queued = |child: &Child| child.life.is_none() && matches!(child.next, Next::Queued);
        let first = self.children.iter().find(|(_, child)| is_queued(child));
        if let Some(number) = first.map(|(number, _)| number) {
            self.starting = Some(number);
            self.launch(number);
        }
    }

    /// Whether a child that is to be started must wait for others.
    pub(super) fn is_ordering(&self) -> bool {
        self.group.is_some() || self.starting.is_some()
    }

    fn announce_when_up(&mut self) {
        if matches!(self.phase, Phase::Starting) && !self.is_ordering() {
            self.phase = Phase::Running;
            self.place.report(Event::SupervisorStarted);
            if let Some(announce) = self.announce.take() {
                announce();
            }
        }
    }
}
