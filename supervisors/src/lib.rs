//! OTP supervision on ractor: who is restarted with whom, how often, after how long, and who is
//! stopped before whom.
//!
//! A [`SupervisorSpec`] names children in start order, each a [`ChildSpec`]: a ractor actor, an
//! async task or a further supervisor. [`Tree::start`] validates all of it and starts it;
//! [`Tree::outcome`] says why it ended. [`ChildHandle`] and [`SupervisorHandle`] outlive restarts.
//!
//! **Owns:** restart types, strategies, intensity, backoff, start and stop order, significant
//! children, escalation up to the root, reports. Names, numbers and edge cases are those of OTP's
//! `supervisor`; the README lists where it differs and why. **Invariants:** a child's next
//! incarnation starts only when the last one and everything below it are gone; a supervisor's loop
//! never waits; the same seed gives the same history under a current-thread runtime with paused
//! time.
//!
//! **Deliberately absent:** worker pools, registries of names, mailboxes, persistence of dynamic
//! children, anything of Coppice.

#![warn(missing_docs)]

mod actor;
pub mod backoff;
pub mod exit;
pub mod handle;
pub mod intensity;
mod launch;
mod machine;
pub mod report;
pub mod requests;
pub mod spec;
mod subtree;
mod task;
mod tracked;
pub mod tree;
pub mod view;
pub mod worker;

pub use backoff::Backoff;
pub use exit::{Cause, Escalation, ExitKind, ExitReason};
pub use handle::{ChildGone, ChildHandle, ChildState, ChildStatus};
pub use intensity::Intensity;
pub use report::{Event, Report, TreeOptions};
pub use requests::{RequestError, SupervisorHandle};
pub use spec::{
    AutoShutdown, ChildId, ChildKind, ChildSpec, Restart, Shutdown, SpecError, Strategy,
    SupervisorSpec,
};
pub use tree::{Outcome, StartError, Tree};
pub use view::{ChildCounts, ChildInfo, ChildSnapshot, SupervisorSnapshot, SupervisorState};
pub use worker::{StopSignal, StopSource, TaskContext};

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
