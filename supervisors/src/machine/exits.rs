//! What follows an exit: nothing, a restart, or the end of the supervisor.

use std::time::Duration;

use tokio::time::Instant;

use super::child::{Intent, Life, Next, Stage};
use super::{Ending, Group, Machine, Phase, answer};
use crate::exit::{Cause, ExitReason};
use crate::report::Event;
use crate::requests::{Message, RequestError};
use crate::spec::{AutoShutdown, Restart, Strategy};
use crate::task::Timer;

impl Machine {
    /// An incarnation and all below it are gone.
    pub(super) fn gone(&mut self, number: u64, incarnation: u64, start_failure: Option<String>) {
        let Some(life) = self.children.end(number, incarnation) else { return };
        self.subtree.release(number);
        if self.starting == Some(number) {
            self.starting = None;
        }
        let reason = life.reason(start_failure);
        if let Some(child) = self.children.get_mut(number) {
            child.last_exit = Some(reason.clone());
        }
        match life.stage {
            Stage::Stopping(intent) => self.stopped(number, &life, intent, reason),
            Stage::Starting | Stage::Up if life.failed_to_start(&reason) => {
                self.start_failed(number, &life, reason);
            }
            Stage::Starting | Stage::Up => self.exited(number, &life, reason),
        }
    }

    fn stopped(&mut self, number: u64, life: &Life, intent: Intent, reason: ExitReason) {
        let Some(child) = self.children.get_mut(number) else { return };
        let terminators = std::mem::take(&mut child.terminators);
        let is_temporary = child.spec.restart == Restart::Temporary;
        let comes_back = intent == Intent::Regroup && !is_temporary;
        let starter = child.starter.take_if(|_| !comes_back);
        child.rest(if comes_back { Next::Queued } else { Next::Rest });
        let (id, incarnation) = (child.spec.id.clone(), life.incarnation);
        self.place.report(Event::ChildTerminated { child: id, incarnation, reason });
        if is_temporary {
            self.children.remove(number);
        }
        for terminator in terminators {
            answer(terminator, Ok(()));
        }
        if let Some(starter) = starter {
            answer(starter, Err(RequestError::Terminated));
        }
    }

    fn exited(&mut self, number: u64, life: &Life, reason: ExitReason) {
        let Some(child) = self.children.get_mut(number) else { return };
        let reset_after = child.spec.backoff.reset_after;
        if life.up_since.is_some_and(|since| since.elapsed() >= reset_after) {
            child.unhealthy = 0;
        }
        let (id, restart) = (child.spec.id.clone(), child.spec.restart);
        let is_significant = child.spec.significant;
        let (child, incarnation) = (id.clone(), life.incarnation);
        self.place.report(Event::ChildExited { child, incarnation, reason: reason.clone() });
        if self.is_being_stopped(number) {
            self.join_the_stopped(number);
            return;
        }
        if restart.applies_to(reason.kind()) {
            self.restart(number, reason);
            return;
        }
        self.forget(number);
        if is_significant && self.is_over() {
            self.end(Ending::AutoShutdown(id));
        }
    }

    /// Whether its turn to be stopped, with its group or with all, was yet to come. Then its own end
    /// changes nothing: two that fall together are one restart.
    fn is_being_stopped(&self, number: u64) -> bool {
        self.is_ending() || self.group.as_ref().is_some_and(|group| number >= group.from)
    }

    fn join_the_stopped(&mut self, number: u64) {
        let next = if self.is_ending() { Next::Rest } else { Next::Queued };
        let Some(child) = self.children.get_mut(number) else { return };
        if child.spec.restart == Restart::Temporary {
            self.children.remove(number);
        } else {
            child.rest(next);
        }
    }

    /// One that ended by itself and isn't started again.
    fn forget(&mut self, number: u64) {
        let is_dynamic = self.spec.strategy == Strategy::Dynamic;
        let Some(child) = self.children.get_mut(number) else { return };
        if is_dynamic || child.spec.restart == Restart::Temporary {
            self.children.remove(number);
        } else {
            child.rest(Next::Rest);
        }
    }

