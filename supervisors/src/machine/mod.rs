//! The supervisor's state machine: events in, launches and stops out, nothing awaited.
//!
//! An exit is acted upon when the incarnation is *gone*: the actor's task has ended and so has
//! everything below it. ractor's event, which comes before, only says why. So a restart can't meet
//! what it replaces, and two children that fall together are one restart: the second is found
//! fallen when its turn to be stopped comes.
//!
//! **Invariant:** an incarnation is matched by actor id (events) or by number and incarnation (own
//! messages); whatever matches nothing changes nothing.

mod child;
mod exits;
mod lives;
mod looks;
mod order;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorRef, SupervisionEvent};
use tokio::time::Instant;

use self::child::{Child, Children, Intent, Next};
use crate::backoff::Jitter;
use crate::exit::{Cause, Escalation, ExitReason};
use crate::handle::ChildState;
use crate::intensity::Window;
use crate::launch::Announce;
use crate::report::{Event, Place};
use crate::requests::Message;
use crate::spec::{ChildId, Strategy, SupervisorSpec};
use crate::subtree::Subtree;
use crate::task::Timer;

/// Why a supervisor ends.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    Shutdown,
    AutoShutdown(ChildId),
    Failed(Escalation),
}

#[derive(Debug)]
enum Phase {
    Starting,
    Running,
    Ending(Ending),
}

/// Children from a number on that are stopped, in reverse, to be started again, in order.
#[derive(Debug)]
struct Group {
    from: u64,
    /// When its delay is over.
    due: Instant,
    /// Rings then.
    timer: Option<Timer>,
}

/// One running supervisor.
pub(crate) struct Machine {
    myself: ActorRef<Message>,
    spec: Arc<SupervisorSpec>,
    place: Place,
    subtree: Subtree,
    /// Taken when all children are up.
    announce: Option<Announce>,
    children: Children,
    window: Window<u64>,
    jitter: Jitter,
    began: Instant,
    phase: Phase,
    group: Option<Group>,
    /// The child that starts now, before the next may.
    starting: Option<u64>,
}

impl Machine {
    pub(crate) fn new(
        myself: ActorRef<Message>,
        spec: Arc<SupervisorSpec>,
        place: Place,
        subtree: Subtree,
        announce: Announce,
    ) -> Self {
        spec.port.send_replace(Some(myself.clone()));
        Self {
            window: Window::new(spec.intensity),
            jitter: Jitter::of(place.options.jitter_seed, &place.path),
            myself,
            spec,
            place,
            subtree,
            announce: Some(announce),
            children: Children::default(),
            began: Instant::now(),
            phase: Phase::Starting,
            group: None,
            starting: None,
        }
    }

    /// Takes the children in; [`Machine::advance`] starts the first.
    pub(crate) fn begin(&mut self) {
        let spec = Arc::clone(&self.spec);
        for child in &spec.children {
            let mut child = Child::new(Arc::clone(child));
            child.rest(Next::Queued);
            self.children.add(child);
        }
    }

    /// ractor's events.
    pub(crate) fn observe(&mut self, event: &SupervisionEvent) {
        let Some(cell) = event.actor_cell() else { return };
        let number = self.children.number_of(cell.get_id());
        match (ExitReason::of(event), number) {
            (None, Some(number)) => {
                if let Some(incarnation) = self.children.ready_on_start(number) {
                    self.up(number, incarnation);
                }
            }
            (None, None) => {}
            (Some(reason), Some(number)) => self.children.exited(number, reason),
            (Some(reason), None) => self.place.report(Event::UnknownExit { reason }),
        }
    }

    /// Own messages.
    pub(crate) fn handle(&mut self, message: Message) {
        match message {
            Message::Up { number, incarnation } => self.up(number, incarnation),
            Message::Gone { number, incarnation, start_failure } => {
                self.gone(number, incarnation, start_failure);
            }
            Message::Overdue { number, incarnation } => self.overdue(number, incarnation),
            Message::Due { number } => self.due(number),
            // The timer only wakes the machine up: `advance` looks at the time.
            Message::GroupDue => {}
            Message::Shutdown => self.end(Ending::Shutdown),
            Message::StartChild(spec, reply) => self.start_child(spec, reply),
            Message::RestartChild(id, reply) => self.restart_child(&id, reply),
            Message::TerminateChild(id, reply) => self.terminate_child(&id, reply),
            Message::DeleteChild(id, reply) => answer(reply, self.delete_child(&id)),
            Message::FindChild(id, reply) => answer(reply, self.find_child(&id)),
            Message::WhichChildren(reply) => answer(reply, self.which_children()),
            Message::CountChildren(reply) => answer(reply, self.count_children()),
            Message::Look(reply) => answer(reply, self.look()),
        }
    }

    /// Stops all children, then ends. The first reason to end stays.
    fn end(&mut self, ending: Ending) {
        if self.is_ending() {
            return;
        }
        match &ending {
            Ending::Shutdown => {}
            Ending::AutoShutdown(child) => {
                self.place.report(Event::AutoShutdown { child: child.clone() });
            }
            Ending::Failed(escalation) => {
                self.place.report(Event::Escalating(escalation.clone()));
            }
        }
        self.phase = Phase::Ending(ending);
        self.group = None;
        for child in self.children.iter_mut() {
            if child.life.is_none() {
                child.rest(Next::Rest);
            }
            child.starter = None;
        }
        if self.spec.strategy == Strategy::Dynamic {
            let numbers: Vec<_> = self.children.iter().map(|(number, _)| number).collect();
            for number in numbers {
                self.stop(number, Intent::End);
            }
        }
    }

    const fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_))
    }

    /// However it ended: whoever asks finds nobody, and nobody is left who was only starting and
    /// so isn't linked yet.
    pub(crate) fn close(&mut self) {
        self.spec.port.send_replace(None);
        for child in self.children.iter_mut() {
            if let Some(life) = child.life.take() {
                life.kill();
            }
            child.spec.status.rest(ChildState::Stopped);
        }
    }

    fn give_up(&mut self, child: ChildId, cause: Cause, reason: ExitReason) {
        let supervisor = Arc::clone(&self.place.path);
        self.end(Ending::Failed(Escalation { supervisor, child, cause, reason }));
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Answers, if anyone still waits.
fn answer<T>(reply: crate::requests::Reply<T>, answer: T) {
    drop(reply.send(answer));
}
