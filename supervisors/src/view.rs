//! A look at a tree as plain data. Supervisors keep nothing for it but what they need anyway.

use std::time::Duration;

use crate::exit::ExitReason;
use crate::handle::ChildState;
use crate::spec::{ChildId, ChildKind, Restart, Strategy};

/// A child as its supervisor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildInfo {
    /// Its name among its siblings.
    pub id: ChildId,
    /// Worker or supervisor.
    pub kind: ChildKind,
    /// When it is restarted.
    pub restart: Restart,
    /// Whether its end may end the supervisor.
    pub significant: bool,
    /// Where it is.
    pub state: ChildState,
    /// How many times it has been started.
    pub incarnation: u64,
    /// Restarts that it caused since its supervisor started.
    pub restarts: u64,
    /// Those of them that still count against the intensity.
    pub restarts_in_window: usize,
    /// How its last incarnation ended.
    pub last_exit: Option<ExitReason>,
}

/// How many children there are, as OTP's `count_children`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChildCounts {
    /// Specifications, running or not.
    pub specs: usize,
    /// Children that run, from their launch to their end.
    pub active: usize,
    /// Specifications of supervisors.
    pub supervisors: usize,
    /// Specifications of workers.
    pub workers: usize,
}

/// A supervisor and all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorSnapshot {
    /// Its name.
    pub name: String,
    /// Who is restarted with whom.
    pub strategy: Strategy,
    /// Where it is.
    pub state: SupervisorState,
    /// The restarts it puts up with within the period.
    pub intensity: u32,
    /// The window they are counted in.
    pub period: Duration,
    /// The restarts that count now.
    pub restarts_in_window: usize,
    /// In start order.
    pub children: Vec<ChildSnapshot>,
}

/// A child and, where it is a running supervisor, all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildSnapshot {
    /// The child.
    pub info: ChildInfo,
    /// What is below it.
    pub supervisor: Option<SupervisorSnapshot>,
}

/// Where a supervisor is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupervisorState {
    /// Not all children have been up yet.
    Starting,
    /// All have been.
    Running,
    /// A group of children is being stopped in order to be restarted, or waits out its delay.
    RestartingGroup,
    /// It stops its children, then itself.
    Stopping,
}
