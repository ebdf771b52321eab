//! What a specification must not say. All of a tree is read before any of it starts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::spec::{
    AutoShutdown, ChildId, ChildKind, ChildSpec, Restart, Shutdown, Strategy, SupervisorSpec,
};

/// Longer than any restart window, delay or patience that makes sense: a mistaken unit.
const DURATION_MAX: Duration = Duration::from_hours(24);

/// More restarts within one period than anyone means to sit through.
const INTENSITY_MAX: u32 = 10_000;

/// What is wrong with a specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A supervisor has no name.
    #[error("a supervisor has an empty name")]
    SupervisorNameEmpty,
    /// A child has no id.
    #[error("a child of {supervisor} has an empty id")]
    ChildIdEmpty {
        /// Whose child.
        supervisor: Arc<str>,
    },
    /// Two children have the same id.
    #[error("{supervisor} has two children {child}")]
    ChildIdDuplicate {
        /// Whose children.
        supervisor: Arc<str>,
        /// Their id.
        child: ChildId,
    },
    /// The intensity is counted over no time.
    #[error("the period of {supervisor} is zero")]
    PeriodZero {
        /// Whose period.
        supervisor: Arc<str>,
    },
    /// The intensity is counted over more than a day.
    #[error("the period of {supervisor} is longer than a day")]
    PeriodTooLong {
        /// Whose period.
        supervisor: Arc<str>,
    },
    /// More than 10,000 restarts within a period.
    #[error("the intensity of {supervisor} is above {INTENSITY_MAX}")]
    IntensityTooHigh {
        /// Whose intensity.
        supervisor: Arc<str>,
    },
    /// A dynamic supervisor starts empty.
    #[error("dynamic supervisor {supervisor} has children in its specification")]
    DynamicWithChildren {
        /// Which one.
        supervisor: Arc<str>,
    },
    /// More children than it takes.
    #[error("{supervisor} has more children than the {children_max} it takes")]
    TooManyChildren {
        /// Which one.
        supervisor: Arc<str>,
        /// Its limit.
        children_max: usize,
    },
    /// A permanent child never ends for good, so its end can't be significant.
    #[error("{child} is significant and permanent")]
    SignificantPermanent {
        /// Which one.
        child: ChildId,
    },
    /// A significant child under a supervisor that never shuts itself down.
    #[error("{child} is significant and its supervisor never shuts itself down")]
    SignificantWithoutAutoShutdown {
        /// Which one.
        child: ChildId,
    },
    /// A supervisor that is killed can't stop its children in order.
    #[error("supervisor {child} is to be stopped brutally")]
    SupervisorBrutal {
        /// Which one.
        child: ChildId,
    },
    /// No time to stop; say [`Shutdown::Brutal`].
    #[error("the shutdown timeout of {child} is zero")]
    ShutdownTimeoutZero {
        /// Whose timeout.
        child: ChildId,
    },
    /// More than a day to stop; say [`Shutdown::Infinity`].
    #[error("the shutdown timeout of {child} is longer than a day")]
    ShutdownTimeoutTooLong {
        /// Whose timeout.
        child: ChildId,
    },
    /// No time to start.
    #[error("the start timeout of {child} is zero")]
    StartTimeoutZero {
        /// Whose timeout.
        child: ChildId,
    },
    /// More than a day to start; say `None`.
    #[error("the start timeout of {child} is longer than a day")]
    StartTimeoutTooLong {
        /// Whose timeout.
        child: ChildId,
    },
    /// The first delay is above the longest one.
    #[error("the restart delay of {child} begins above its maximum")]
    BackoffAboveMax {
        /// Whose delay.
        child: ChildId,
    },
    /// A delay of more than a day.
    #[error("the restart delay of {child} is longer than a day")]
    BackoffTooLong {
        /// Whose delay.
        child: ChildId,
    },
    /// Delays that vanish.
    #[error("the restart delay of {child} grows by a factor of zero")]
    BackoffFactorZero {
        /// Whose delay.
        child: ChildId,
    },
    /// More jitter than delay.
    #[error("the jitter of {child} is above 100 percent")]
    BackoffJitterAboveWhole {
        /// Whose delay.
        child: ChildId,
    },
    /// Every restart would count as healthy.
    #[error("the restart delay of {child} is reset after no time")]
    BackoffResetZero {
        /// Whose delay.
        child: ChildId,
    },
}