    /// Whether the end of a significant child ends the supervisor.
    fn is_over(&self) -> bool {
        let is_left = |child: &super::Child| child.spec.significant && child.is_expected();
        match self.spec.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self.children.iter().any(|(_, child)| is_left(child)),
        }
    }

    fn start_failed(&mut self, number: u64, life: &Life, reason: ExitReason) {
        let Some(child) = self.children.get_mut(number) else { return };
        let (was_up, starter) = (child.was_up, child.starter.take());
        let is_provisional = child.is_provisional;
        let id = child.spec.id.clone();
        child.rest(Next::Rest);
        let (child, incarnation) = (id.clone(), life.incarnation);
        self.place.report(Event::ChildStartFailed { child, incarnation, reason: reason.clone() });
        if let Some(starter) = starter {
            // Whoever asked for the start decides what follows.
            if is_provisional {
                self.children.remove(number);
            }
            answer(starter, Err(RequestError::StartFailed(reason)));
        } else if self.is_being_stopped(number) {
            self.join_the_stopped(number);
        } else if !was_up && matches!(self.phase, Phase::Starting) {
            self.give_up(id, Cause::StartFailed, reason);
        } else {
            self.restart(number, reason);
        }
    }

    /// Counts a restart and sets it going, or gives up.
    fn restart(&mut self, number: u64, reason: ExitReason) {
        let (strategy, intensity) = (self.spec.strategy, self.spec.intensity);
        let is_admitted = self.window.admit(self.elapsed(), number);
        let Some(child) = self.children.get_mut(number) else { return };
        let id = child.spec.id.clone();
        if !is_admitted {
            child.rest(Next::Rest);
            let (intensity, period) = (intensity.restarts, intensity.period);
            self.give_up(id, Cause::IntensityExceeded { intensity, period }, reason);
            return;
        }
        let delay = child.spec.backoff.delay(child.unhealthy, &mut self.jitter);
        child.restarts += 1;
        child.unhealthy = child.unhealthy.saturating_add(1);
        self.place.report(Event::ChildRestarting { child: id, delay, strategy });
        match strategy {
            Strategy::OneForOne | Strategy::Dynamic => self.restart_alone(number, delay),
            Strategy::OneForAll => self.restart_from(0, number, delay),
            Strategy::RestForOne => self.restart_from(number, number, delay),
        }
    }

    fn restart_alone(&mut self, number: u64, delay: Duration) {
        if delay.is_zero() {
            self.launch(number);
            return;
        }
        let timer = Timer::after(delay, self.myself.clone(), Message::Due { number });
        if let Some(child) = self.children.get_mut(number) {
            child.rest(Next::Delayed(Some(timer)));
        }
    }

    /// A child's own restart delay is over.
    pub(super) fn due(&mut self, number: u64) {
        let child = self.children.get(number);
        if child.is_some_and(|child| matches!(child.next, Next::Delayed(Some(_))))
            && child.is_some_and(|child| child.life.is_none())
        {
            self.launch(number);
        }
    }

    /// Restarts a group, with one that is being restarted already if there is one. As in OTP all
    /// members are started again, those that had ended before too.
    fn restart_from(&mut self, from: u64, fallen: u64, delay: Duration) {
        let due = Instant::now() + delay;
        let group = self.group.take();
        let from = group.as_ref().map_or(from, |group| group.from.min(from));
        let due = group.map_or(due, |group| group.due.max(due));
        self.group = Some(Group { from, due, timer: None });
        for (number, child) in self.children.numbered_mut() {
            if number >= from && child.life.is_none() {
                let is_fallen = number == fallen;
                child.rest(if is_fallen { Next::Delayed(None) } else { Next::Queued });
            }
        }
    }
}

impl super::Child {
    /// Whether it runs or is about to.
    fn is_expected(&self) -> bool {
        self.life.is_some() || !matches!(self.next, Next::Rest)
    }
}

impl Life {
    fn reason(&self, start_failure: Option<String>) -> ExitReason {
        if self.start_timed_out {
            return ExitReason::StartTimedOut;
        }
        if let Some(failure) = start_failure {
            return ExitReason::StartFailed(failure.into());
        }
        // ractor tells of every end before the task is over; one without is one by force.
        self.exit.clone().unwrap_or(ExitReason::Killed)
    }

    fn failed_to_start(&self, reason: &ExitReason) -> bool {
        self.up_since.is_none() && reason.kind().is_abnormal()
    }
}
