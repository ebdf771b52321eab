//! Several generators for one run: a coordinator gives each its slice of one plan and a common start,
//! and takes in what they measured and recorded.
//!
//! Each generator connects to the coordinator over TCP. A frame is four bytes of length, the highest
//! first, and that much JSON, at most [`FRAME_BYTES_MAX`].
//!
//! | Generator | Coordinator |
//! |---|---|
//! | `hello` with the version | `assigned`: slice, run, prefix, scenario; or `refused` |
//! | `alive`, each second until it is done | |
//! | `ready` | `ping`, each second until all are |
//! | `pong` | `go`, to all at once |
//! | `begun`, once its clock runs | |
//! | `rates`, where the capacity is measured | `ping` each second until all have told, then `sum` |
//! | `head`, `seconds`, `entries`, `done`; or `failed` | |
//!
//! Whoever says nothing for [`SILENCE_MAX`] counts as dead, whoever doesn't come in time never comes,
//! and then there is no result: a run without one of its slices had another load than its plan. The
//! others carry their slices to the end and are told by the connection, which is closed. The target's key is in no frame; each generator
//! is given it as if it were alone. The connection is neither secret nor authenticated: it is for a
//! network that one trusts.
//!
//! Each clock begins between its `go` and its `begun`, so from the first `go` to the last `begun` is an
//! upper bound of how far they are apart: [`Gathered::skew`], for the checks of real time
//! ([`crate::check::Options::skew`]).

mod company;
mod frames;
mod generator;
mod hall;
mod lead;
mod messages;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::company::{Alone, Company};
pub use self::generator::{Carried, join};
pub use self::lead::{Call, Gathered, Progress, coordinate};
use crate::merge::MergeError;

/// Of the protocol.
pub const VERSION: u32 = 4;
/// A chunk of seconds or entries is about a megabyte; nothing that is meant is near this.
pub const FRAME_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// A generator says each second that it is there.
pub const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Generators of one run.
pub const GENERATORS_MAX: u32 = 64;

/// What a generator is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Which slice of the plan, from 0.
    pub index: u32,
    /// Of how many.
    pub of: u32,
    /// Names the run in correlation ids.
    pub run: u64,
    /// What the ids of the run's entities begin with.
    pub prefix: String,
    /// The scenario, as TOML.
    pub scenario: String,
}

/// Why there is no result.
#[derive(Debug, Error)]
pub enum CoordinateError {
    /// The connection.
    #[error("the connection to {whom} broke")]
    Connection {
        /// To the coordinator, or to which generator.
        whom: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing came for too long.
    #[error("{whom} has said nothing for {} s", SILENCE_MAX.as_secs())]
    Silent {
        /// Who.
        whom: String,
    },
    /// What came is no frame, or not what was due.
    #[error("{whom} said something else than was due: {problem}")]
    Protocol {
        /// Who.
        whom: String,
        /// What.
        problem: String,
    },
    /// The other side has another version.
    #[error("{whom} speaks version {is} of the protocol, not {VERSION}")]
    Version {
        /// Who.
        whom: String,
        /// Its version.
        is: u32,
    },
    /// A generator could not carry its slice out.
    #[error("{whom} could not carry its slice out: {problem}")]
    Failed {
        /// Who.
        whom: String,
        /// Why.
        problem: String,
    },
    /// How many generators there are makes no sense.
    #[error("{0} generators are not from 1 to {GENERATORS_MAX}")]
    Count(u32),
    /// Some never came.
    #[error("{joined} of {of} generators have joined within {within_s} s")]
    Missing {
        /// How many came.
        joined: u32,
        /// How many were to.
        of: u32,
        /// How long they were waited for.
        within_s: u64,
    },
    /// What they measured isn't of one run.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// What they recorded can't be kept.
    #[error("what the generators recorded can not be kept")]
    Keep(#[source] std::io::Error),
}