impl SupervisorSpec {
    /// Whether all of the tree from here on makes sense.
    ///
    /// # Errors
    /// The first thing that doesn't, supervisor before children, children in start order.
    pub fn validate(&self) -> Result<(), SpecError> {
        self.validate_own()?;
        let mut ids = BTreeSet::new();
        for child in &self.children {
            child.validate(self)?;
            if !ids.insert(&child.id) {
                let (supervisor, child) = (Arc::clone(&self.name), child.id.clone());
                return Err(SpecError::ChildIdDuplicate { supervisor, child });
            }
        }
        Ok(())
    }

    fn validate_own(&self) -> Result<(), SpecError> {
        let supervisor = Arc::clone(&self.name);
        if supervisor.is_empty() {
            Err(SpecError::SupervisorNameEmpty)
        } else if self.intensity.period.is_zero() {
            Err(SpecError::PeriodZero { supervisor })
        } else if self.intensity.period > DURATION_MAX {
            Err(SpecError::PeriodTooLong { supervisor })
        } else if self.intensity.restarts > INTENSITY_MAX {
            Err(SpecError::IntensityTooHigh { supervisor })
        } else if self.strategy == Strategy::Dynamic && !self.children.is_empty() {
            Err(SpecError::DynamicWithChildren { supervisor })
        } else if self.children.len() > self.children_max {
            Err(SpecError::TooManyChildren { supervisor, children_max: self.children_max })
        } else {
            Ok(())
        }
    }
}

impl ChildSpec {
    /// Whether this child, and all below it, makes sense under that supervisor.
    pub(crate) fn validate(&self, under: &SupervisorSpec) -> Result<(), SpecError> {
        let child = self.id.clone();
        if child.as_str().is_empty() {
            return Err(SpecError::ChildIdEmpty { supervisor: Arc::clone(&under.name) });
        }
        if self.significant {
            if self.restart == Restart::Permanent {
                return Err(SpecError::SignificantPermanent { child });
            }
            if under.auto_shutdown == AutoShutdown::Never {
                return Err(SpecError::SignificantWithoutAutoShutdown { child });
            }
        }
        self.validate_times()?;
        self.validate_backoff()?;
        self.launch.supervisor().map_or(Ok(()), |spec| spec.validate())
    }

    fn validate_times(&self) -> Result<(), SpecError> {
        let child = self.id.clone();
        match self.shutdown {
            Shutdown::Brutal if self.kind() == ChildKind::Supervisor => {
                return Err(SpecError::SupervisorBrutal { child });
            }
            Shutdown::Timeout(time) if time.is_zero() => {
                return Err(SpecError::ShutdownTimeoutZero { child });
            }
            Shutdown::Timeout(time) if time > DURATION_MAX => {
                return Err(SpecError::ShutdownTimeoutTooLong { child });
            }
            Shutdown::Brutal | Shutdown::Timeout(_) | Shutdown::Infinity => {}
        }
        match self.start_timeout {
            Some(Duration::ZERO) => Err(SpecError::StartTimeoutZero { child }),
            Some(time) if time > DURATION_MAX => Err(SpecError::StartTimeoutTooLong { child }),
            _ => Ok(()),
        }
    }

    fn validate_backoff(&self) -> Result<(), SpecError> {
        let child = self.id.clone();
        let backoff = &self.backoff;
        if backoff.max > DURATION_MAX {
            Err(SpecError::BackoffTooLong { child })
        } else if backoff.initial > backoff.max {
            Err(SpecError::BackoffAboveMax { child })
        } else if backoff.factor == 0 {
            Err(SpecError::BackoffFactorZero { child })
        } else if backoff.jitter_percent > 100 {
            Err(SpecError::BackoffJitterAboveWhole { child })
        } else if backoff.reset_after.is_zero() {
            Err(SpecError::BackoffResetZero { child })
        } else {
            Ok(())
        }
    }
}
