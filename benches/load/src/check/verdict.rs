//! What was checked, and what was found wrong.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many violations of one check are kept with their words. All are counted.
///
/// A node that is wrong is mostly wrong a thousand times in the same way; twenty show the pattern
/// and still fit a page.
pub const KEPT_MAX: usize = 20;

/// One promise that is held against the journal.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Whatever was acknowledged is in the journal.
    Lost,
    /// Nothing is in the journal more often than it was asked for.
    Doubled,
    /// Nothing is in the journal that nobody asked for.
    Invented,
    /// What is in the journal is what was asked for, in its amount.
    Altered,
    /// What was answered as not applied isn't in the journal.
    NotApplied,
    /// It stands at the sequence that the answer named.
    Misplaced,
    /// Every answer's value is the fold of the journal up to its sequence.
    WrongValue,
    /// Sequences count from 1 without gaps.
    Gap,
    /// Each event names the hash of the one before it.
    Chain,
    /// The fold of the journal is what is served.
    Served,
    /// The journal's order of each entity respects real time, and no read is older than what was
    /// known before it began: linearizability per key.
    Stale,
    /// Within a session nothing is older than what the session was told before.
    Session,
    /// Repetitions are answered as the first try was.
    Repetition,
    /// Every event can be read.
    Unreadable,
    /// The entries of each transfer, and of each asset, sum to zero.
    Balance,
    /// What is held of a payer is held for its payee, and every reservation ends.
    Reservation,
    /// No account promises more than it has, and no limit gives more than its ceiling.
    Bound,
    /// An intent is decided once, and ends once.
    Decision,
    /// Every acknowledged workflow came to its end, once.
    Unended,
    /// Each step has one result.
    Step,
    /// No effect reached the outside twice but where a fault explains it.
    Effect,
}

impl Check {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 21] = [
        Self::Lost,
        Self::Doubled,
        Self::Invented,
        Self::Altered,
        Self::NotApplied,
        Self::Misplaced,
        Self::WrongValue,
        Self::Gap,
        Self::Chain,
        Self::Served,
        Self::Stale,
        Self::Session,
        Self::Repetition,
        Self::Unreadable,
        Self::Balance,
        Self::Reservation,
        Self::Bound,
        Self::Decision,
        Self::Unended,
        Self::Step,
        Self::Effect,
    ];

    /// Its name in thresholds and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Invented => "invented",
            Self::Altered => "altered",
            Self::NotApplied => "not-applied",
            Self::Misplaced => "misplaced",
            Self::WrongValue => "wrong-value",
            Self::Gap => "gap",
            Self::Chain => "chain",
            Self::Served => "served",
            Self::Stale => "stale",
            Self::Session => "session",
            Self::Repetition => "repetition",
            Self::Unreadable => "unreadable",
            Self::Balance => "balance",
            Self::Reservation => "reservation",
            Self::Bound => "bound",
            Self::Decision => "decision",
            Self::Unended => "unended",
            Self::Step => "step",
            Self::Effect => "effect",
        }
    }

    /// What must hold.
    #[must_use]
    pub const fn promise(self) -> &'static str {
        match self {
            Self::Lost => "what was acknowledged is in the journal",
            Self::Doubled => "nothing is in the journal more often than it was asked for",
            Self::Invented => "nothing is in the journal that nobody asked for",
            Self::Altered => "what is in the journal is what was asked for",
            Self::NotApplied => "what was answered as not applied is not in the journal",
            Self::Misplaced => "it stands at the sequence that was answered",
            Self::WrongValue => "every answer is the fold of the journal up to its sequence",
            Self::Gap => "sequences have no gap",
            Self::Chain => "each event names the hash of the one before it",
            Self::Served => "the fold of the journal is what is served",
            Self::Stale => "the order of each entity respects real time (linearizable per key)",
            Self::Session => "no session is told anything older than before",
            Self::Repetition => "a repetition is answered as the first try was",
            Self::Unreadable => "every event can be read",
            Self::Balance => "the entries of each transfer and asset sum to zero",
            Self::Reservation => "both sides hold the same, and every reservation ends",
            Self::Bound => "no account and no limit gives more than it has",
            Self::Decision => "an intent is decided once and ends once",
            Self::Unended => "every acknowledged workflow ended, once",
            Self::Step => "each step has one result",
            Self::Effect => {
                "every acknowledged alarm is heard, and none twice unless a fault explains it"
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// Which promise is broken.
    pub check: Check,
    /// Of which entity, as `kind/id`; of an effect, its key.
    pub entity: String,
    /// The operation's number, where it is of one.
    pub op: Option<u64>,
    /// What was asked or told.
    pub told: String,
    /// What is.
    pub is: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, entity, op, told, is } = self;
        write!(f, "{check}: {entity}")?;
        if let Some(op) = op {
            write!(f, ", operation {op}")?;
        }
        write!(f, ": {told}; {is}")
    }
}

