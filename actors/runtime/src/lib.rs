//! The shell around an entity.

#![warn(missing_docs)]

pub mod answer;
pub mod clock;
pub mod lease;
pub mod registry;

pub use answer::{Answer, Failure, Outcome, Request, View};
pub use clock::{Clock, SystemClock};
pub use lease::{ExclusiveLease, Lease};
pub use registry::{KindPort, Registry};
