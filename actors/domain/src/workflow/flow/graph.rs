//! A plan with its edges both ways, and what follows for other steps when one is over.
//!
//! The same rule is run twice: by `decide` on a draft, to know what an outcome leads to, and by
//! `evolve` on the state. **Invariant:** both see the same, since neither looks at anything but
//! cells and what conditions say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::plan::Plan;

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It waits for steps that it needs.
    Pending,
    /// It may run and waits for its turn.
    Queued,
    /// It is under way, or waits to be tried again.
    Running,
    /// Somebody must agree first.
    WaitingApproval,
    /// It did what it should.
    Success,
    /// It did some of it.
    Partial,
    /// It did not.
    Failed,
    /// It wasn't needed, or what it needs is not there.
    Skipped,
    /// The workflow was cancelled, or had ended before its turn.
    Cancelled,
    /// Somebody disagreed.
    Rejected,
}

impl StepStatus {
    /// Whether nothing changes it any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::Queued | Self::Running | Self::WaitingApproval => false,
            Self::Success
            | Self::Partial
            | Self::Failed
            | Self::Skipped
            | Self::Cancelled
            | Self::Rejected => true,
        }
    }

    /// Its name in answers and conditions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::WaitingApproval => "waiting_approval",
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
        }
    }
}

/// What of a step the rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) status: StepStatus,
    /// Steps that it needs and that aren't over.
    waiting: u32,
    /// Whether any that it needs can be used, or it needs none.
    live: bool,
    /// Whether one that it needs has failed.
    doomed: bool,
}

impl Cell {
    pub(super) const fn with(self, status: StepStatus) -> Self {
        Self { status, ..self }
    }
}

/// What a step that is over is to those that need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// They may use it.
    Usable,
    /// They can't run without it.
    Failed,
    /// It wasn't needed; they may run without it where another is there.
    Skipped,
}

/// What followed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ripple {
    /// Steps that may run now.
    pub(super) ready: Vec<u32>,
    /// Steps that somebody must agree to first.
    pub(super) asks: Vec<u32>,
    /// Steps that were skipped.
    pub(super) skipped: u32,
}

/// A plan that was checked, with its edges.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Graph {
    pub(super) plan: Plan,
    places: BTreeMap<Box<str>, u32>,
    dependents: Vec<Vec<u32>>,
}

/// Where cells are read and written.
pub(super) trait Cells {
    fn get(&self, place: u32) -> Cell;
    fn set(&mut self, place: u32, cell: Cell);
}

impl Cells for Vec<Cell> {
    fn get(&self, place: u32) -> Cell {
        self[index(place)]
    }

    fn set(&mut self, place: u32, cell: Cell) {
        self[index(place)] = cell;
    }
}

/// Cells as they would be: what changed lies over what is.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) base: &'a [Cell],
    pub(super) changed: BTreeMap<u32, Cell>,
}

impl Cells for Draft<'_> {
    fn get(&self, place: u32) -> Cell {
        self.changed.get(&place).copied().unwrap_or_else(|| self.base[index(place)])
    }

    fn set(&mut self, place: u32, cell: Cell) {
        self.changed.insert(place, cell);
    }
}

/// A place as an index; plans have fewer steps than either type has numbers.
pub(super) fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl Graph {
    /// Of a plan that was checked; needs that aren't there are left out.
    pub(super) fn new(plan: Plan) -> Self {
        let numbered = plan.steps.iter().enumerate();
        let places: BTreeMap<Box<str>, u32> =
            numbered.map(|(index, step)| (step.id.as_str().into(), place(index))).collect();
        let mut dependents = vec![Vec::new(); plan.steps.len()];
        for (number, step) in plan.steps.iter().enumerate() {
            for need in step.needs.iter().filter_map(|need| places.get(need.as_str())) {
                dependents[index(*need)].push(place(number));
            }
        }
        Self { plan, places, dependents }
    }

    /// The place of a step.
    pub(super) fn place(&self, id: &str) -> Option<u32> {
        self.places.get(id).copied()
    }

    /// How many steps there are.
    pub(super) fn count(&self) -> u32 {
        place(self.plan.steps.len())
    }

    /// Every step as it is before the first has started.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let fresh = |needs: usize| Cell {
            status: StepStatus::Pending,
            waiting: place(needs),
            live: needs == 0,
            doomed: false,
        };
        self.plan.steps.iter().map(|step| fresh(step.needs.len())).collect()
    }

    /// Lets those begin that need nothing.
    pub(super) fn begin(&self, cells: &mut impl Cells, holds: impl Fn(u32) -> bool) -> Ripple {
        let mut ripple = Ripple::default();
        let free: Vec<u32> = (0..self.count()).filter(|place| cells.get(*place).live).collect();
        let mut ended = Vec::new();
        for place in free {
            self.weigh(cells, place, &holds, &mut ripple, &mut ended);
        }
        self.spread(cells, ended, &holds, &mut ripple);
        ripple
    }

    /// Takes in that a step is over, and what follows from it.
    pub(super) fn over(
        &self,
        cells: &mut impl Cells,
        place: u32,
        (status, end): (StepStatus, End),
        holds: impl Fn(u32) -> bool,
    ) -> Ripple {
        let mut ripple = Ripple::default();
        cells.set(place, cells.get(place).with(status));
        self.spread(cells, vec![(place, end)], &holds, &mut ripple);
        ripple
    }

    fn spread(
        &self,
        cells: &mut impl Cells,
        mut ended: Vec<(u32, End)>,
        holds: &impl Fn(u32) -> bool,
        ripple: &mut Ripple,
    ) {
        while let Some((place, end)) = ended.pop() {
            for dependent in &self.dependents[index(place)] {
                let cell = cells.get(*dependent);
                let cell = Cell {
                    waiting: cell.waiting.saturating_sub(1),
                    live: cell.live || end == End::Usable,
                    doomed: cell.doomed || end == End::Failed,
                    ..cell
                };
                cells.set(*dependent, cell);
                if cell.waiting == 0 {
                    self.weigh(cells, *dependent, holds, ripple, &mut ended);
                }
            }
        }
        // The order of the plan, whatever the order in which they were found.
        ripple.ready.sort_unstable();
        ripple.asks.sort_unstable();
    }

    /// Decides what becomes of a step whose needs are all over.
    fn weigh(
        &self,
        cells: &mut impl Cells,
        place: u32,
        holds: &impl Fn(u32) -> bool,
        ripple: &mut Ripple,
        ended: &mut Vec<(u32, End)>,
    ) {
        let cell = cells.get(place);
        let step = &self.plan.steps[index(place)];
        let unwanted = cell.doomed || !cell.live || (step.when.is_some() && !holds(place));
        let status = if unwanted {
            ripple.skipped += 1;
            ended.push((place, if cell.doomed { End::Failed } else { End::Skipped }));
            StepStatus::Skipped
        } else if step.approval {
            ripple.asks.push(place);
            StepStatus::WaitingApproval
        } else {
            ripple.ready.push(place);
            StepStatus::Queued
        };
        cells.set(place, cell.with(status));
    }
}