/// How one check went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// How many things it looked at. A check that looked at nothing shows nothing.
    pub examined: u64,
    /// How many of them were wrong.
    pub violations: u64,
    /// The first of those, at most [`KEPT_MAX`].
    pub first: Vec<Violation>,
}

/// What all checks came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// By check; one that had nothing to look at is absent.
    pub checks: BTreeMap<Check, Tally>,
    /// Operations whose outcome stayed unknown and that are in the journal.
    pub unknown_applied: u64,
    /// Operations whose outcome stayed unknown and that never happened.
    pub unknown_absent: u64,
    /// Events that others brought about, where that is allowed.
    pub foreign: u64,
    /// Reservations that are still open and whose time isn't over.
    pub open: u64,
}

impl Verdict {
    /// Notes that a check looked at so many things.
    pub fn examined(&mut self, check: Check, how_many: u64) {
        if how_many > 0 {
            self.checks.entry(check).or_default().examined += how_many;
        }
    }

    /// Notes something wrong.
    pub fn violated(&mut self, violation: Violation) {
        let tally = self.checks.entry(violation.check).or_default();
        tally.violations += 1;
        if tally.first.len() < KEPT_MAX {
            tally.first.push(violation);
        }
    }

    /// Adds what other checks came to.
    pub fn absorb(&mut self, other: Self) {
        for (check, other) in other.checks {
            let tally = self.checks.entry(check).or_default();
            tally.examined += other.examined;
            tally.violations += other.violations;
            let room = KEPT_MAX.saturating_sub(tally.first.len());
            tally.first.extend(other.first.into_iter().take(room));
        }
        self.unknown_applied += other.unknown_applied;
        self.unknown_absent += other.unknown_absent;
        self.foreign += other.foreign;
        self.open += other.open;
    }

    /// How often a promise was broken.
    #[must_use]
    pub fn count(&self, check: Check) -> u64 {
        self.checks.get(&check).map_or(0, |tally| tally.violations)
    }

    /// How often any promise was broken.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.checks.values().map(|tally| tally.violations).sum()
    }

    /// Whether nothing was found wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.violations() == 0
    }

    /// The kept violations, in order of their checks.
    pub fn kept(&self) -> impl Iterator<Item = &Violation> {
        self.checks.values().flat_map(|tally| &tally.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(check: Check) -> Violation {
        let (told, is) = ("told".to_owned(), "is".to_owned());
        Violation { check, entity: "counter/a-1".to_owned(), op: Some(7), told, is }
    }

    #[test]
    fn all_violations_are_counted_and_the_first_are_kept() {
        let mut verdict = Verdict::default();
        for _ in 0..KEPT_MAX + 5 {
            verdict.violated(violation(Check::Lost));
        }
        let mut other = Verdict::default();
        other.violated(violation(Check::Lost));
        other.violated(violation(Check::Stale));
        other.examined(Check::Stale, 9);
        verdict.absorb(other);
        assert_eq!(verdict.count(Check::Lost), KEPT_MAX as u64 + 6);
        assert_eq!(verdict.checks[&Check::Lost].first.len(), KEPT_MAX);
        assert_eq!(verdict.checks[&Check::Stale].examined, 9);
        assert_eq!(verdict.violations(), KEPT_MAX as u64 + 7);
        assert!(!verdict.is_sound());
        assert_eq!(
            verdict.kept().next().map(ToString::to_string).as_deref(),
            Some("lost: counter/a-1, operation 7: told; is")
        );
    }

    #[test]
    fn every_check_has_a_name_of_its_own_which_is_what_serde_calls_it() {
        let names: std::collections::BTreeSet<_> = Check::ALL.map(Check::name).into();
        assert_eq!(names.len(), Check::ALL.len());
        for check in Check::ALL {
            assert_eq!(serde_json::to_value(check).unwrap(), check.name());
        }
    }
}
