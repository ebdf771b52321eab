//! Where the runtime takes the time from.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use coppice_core::Timestamp;

/// The time of day, as decisions and records see it.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Now. May jump either way; whoever needs order takes the stream's last time into account.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            // A clock before 1970: the stream's last recorded time takes over.
            Err(_) => 0,
        };
        Timestamp::from_micros(micros)
    }
}
