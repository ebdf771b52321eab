//! How a child ended, and how a supervisor says that it gave up.
//!
//! | What happened | [`ExitReason`] | [`ExitKind`] |
//! |---|---|---|
//! | a task returned `Ok`; an actor stopped itself, drained, or gave a reason of its own | `Normal` | normal |
//! | stopped with the reason `shutdown`; a supervisor shut itself down | `Shutdown` | shutdown |
//! | panic or `Err` | `Crash` | crash |
//! | killed, which ractor reports as terminated, or its task was cancelled | `Killed` | killed |
//! | it never came up | `StartFailed`, `StartTimedOut` | crash |
//! | a supervisor gave up | `Escalated` | crash |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorProcessingErr, SupervisionEvent};

use crate::spec::ChildId;

/// The reason that a supervisor gives to an actor it stops.
pub(crate) const SHUTDOWN: &str = "shutdown";

/// The reason that ractor gives for an actor it was told to kill.
const KILLED: &str = "killed";

/// Why a child ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExitReason {
    /// It was done.
    #[error("ended normally")]
    Normal,
    /// It was asked to stop, and did.
    #[error("shut down")]
    Shutdown,
    /// A panic or an error, in its own words.
    #[error("crashed: {0}")]
    Crash(Arc<str>),
    /// It was ended without being asked.
    #[error("killed")]
    Killed,
    /// It never came up.
    #[error("failed to start: {0}")]
    StartFailed(Arc<str>),
    /// It wasn't up within its start timeout.
    #[error("did not start in time")]
    StartTimedOut,
    /// It is a supervisor and gave up.
    #[error("gave up")]
    Escalated(#[source] Arc<Escalation>),
}

/// What a restart type looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitKind {
    /// It was done.
    Normal,
    /// It was asked to stop, or a supervisor shut itself down.
    Shutdown,
    /// A panic, an error, a failed start, a supervisor that gave up.
    Crash,
    /// Ended without being asked.
    Killed,
}

/// Why a supervisor gave up on a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It had to be restarted more than `intensity` times within `period`.
    IntensityExceeded {
        /// The restarts that were allowed.
        intensity: u32,
        /// The window they were counted in.
        period: Duration,
    },
    /// It failed to start while the supervisor itself was starting.
    StartFailed,
}

/// A supervisor that gave up: what its parent sees as that child's abnormal exit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("supervisor {supervisor} gave up: child {child} {cause}")]
pub struct Escalation {
    /// The supervisor's path from the root.
    pub supervisor: Arc<str>,
    /// The child that it gave up on.
    pub child: ChildId,
    /// What was too much.
    pub cause: Cause,
    /// The child's last exit.
    #[source]
    pub reason: ExitReason,
}

impl ExitReason {
    /// What a restart type makes of it.
    #[must_use]
    pub const fn kind(&self) -> ExitKind {
        match self {
            Self::Normal => ExitKind::Normal,
            Self::Shutdown => ExitKind::Shutdown,
            Self::Killed => ExitKind::Killed,
            Self::Crash(_) | Self::StartFailed(_) | Self::StartTimedOut | Self::Escalated(_) => {
                ExitKind::Crash
            }
        }
    }

    /// What ractor said of an actor's end; nothing where the event isn't an end.
    pub(crate) fn of(event: &SupervisionEvent) -> Option<Self> {
        match event {
            // Whose task was cancelled has no state to hand over.
            SupervisionEvent::ActorTerminated(_, None, _) => Some(Self::Killed),
            SupervisionEvent::ActorTerminated(_, Some(_), reason) => {
                Some(match reason.as_deref() {
                    Some(KILLED) => Self::Killed,
                    Some(SHUTDOWN) => Self::Shutdown,
                    Some(_) | None => Self::Normal,
                })
            }
            SupervisionEvent::ActorFailed(_, error) => Some(Self::of_error(error)),
            _ => None,
        }
    }

    fn of_error(error: &ActorProcessingErr) -> Self {
        match error.downcast_ref::<Escalation>() {
            Some(escalation) => Self::Escalated(Arc::new(escalation.clone())),
            None => Self::Crash(error.to_string().into()),
        }
    }
}

impl ExitKind {
    /// Whether it is a failure.
    #[must_use]
    pub const fn is_abnormal(self) -> bool {
        matches!(self, Self::Crash | Self::Killed)
    }
}

impl Escalation {
    /// This supervisor, then the one below that made it give up, down to where it began.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |above| match &above.reason {
            ExitReason::Escalated(below) => Some(below.as_ref()),
            _ => None,
        })
    }

    /// The exit that began it.
    #[must_use]
    pub fn origin(&self) -> &ExitReason {
        match &self.reason {
            ExitReason::Escalated(below) => below.origin(),
            reason => reason,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IntensityExceeded { intensity, period } => {
                write!(f, "needed more than {intensity} restarts within {period:?}")
            }
            Self::StartFailed => f.write_str("failed to start"),
        }
    }
}
