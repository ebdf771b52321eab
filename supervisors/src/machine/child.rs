//! The children of one supervisor, found by number (start order), by id and by actor.

use std::collections::BTreeMap;
use std::sync::Arc;

use ractor::{ActorCell, ActorId};
use tokio::time::Instant;

use crate::exit::ExitReason;
use crate::handle::{ChildHandle, ChildState};
use crate::launch::Stop;
use crate::requests::{Reply, RequestError};
use crate::spec::{ChildId, ChildKind, ChildSpec};
use crate::subtree::Subtree;
use crate::task::Timer;

/// What comes for a child that has no incarnation.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing, until someone asks.
    Rest,
    /// A start, when its turn comes.
    Queued,
    /// A restart, when its delay is over: alone, or with its group where there is no timer.
    Delayed(Option<Timer>),
}

/// What is to follow a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// The supervisor ends.
    End,
    /// It is started again with its group.
    Regroup,
    /// Someone terminates it.
    Terminate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Starting,
    Up,
    Stopping(Intent),
}

/// One incarnation, from its launch until it and all below it are gone.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) cell: ActorCell,
    pub(super) incarnation: u64,
    pub(super) subtree: Subtree,
    pub(super) stop: Stop,
    pub(super) stage: Stage,
    /// When it came up.
    pub(super) up_since: Option<Instant>,
    /// What ractor said of its end.
    pub(super) exit: Option<ExitReason>,
    pub(super) start_timed_out: bool,
    /// Its time to start, or to stop.
    pub(super) timer: Option<Timer>,
}

impl Life {
    pub(super) fn kill(&self) {
        self.subtree.kill(&self.cell);
    }
}

/// A child with or without a running incarnation.
pub(super) struct Child {
    pub(super) spec: Arc<ChildSpec>,
    pub(super) life: Option<Life>,
    pub(super) next: Next,
    /// Restarts it caused.
    pub(super) restarts: u64,
    /// Restarts it caused without health in between.
    pub(super) unhealthy: u32,
    pub(super) was_up: bool,
    /// Added at run time and not up yet: it goes again if it doesn't come up.
    pub(super) is_provisional: bool,
    pub(super) last_exit: Option<ExitReason>,
    /// Who waits for it to come up.
    pub(super) starter: Option<Reply<Result<ChildHandle, RequestError>>>,
    /// Who waits for it to be gone.
    pub(super) terminators: Vec<Reply<Result<(), RequestError>>>,
}

impl Child {
    pub(super) fn new(spec: Arc<ChildSpec>) -> Self {
        Self {
            spec,
            life: None,
            next: Next::Rest,
            restarts: 0,
            unhealthy: 0,
            was_up: false,
            is_provisional: false,
            last_exit: None,
            starter: None,
            terminators: Vec::new(),
        }
    }

    /// What comes next for a child that has no incarnation.
    pub(super) fn rest(&mut self, next: Next) {
        self.next = next;
        self.spec.status.rest(self.state());
    }

    pub(super) fn state(&self) -> ChildState {
        match (&self.life, &self.next) {
            (None, Next::Rest) => ChildState::Stopped,
            (None, Next::Queued) => ChildState::Waiting,
            (None, Next::Delayed(_)) => ChildState::Backoff,
            (Some(Life { exit: Some(_), .. }), _) => ChildState::Stopping,
            (Some(life), _) => match life.stage {
                Stage::Starting => ChildState::Starting,
                Stage::Up => ChildState::Up,
                Stage::Stopping(_) => ChildState::Stopping,
            },
        }
    }

    /// Tells the handles what there is to see of a running incarnation.
    pub(super) fn publish(&self) {
        let Some(life) = &self.life else { return };
        let state = self.state();
        let cell = (state == ChildState::Up).then(|| life.cell.clone());
        self.spec.status.publish(state, life.incarnation, cell);
    }
}

/// All children of a supervisor. A number is given once, so a late message can't meet another
/// child of the same id.
#[derive(Default)]
pub(super) struct Children {
    by_number: BTreeMap<u64, Child>,
    by_id: BTreeMap<ChildId, u64>,
    by_actor: BTreeMap<ActorId, u64>,
    added: u64,
}

impl Children {
    pub(super) fn add(&mut self, child: Child) -> u64 {
        self.added += 1;
        self.by_id.insert(child.spec.id.clone(), self.added);
        self.by_number.insert(self.added, child);
        self.added
    }

    pub(super) fn remove(&mut self, number: u64) {
        if let Some(child) = self.by_number.remove(&number) {
            self.by_id.remove(&child.spec.id);
            child.spec.status.rest(ChildState::Stopped);
        }
    }

    pub(super) fn live(&mut self, number: u64, life: Life) {
        self.by_actor.insert(life.cell.get_id(), number);
        if let Some(child) = self.get_mut(number) {
            child.life = Some(life);
            child.publish();
        }
    }

    /// Takes the incarnation out, if it is this one.
    pub(super) fn end(&mut self, number: u64, incarnation: u64) -> Option<Life> {
        let child = self.get_mut(number)?;
        let life = child.life.take_if(|life| life.incarnation == incarnation)?;
        self.by_actor.remove(&life.cell.get_id());
        Some(life)
    }

    /// ractor's word on an end: the first counts.
    pub(super) fn exited(&mut self, number: u64, reason: ExitReason) {
        if let Some(child) = self.get_mut(number) {
            if let Some(life) = &mut child.life {
                life.exit.get_or_insert(reason);
            }
            child.publish();
        }
    }

    /// The incarnation of a child that is up when ractor says that it has started.
    pub(super) fn ready_on_start(&self, number: u64) -> Option<u64> {
        let child = self.get(number)?;
        let life = child.life.as_ref()?;
        (child.spec.kind() == ChildKind::Worker).then_some(life.incarnation)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Child> {
        self.by_number.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Child> {
        self.by_number.get_mut(&number)
    }

    pub(super) fn number(&self, id: &ChildId) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    pub(super) fn number_of(&self, actor: ActorId) -> Option<u64> {
        self.by_actor.get(&actor).copied()
    }

    /// In start order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &Child)> {
        self.by_number.iter().map(|(number, child)| (*number, child))
    }

    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Child> {
        self.by_number.values_mut()
    }

    pub(super) fn numbered_mut(&mut self) -> impl DoubleEndedIterator<Item = (u64, &mut Child)> {
        self.by_number.iter_mut().map(|(number, child)| (*number, child))
    }

    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// How many have an incarnation.
    pub(super) fn active(&self) -> usize {
        self.by_actor.len()
    }
}
