//! Counts of a workflow, and the rule by which it ends.
//!
//! `decide` applies a change to a copy, to know whether the workflow ends with it; `evolve` applies
//! the same change to the state. **Invariant:** a workflow ends exactly when no step is under way
//! and no reservation is open, and either every step is over or it was halted.

use serde::{Deserialize, Serialize};

use super::event::EndStatus;
use super::graph::{Cells, End, Graph, Ripple, StepStatus};
use crate::workflow::plan::OnFailure;

/// What happens to a workflow, as far as its counts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// A step under way did what it should, or some of it.
    Finished {
        place: u32,
        status: StepStatus,
        /// Whether the workflow ends behind it.
        ends: Option<EndStatus>,
        /// Whether money is reserved for it.
        paid: bool,
    },
    /// A step under way failed for good.
    Failed { place: u32, paid: bool },
    /// A step under way failed and is tried again later.
    PutOff { place: u32 },
    /// A step under way waits for a person.
    Parked { place: u32 },
    /// Its time to be tried again has come.
    Retried { place: u32 },
    /// A person has decided.
    Decided { place: u32, approved: bool },
    /// Money is reserved for a step under way.
    Held { place: u32 },
    /// A reservation has ended, as it should or not.
    Settled { as_it_should: bool },
    /// Nothing more is to start.
    Cancelled,
}

/// The counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Steps that aren't over.
    pub(super) unfinished: u32,
    /// Steps under way.
    pub(super) in_flight: u32,
    /// Reservations whose end isn't recorded.
    pub(super) settling: u32,
    pub(super) succeeded: u32,
    pub(super) partial: u32,
    pub(super) failed: u32,
    /// As what it ends once nothing is under way, where it doesn't wait for all steps.
    pub(super) halted: Option<EndStatus>,
}

impl Tally {
    /// How it ends now, if it does.
    pub(super) const fn ending(&self) -> Option<EndStatus> {
        if self.settling > 0 || self.in_flight > 0 {
            return None;
        }
        match self.halted {
            Some(status) => Some(status),
            None if self.unfinished > 0 => None,
            None if self.failed == 0 && self.partial == 0 => Some(EndStatus::Success),
            None if self.succeeded + self.partial == 0 => Some(EndStatus::Failed),
            None => Some(EndStatus::Partial),
        }
    }

    /// Halts it, unless it is; the first reason stands. `idle` are reservations that nobody will
    /// use any more: they are given back.
    fn halt(&mut self, status: EndStatus, idle: u32) {
        if self.halted.is_none() {
            self.halted = Some(status);
            self.settling += idle;
        }
    }

    /// Takes a change in. `idle` counts reservations of steps that aren't under way, but for the
    /// step of the change; `holds` says whether a step's condition does.
    pub(super) fn apply(
        &mut self,
        graph: &Graph,
        cells: &mut impl Cells,
        change: Change,
        idle: u32,
        holds: impl Fn(u32) -> bool,
    ) -> Ripple {
        let mut ripple = Ripple::default();
        match change {
            Change::Finished { place, status, ends, paid } => {
                self.leaves(paid);
                self.unfinished -= 1;
                let count = if status == StepStatus::Partial {
                    &mut self.partial
                } else {
                    &mut self.succeeded
                };
                *count += 1;
                set(cells, place, status);
                match ends {
                    Some(status) => self.halt(status, idle),
                    None => ripple = self.over(graph, cells, place, (status, End::Usable), holds),
                }
            }
            Change::Failed { place, paid } => {
                self.leaves(paid);
                self.unfinished -= 1;
                ripple = self.fail(graph, cells, place, idle, holds);
            }
            Change::PutOff { place } => {
                self.in_flight -= 1;
                set(cells, place, StepStatus::Queued);
            }
            Change::Parked { place } => {
                self.in_flight -= 1;
                set(cells, place, StepStatus::WaitingApproval);
            }
            Change::Retried { place } | Change::Decided { place, approved: true } => {
                set(cells, place, StepStatus::Queued);
                ripple.ready.push(place);
            }
            Change::Decided { place, approved: false } => {
                self.unfinished -= 1;
                set(cells, place, StepStatus::Rejected);
                self.halt(EndStatus::Rejected, idle);
            }
            // It was halted meanwhile: what was reserved is given back, and the step never runs.
            Change::Held { place } if self.halted.is_some() => {
                self.leaves(true);
                set(cells, place, StepStatus::Cancelled);
            }
            Change::Held { .. } => {}
            Change::Settled { as_it_should } => {
                self.settling -= 1;
                self.failed += u32::from(!as_it_should);
            }
            Change::Cancelled => self.halt(EndStatus::Cancelled, idle),
        }
        ripple
    }

    /// A step under way is over; a reservation for it has yet to end.
    const fn leaves(&mut self, paid: bool) {
        self.in_flight -= 1;
        self.settling += paid as u32;
    }

    fn fail(
        &mut self,
        graph: &Graph,
        cells: &mut impl Cells,
        place: u32,
        idle: u32,
        holds: impl Fn(u32) -> bool,
    ) -> Ripple {
        let failed = StepStatus::Failed;
        set(cells, place, failed);
        match graph.plan.steps[super::graph::index(place)].on_failure {
            OnFailure::Continue => self.over(graph, cells, place, (failed, End::Usable), holds),
            OnFailure::Partial => {
                self.failed += 1;
                self.over(graph, cells, place, (failed, End::Failed), holds)
            }
            OnFailure::Fail => {
                self.failed += 1;
                self.halt(EndStatus::Failed, idle);
                Ripple::default()
            }
        }
    }

    /// What follows from a step that is over; nothing where nothing more is to start.
    fn over(
        &mut self,
        graph: &Graph,
        cells: &mut impl Cells,
        place: u32,
        end: (StepStatus, End),
        holds: impl Fn(u32) -> bool,
    ) -> Ripple {
        if self.halted.is_some() {
            return Ripple::default();
        }
        let ripple = graph.over(cells, place, end, holds);
        self.unfinished -= ripple.skipped;
        ripple
    }
}

fn set(cells: &mut impl Cells, place: u32, status: StepStatus) {
    cells.set(place, cells.get(place).with(status));
}
