//! When crashes are too many: of one message, and of one entity within a window.
//!
//! A pure function of the time that it is told, so that tests and simulation agree with production.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// Messages whose crashes are remembered; the one that crashed longest ago is forgotten first.
const MESSAGES_MAX: usize = 64;

/// How many crashes are too many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrashLimits {
    pub(crate) of_message: u32,
    pub(crate) of_entity: u32,
    pub(crate) window: Duration,
}

/// What follows from a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The entity starts again and its mailbox goes on.
    Restart,
    /// The message is taken out of delivery.
    Message {
        /// Its crashes.
        crashes: u32,
    },
    /// The entity is taken out of service.
    Entity {
        /// Its crashes in the window.
        crashes: u32,
    },
}

/// The crashes of one entity.
#[derive(Debug, Default)]
pub(crate) struct Crashes {
    recent: VecDeque<Instant>,
    messages: VecDeque<(Uuid, u32)>,
    /// Since the entity's place was made.
    pub(crate) total: u64,
    /// What the last one said.
    pub(crate) last: String,
}

impl Crashes {
    /// Crashes within the window.
    pub(crate) fn recent(&self, now: Instant, window: Duration) -> usize {
        self.recent.iter().filter(|at| now.duration_since(**at) < window).count()
    }

    /// Notes a crash. `message` is `None` for those that are counted durably elsewhere.
    pub(crate) fn note(
        &mut self,
        message: Option<Uuid>,
        now: Instant,
        limits: CrashLimits,
    ) -> Verdict {
        self.total += 1;
        self.recent.retain(|at| now.duration_since(*at) < limits.window);
        self.recent.push_back(now);
        let crashes = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if crashes >= limits.of_entity {
            self.recent.clear();
            return Verdict::Entity { crashes };
        }
        let Some(message) = message else { return Verdict::Restart };
        let known = self.messages.iter().position(|(id, _)| *id == message);
        let before = known.and_then(|at| self.messages.remove(at)).map_or(0, |(_, count)| count);
        if before + 1 >= limits.of_message {
            return Verdict::Message { crashes: before + 1 };
        }
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back((message, before + 1));
        Verdict::Restart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CrashLimits =
        CrashLimits { of_message: 3, of_entity: 5, window: Duration::from_secs(60) };

    fn message(number: u128) -> Option<Uuid> {
        Some(Uuid::from_u128(number))
    }

    #[test]
    fn the_third_crash_on_a_message_is_too_many_however_far_apart() {
        let mut crashes = Crashes::default();
        let mut now = Instant::now();
        for expected in [Verdict::Restart, Verdict::Restart, Verdict::Message { crashes: 3 }] {
            assert_eq!(crashes.note(message(1), now, LIMITS), expected);
            now += Duration::from_secs(600);
            assert_eq!(crashes.note(None, now, LIMITS), Verdict::Restart);
            now += Duration::from_secs(600);
        }
    }

    #[test]
    fn the_fifth_crash_in_the_window_is_too_many_and_an_old_one_does_not_count() {
        let mut crashes = Crashes::default();
        let start = Instant::now();
        for number in 0..4 {
            let verdict = crashes.note(message(number), start, LIMITS);
            assert_eq!(verdict, Verdict::Restart);
        }
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(crashes.note(message(9), at(60), LIMITS), Verdict::Restart);
        for number in 10..13 {
            assert_eq!(crashes.note(message(number), at(61), LIMITS), Verdict::Restart);
        }
        assert_eq!(crashes.note(message(20), at(119), LIMITS), Verdict::Entity { crashes: 5 });
        assert_eq!(crashes.note(message(21), at(119), LIMITS), Verdict::Restart);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut crashes = Crashes::default();
        let limits = CrashLimits { of_entity: u32::MAX, window: Duration::ZERO, ..LIMITS };
        for number in 0..1_000 {
            crashes.note(message(number), Instant::now(), limits);
        }
        assert_eq!(crashes.messages.len(), MESSAGES_MAX);
        assert_eq!(crashes.recent.len(), 1);
        assert_eq!(crashes.total, 1_000);
    }
}
