//! What was approved lately, for a velocity.
//!
//! **Invariants:** the sum is that of the approvals that are kept; times don't run backwards, since
//! `context.now` doesn't.

use std::collections::VecDeque;

use coppice_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::treasury::money::Amount;

/// The most approvals that are counted in one window: three a second in an hour, more than anybody
/// looks at, and half a megabyte.
pub const APPROVALS_MAX: usize = 10_000;

/// The approvals of the latest window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    approved: VecDeque<(Timestamp, Amount)>,
    sum: Amount,
}

/// The moment at or before which an approval is outside of a window that ends now.
fn outside(now: Timestamp, window_s: u32) -> Timestamp {
    now.saturating_add_micros(-i64::from(window_s) * 1_000_000)
}

impl Window {
    /// How many approvals, and how much, a window that ends now has in it.
    pub(super) fn within(&self, now: Timestamp, window_s: u32) -> (usize, Amount) {
        let horizon = outside(now, window_s);
        let old = self.approved.iter().take_while(|(at, _)| *at <= horizon);
        old.fold((self.approved.len(), self.sum), |(count, sum), (_, amount)| {
            (count - 1, sum.held_minus(*amount))
        })
    }

    /// Counts an approval and forgets those that are outside of the window that ends with it.
    pub(super) fn count(&mut self, at: Timestamp, amount: Amount, window_s: u32) {
        let horizon = outside(at, window_s);
        while let Some((before, old)) = self.approved.front().copied()
            && before <= horizon
        {
            self.approved.pop_front();
            self.sum = self.sum.held_minus(old);
        }
        self.approved.push_back((at, amount));
        self.sum = self.sum.held_plus(amount);
    }

    /// All that is kept, be it in the window or not.
    pub(super) const fn sum(&self) -> Amount {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn an_approval_leaves_the_window_when_it_is_as_old_as_it() {
        let mut window = Window::default();
        window.count(at(10), Amount::of(5), 60);
        assert_eq!(window.within(at(69), 60), (1, Amount::of(5)));
        assert_eq!(window.within(at(70), 60), (0, Amount::ZERO));
        window.count(at(70), Amount::of(7), 60);
        assert_eq!(window.sum(), Amount::of(7), "the old one is forgotten");
    }

    proptest! {
        #[test]
        fn what_is_within_is_what_was_approved_since(
            steps in prop::collection::vec((0..40_i64, 1..100_u32), 0..40), later in 0..90_i64,
        ) {
            let mut window = Window::default();
            let (mut now, mut all) = (0, Vec::new());
            for (passed, amount) in steps {
                now += passed;
                window.count(at(now), amount.into(), 60);
                all.push((now, amount));
            }
            now += later;
            let lately: Vec<_> = all.into_iter().filter(|(at, _)| *at > now - 60).collect();
            let sum: u32 = lately.iter().map(|(_, amount)| amount).sum();
            prop_assert_eq!(window.within(at(now), 60), (lately.len(), Amount::from(sum)));
        }
    }
}
