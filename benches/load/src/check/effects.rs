//! Effects from the other side: what a receiver heard.
//!
//! A node promises at least once under one key, with one body; a repeat only where an outcome was
//! not recorded, which takes a fault. So the same key with another body is always wrong, and a repeat
//! is unless a fault struck between the two.

use std::collections::BTreeMap;

use super::verdict::{Check, Verdict, Violation};
use crate::record::Nanos;

/// One call that a receiver heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The effect's key.
    pub key: String,
    /// A hash of its body.
    pub body: u64,
    /// When.
    pub at: Nanos,
}

/// Judges what was heard, in order of time. `faults` are the stretches in which something was broken,
/// until it had recovered.
#[must_use]
pub fn check(heard: &[Heard], faults: &[(Nanos, Nanos)]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut last: BTreeMap<&str, &Heard> = BTreeMap::new();
    for call in heard {
        verdict.examined(Check::Effect, 1);
        let Some(before) = last.insert(&call.key, call) else { continue };
        let explains = |(from, to): &(Nanos, Nanos)| *from <= call.at && before.at <= *to;
        let is = if before.body != call.body {
            "it came again with another body".to_owned()
        } else if !faults.iter().any(explains) {
            let later_ms = call.at.saturating_sub(before.at) / 1_000_000;
            format!("it came again {later_ms} ms later, and nothing had failed")
        } else {
            continue;
        };
        let told = format!("it came at {} ms", before.at / 1_000_000);
        let entity = call.key.clone();
        verdict.violated(Violation { check: Check::Effect, entity, op: None, told, is });
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(key: &str, body: u64, at: Nanos) -> Heard {
        Heard { key: key.to_owned(), body, at }
    }

    #[test]
    fn each_key_is_heard_once() {
        let calls = [heard("a", 1, 10), heard("b", 1, 20)];
        let verdict = check(&calls, &[]);
        assert!(verdict.is_sound());
        assert_eq!(verdict.checks[&Check::Effect].examined, 2);
    }

    #[test]
    fn a_repeat_needs_a_fault_between_the_two() {
        let calls = [heard("a", 1, 10), heard("a", 1, 50)];
        for (faults, violations) in
            [(vec![], 1), (vec![(20, 30)], 0), (vec![(0, 9)], 1), (vec![(51, 60)], 1)]
        {
            assert_eq!(check(&calls, &faults).count(Check::Effect), violations, "{faults:?}");
        }
    }

    #[test]
    fn no_fault_explains_another_body() {
        let calls = [heard("a", 1, 10), heard("a", 2, 50)];
        assert_eq!(check(&calls, &[(20, 30)]).count(Check::Effect), 1);
    }
}
