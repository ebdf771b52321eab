//! Effects from the other side: what a receiver heard of the alarms that a run set.
//!
//! A node promises at least once under one key, with one body; a repeat only where an outcome was
//! not recorded, which takes a fault. So the same key with another body is always wrong, and a repeat
//! is unless a fault struck between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::Options;
use super::asked::{Asked, Fate};
use super::verdict::{Check, Verdict, Violation};
use crate::bell::{Bell, Notes};
use crate::drive::op_of_timer;
use crate::record::{Nanos, Operation};
use crate::wire::Clock;

/// Between two looks at what was heard.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Who hears the alarms of a run, and what may explain that one is heard twice.
#[derive(Debug, Clone)]
pub struct Ear {
    notes: Notes,
    clock: Clock,
    faults: Vec<(Nanos, Nanos)>,
    /// It listens as long as somebody wants to hear.
    _bell: Option<Arc<Bell>>,
}

impl Ear {
    /// Of a run with this clock, in which something was broken in these stretches.
    #[must_use]
    pub fn new(bell: Bell, clock: Clock, faults: Vec<(Nanos, Nanos)>) -> Self {
        let notes = bell.notes();
        Self { notes, clock, faults, _bell: Some(Arc::new(bell)) }
    }

    /// What the run's own timers have rung so far, with the operations that set them; and how many
    /// others have.
    fn heard(&self, prefix: &str) -> (Vec<(u64, Heard)>, u64) {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = notes.iter().filter_map(|noted| {
            let op = op_of_timer(prefix, &noted.timer)?;
            let (key, at) = (noted.key.clone(), self.clock.of(noted.at));
            Some((op, Heard { key, body: noted.body, at }))
        });
        let ours: Vec<(u64, Heard)> = ours.collect();
        let others = notes.len() - ours.len();
        (ours, others as u64)
    }
}

/// Judges the alarms of a run: waits until every acknowledged one was heard, or it is time.
pub(super) async fn judge(options: &Options, asked: &Asked) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(ear) = options.ear.as_ref().filter(|_| asked.any(&[Operation::Alarm])) else {
        return verdict;
    };
    let began = Instant::now();
    let (heard, keys) = loop {
        let (heard, others) = ear.heard(&options.prefix);
        verdict.foreign = others;
        let mut keys: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
        for (op, call) in &heard {
            keys.entry(*op).or_default().insert(call.key.clone());
        }
        let mut all = asked.of(Operation::Alarm);
        let is_all =
            all.all(|(op, wanted)| wanted.fate != Fate::Acknowledged || keys.contains_key(&op));
        if is_all || began.elapsed() >= options.settle {
            break (heard, keys);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let calls: Vec<Heard> = heard.into_iter().map(|(_, call)| call).collect();
    verdict.absorb(check(&calls, &ear.faults));
    for (op, wanted) in asked.of(Operation::Alarm) {
        count(&mut verdict, op, wanted.fate, keys.get(&op).map_or(0, BTreeSet::len));
    }
    verdict.examined(Check::Invented, keys.len() as u64);
    for op in keys.keys().filter(|op| asked.get(**op).is_none()) {
        let is = "the run never set it".to_owned();
        verdict.violated(violation(Check::Invented, *op, "an alarm rang".to_owned(), is));
    }
    verdict
}

/// One that was acknowledged rang, under one key.
fn count(verdict: &mut Verdict, op: u64, fate: Fate, keys: usize) {
    verdict.examined(Check::Effect, 1);
    verdict.examined(Check::NotApplied, u64::from(fate == Fate::NotApplied));
    verdict.unknown_applied += u64::from(fate == Fate::Unknown && keys > 0);
    verdict.unknown_absent += u64::from(fate == Fate::Unknown && keys == 0);
    let (check, told, is) = match (fate, keys) {
        (Fate::NotApplied, 1..) => (Check::NotApplied, "it was not applied", "it rang".to_owned()),
        (Fate::Acknowledged, 0) => {
            (Check::Effect, "it was acknowledged", "no ring of it was heard".to_owned())
        }
        (_, 2..) => (Check::Effect, "an alarm rings once", format!("it rang under {keys} keys")),
        _ => return,
    };
    verdict.violated(violation(check, op, told.to_owned(), is));
}

fn violation(check: Check, op: u64, told: String, is: String) -> Violation {
    Violation { check, entity: "alarm".to_owned(), op: Some(op), told, is }
}

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
    use super::super::tests::entry;
    use super::*;
    use crate::bell::Noted;
    use crate::record::{Entry, Outcome};

    const FAULT: (Nanos, Nanos) = (1_000, 2_000);

    fn alarm(op: u64, outcome: Outcome) -> Entry {
        Entry { outcome, ..entry(op, Operation::Alarm, 1, 0) }
    }

    /// What is found where these alarms were set, and these rang: operation, key, time.
    async fn judged(set: &[(u64, Outcome)], rung: &[(u64, &str, Nanos)]) -> Vec<Check> {
        let clock = Clock::begin();
        let noted = |(op, key, at): &(u64, &str, Nanos)| Noted {
            key: (*key).to_owned(),
            body: *op,
            timer: format!("c-{op}"),
            at: clock.at(*at),
        };
        let notes = Notes::new(std::sync::Mutex::new(rung.iter().map(noted).collect()));
        let ear = Ear { notes, clock, faults: vec![FAULT], _bell: None };
        let mut options = Options { settle: Duration::ZERO, ..Options::new(1, "c") };
        options.ear = Some(ear);
        let mut asked = Asked::default();
        let rest = asked.take(set.iter().map(|(op, outcome)| alarm(*op, *outcome)).collect());
        assert!(rest.is_none(), "alarms are no counters");
        let verdict = judge(&options, &asked).await;
        let wrong = verdict.checks.iter().filter(|(_, tally)| tally.violations > 0);
        wrong.map(|(check, _)| *check).collect()
    }

    #[tokio::test]
    async fn an_acknowledged_alarm_rings_under_one_key_and_again_only_through_a_fault() {
        use Outcome::{Acknowledged, Overloaded, TimedOut};
        let set = [(0, Acknowledged), (4, TimedOut), (8, TimedOut), (12, Overloaded)];
        let right = [(0, "a", 500), (8, "b", 700), (0, "a", 1_500)];
        assert_eq!(judged(&set, &right).await, []);
        assert_eq!(judged(&set, &right[1..2]).await, [Check::Effect], "it never rang");
        let twice = [(0, "a", 500), (0, "a", 600)];
        assert_eq!(judged(&set, &twice).await, [Check::Effect], "nothing explains it");
        let other_key = [(0, "a", 500), (0, "b", 1_500)];
        assert_eq!(judged(&set, &other_key).await, [Check::Effect], "under another key");
        let refused = [(0, "a", 500), (12, "c", 600)];
        assert_eq!(judged(&set, &refused).await, [Check::NotApplied]);
        let invented = [(0, "a", 500), (16, "d", 600)];
        assert_eq!(judged(&set, &invented).await, [Check::Invented]);
    }

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
