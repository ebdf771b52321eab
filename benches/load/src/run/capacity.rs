//! What the target can do at most: closed loops before the phases, and the best of them.

use crate::measured::{Cell, Peak, Phase, capacity_phase};
use crate::measuring::Tally;
use crate::plan::nanos;
use crate::record::Outcome;
use crate::scenario::{Arrivals, Phase as Planned, Scenario};

/// The share of a stretch of the capacity's measuring in which the target settles.
const SETTLING: f64 = 0.25;

/// Each stretch as two phases: one in which the target settles, and one that is looked at.
pub(super) fn capacity_phases(scenario: &Scenario) -> Vec<Planned> {
    let Some(capacity) = &scenario.capacity else { return Vec::new() };
    let parts = |sessions: &u32| {
        let part = |name: String, for_s: f64| Planned {
            name,
            for_s,
            counts: false,
            arrivals: Arrivals::Closed { sessions: *sessions, think_ms: 0 },
        };
        let settles_s = capacity.for_s * SETTLING;
        [
            part(format!("settling-{sessions}"), settles_s),
            part(capacity_phase(*sessions), capacity.for_s - settles_s),
        ]
    };
    capacity.sessions.iter().flat_map(parts).collect()
}

/// All phases of a run as they stand beforehand. Those behind the measuring of the capacity begin once
/// all of it has ended, which may be later.
#[must_use]
pub fn timeline(scenario: &Scenario) -> Vec<Phase> {
    let mut from = 0;
    let rising = capacity_phases(scenario);
    let phases = rising.iter().chain(&scenario.phases).map(|phase| {
        let to = from + nanos(phase.for_s);
        let begins = std::mem::replace(&mut from, to);
        Phase { name: phase.name.clone(), from: begins, to, counts: phase.counts }
    });
    phases.collect()
}

/// What was acknowledged a second in each stretch in which the capacity is measured.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^53")]
pub(super) fn rates(tally: &Tally, rising: &[Planned]) -> Vec<f64> {
    let looked_at = rising.iter().enumerate().skip(1).step_by(2);
    let rates = looked_at.map(|(phase, planned)| {
        let acknowledged = tally.cells.iter().filter(|(cell, _)| {
            let Cell { phase: of, outcome, .. } = cell;
            (*of, *outcome) == (phase, Outcome::Acknowledged)
        });
        let count: u64 = acknowledged.map(|(_, latencies)| latencies.service.len()).sum();
        count as f64 / planned.for_s
    });
    rates.collect()
}

/// The best of the stretches.
pub(super) fn peak(sessions: &[u32], rates: &[f64]) -> Option<Peak> {
    let peaks = sessions
        .iter()
        .zip(rates)
        .map(|(sessions, per_s)| Peak { per_s: *per_s, sessions: *sessions });
    peaks.filter(|peak| peak.per_s > 0.0).max_by(|one, other| one.per_s.total_cmp(&other.per_s))
}
