//! When which fault is due: those that the scenario names, and those that its seed chooses.

use crate::chance::Chance;
use crate::plan::nanos;
use crate::record::Nanos;
use crate::scenario::{FaultKind, Scenario};

/// Keeps the chance of faults apart from that of operations and arrivals.
const FAULTS: u64 = 3 << 62;
/// And that of those that are named from that of random ones.
const NAMED: u64 = FAULTS | 1 << 61;

/// A fault that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// What happens.
    pub kind: FaultKind,
    /// When, since the run began.
    pub at: Nanos,
    /// How long until it is taken back.
    pub long: Nanos,
    /// Of a delay.
    pub delay_ms: u64,
    /// Of a crash: what is chosen by.
    pub number: u64,
}

/// All faults of a run in order of time; the phases begin at `base`.
#[must_use]
pub fn schedule(scenario: &Scenario, base: Nanos) -> Vec<Due> {
    let named = scenario.faults.iter().zip(NAMED..).map(|(fault, number)| Due {
        number,
        kind: fault.kind,
        at: base + nanos(fault.at_s),
        long: nanos(fault.for_s),
        delay_ms: fault.delay_ms,
    });
    let mut due: Vec<Due> = named.collect();
    if let Some(random) = &scenario.random_faults {
        let slot_s = (random.to_s - random.from_s) / f64::from(random.count);
        for number in 0..random.count {
            let mut chance = Chance::of(scenario.seed, FAULTS | u64::from(number));
            let kinds = random.kinds.len() as u64;
            let kind = usize::try_from(chance.below(kinds)).unwrap_or_default();
            // In the first half of its slot, and over before the next begins.
            let at_s = chance.unit().mul_add(slot_s / 2.0, slot_s * f64::from(number));
            let [shortest, longest] = random.for_s;
            let long_s = chance.unit().mul_add(longest - shortest, shortest);
            due.push(Due {
                number: FAULTS | u64::from(number),
                kind: random.kinds[kind],
                at: base + nanos(random.from_s + at_s),
                long: nanos(long_s),
                delay_ms: random.delay_ms,
            });
        }
    }
    due.sort_by_key(|fault| fault.at);
    due
}
