//! Latencies compared on a machine that others use.
//!
//! A round measures a case and what it is compared with one right after the other, for what else the
//! machine does meets both alike; but not each time. So rounds go on until some more of them keep the
//! limit than miss it, or the other way round. What they show is that it is kept in most rounds: where a
//! third of them miss it for a reason of the code's own, nine in ten such comparisons still pass.

/// How many rounds kept a limit, and how many missed it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rounds {
    kept: usize,
    missed: usize,
}

impl Rounds {
    /// How many more of the one than of the other decide.
    pub const LEAD: usize = 3;
    /// So many decide in any case.
    pub const MAX: usize = 15;

    /// Counts one.
    pub fn count(&mut self, kept: bool) {
        *(if kept { &mut self.kept } else { &mut self.missed }) += 1;
    }

    /// Whether another would change nothing any more.
    #[must_use]
    pub const fn are_decided(&self) -> bool {
        self.kept.abs_diff(self.missed) >= Self::LEAD || self.kept + self.missed >= Self::MAX
    }

    /// Whether most of them kept it.
    #[must_use]
    pub const fn kept(&self) -> bool {
        self.kept > self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rounds: &[bool]) -> Rounds {
        let mut all = Rounds::default();
        rounds.iter().for_each(|kept| all.count(*kept));
        all
    }

    #[test]
    fn a_lead_decides_and_so_does_the_last_round() {
        assert!(!of(&[]).are_decided());
        assert!(!of(&[true, true, false, true]).are_decided());
        let kept = of(&[true, true, false, true, true]);
        assert!(kept.are_decided() && kept.kept());
        let missed = of(&[false, true, false, false, false]);
        assert!(missed.are_decided() && !missed.kept());
        let in_turns: Vec<bool> = (0..Rounds::MAX).map(|round| round % 2 == 0).collect();
        assert!(!of(&in_turns[1..]).are_decided());
        assert!(of(&in_turns).are_decided() && of(&in_turns).kept());
    }
}
