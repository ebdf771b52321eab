//! Whether the values of a scenario make sense.

use super::{Arrivals, FaultKind, Keys, Policy, RandomFaults, Rate, Scenario, Share};
use crate::record::Operation;

/// A key and what is wrong with it.
type Wrong = (String, &'static str);

/// Longest phase: a week.
const PHASE_S_MAX: f64 = 604_800.0;
/// Sessions of one closed loop: each has a connection, and a number of 16 bits.
const SESSIONS_MAX: u32 = 10_000;
/// Most that begin in a second, more than one machine sends.
const RATE_MAX: f64 = 1_000_000.0;

/// The first value that makes no sense.
pub(super) fn fault(scenario: &Scenario) -> Option<Wrong> {
    let simple = [
        (scenario.name.is_empty(), "name", "is empty"),
        (scenario.timeout_ms == 0, "timeout_ms", "must be at least 1"),
        (scenario.in_flight_max == 0, "in_flight_max", "must be at least 1"),
        (scenario.connections_max == 0, "connections_max", "must be at least 1"),
        (scenario.phases.is_empty(), "phases", "must have one at least"),
        (scenario.mix.iter().all(|share| share.weight == 0), "mix", "needs a weight above 0"),
        (scenario.keys.count() == 0, "keys.count", "must be at least 1"),
    ];
    let simple = simple.into_iter().find(|(wrong, ..)| *wrong);
    simple
        .map(|(_, key, what)| (key.to_owned(), what))
        .or_else(|| capacity(scenario))
        .or_else(|| scenario.phases.iter().enumerate().find_map(|(at, _)| phase(scenario, at)))
        .or_else(|| scenario.mix.iter().enumerate().find_map(|(at, one)| share(at, one)))
        .or_else(|| keys(&scenario.keys))
        .or_else(|| idempotency(scenario))
        .or_else(|| faults(scenario))
}

fn is_time(seconds: f64) -> bool {
    seconds > 0.0 && seconds <= PHASE_S_MAX
}

fn capacity(scenario: &Scenario) -> Option<Wrong> {
    let capacity = scenario.capacity.as_ref()?;
    let odd = |sessions: &u32| !(1..=SESSIONS_MAX).contains(sessions);
    if capacity.sessions.is_empty() || capacity.sessions.iter().any(odd) {
        return Some(("capacity.sessions".to_owned(), "must name numbers from 1 to 10,000"));
    }
    (!is_time(capacity.for_s))
        .then(|| ("capacity.for_s".to_owned(), "must be above 0, a week at most"))
}

fn phase(scenario: &Scenario, at: usize) -> Option<Wrong> {
    let phase = &scenario.phases[at];
    let key = |name: &str| format!("phases[{at}].{name}");
    if phase.name.is_empty() || scenario.phases[..at].iter().any(|one| one.name == phase.name) {
        return Some((key("name"), "must be one of its own"));
    }
    if !is_time(phase.for_s) {
        return Some((key("for_s"), "must be above 0, a week at most"));
    }
    let rates: Vec<(&str, Rate)> = match phase.arrivals {
        Arrivals::Constant { rate } | Arrivals::Poisson { rate } => vec![("rate", rate)],
        Arrivals::Ramp { from, to } | Arrivals::Stairs { from, to, .. } => {
            vec![("from", from), ("to", to)]
        }
        Arrivals::Spike { rate, peak, .. } => vec![("rate", rate), ("peak", peak)],
        Arrivals::Closed { .. } => Vec::new(),
    };
    for (name, rate) in rates {
        if let Some(what) = rate_fault(scenario, rate) {
            return Some((key(&format!("arrivals.{name}")), what));
        }
    }
    match phase.arrivals {
        Arrivals::Stairs { steps: 0, .. } => Some((key("arrivals.steps"), "must be at least 1")),
        Arrivals::Closed { sessions, .. } if !(1..=SESSIONS_MAX).contains(&sessions) => {
            Some((key("arrivals.sessions"), "must be from 1 to 10,000"))
        }
        Arrivals::Spike { peak_at_s, peak_for_s, .. }
            if peak_at_s < 0.0 || peak_for_s <= 0.0 || peak_at_s + peak_for_s > phase.for_s =>
        {
            Some((key("arrivals.peak_at_s"), "and peak_for_s must lie within the phase"))
        }
        _ => None,
    }
}

fn rate_fault(scenario: &Scenario, rate: Rate) -> Option<&'static str> {
    match (rate.per_s, rate.of_capacity) {
        (Some(per_s), None) if !(0.0..=RATE_MAX).contains(&per_s) => {
            Some("must be from 0 to 1,000,000 per second")
        }
        (None, Some(share)) if !(share > 0.0 && share <= 100.0) => {
            Some("must be above 0, a hundred times the capacity at most")
        }
        (None, Some(_)) if scenario.capacity.is_none() => {
            Some("is a share of the capacity, and there is no [capacity] to measure it")
        }
        (Some(_), None) | (None, Some(_)) => None,
        (Some(_), Some(_)) | (None, None) => Some("must say per_s or of_capacity, one of them"),
    }
}

fn share(at: usize, share: &Share) -> Option<Wrong> {
    let key = |name: &str| format!("mix[{at}].{name}");
    let [first, last] = share.amount;
    if first > last {
        return Some((key("amount"), "must go from the smaller to the larger"));
    }
    match share.operation {
        Operation::Authorize | Operation::Post | Operation::Void => {
            Some((key("operation"), "is a part of intent, and follows it by itself"))
        }
        Operation::Transfer | Operation::Intent if first < 1 => {
            Some((key("amount"), "of money must be at least 1"))
        }
        Operation::Intent if !(0.0..=1.0).contains(&share.void_share) => {
            Some((key("void_share"), "must be from 0 to 1"))
        }
        Operation::Workflow if share.template.is_none() => {
            Some((key("template"), "must name a plan"))
        }
        _ => None,
    }
}

fn keys(keys: &Keys) -> Option<Wrong> {
    match *keys {
        Keys::Zipfian { theta, .. } if !(theta > 0.0 && theta <= 10.0) => {
            Some(("keys.theta".to_owned(), "must be above 0, 10 at most"))
        }
        Keys::HotK { count, hot, .. } if hot == 0 || hot >= count => {
            Some(("keys.hot".to_owned(), "must be at least 1 and less than count"))
        }
        Keys::HotK { hot_share, .. } if !(0.0..=1.0).contains(&hot_share) => {
            Some(("keys.hot_share".to_owned(), "must be from 0 to 1"))
        }
        _ => None,
    }
}

fn idempotency(scenario: &Scenario) -> Option<Wrong> {
    let idempotency = &scenario.idempotency;
    if !(0.0..=1.0).contains(&idempotency.repeat_share) {
        return Some(("idempotency.repeat_share".to_owned(), "must be from 0 to 1"));
    }
    let repeats = idempotency.policy == Policy::Repeat;
    if repeats != (idempotency.repeat_share > 0.0) {
        let what = "above 0 and the policy `repeat` belong together";
        return Some(("idempotency.repeat_share".to_owned(), what));
    }
    let unkeyed = idempotency.policy == Policy::None && idempotency.retries_max > 0;
    unkeyed.then(|| {
        ("idempotency.retries_max".to_owned(), "needs keys: without one a retry may act twice")
    })
}

fn faults(scenario: &Scenario) -> Option<Wrong> {
    let named = scenario.faults.iter().enumerate().find_map(|(at, fault)| {
        let key = |name: &str| format!("faults[{at}].{name}");
        let before = at.checked_sub(1).map(|before| &scenario.faults[before]);
        if fault.at_s < 0.0 || fault.for_s < 0.0 {
            Some((key("at_s"), "and for_s must not be negative"))
        } else if fault.at_s >= whole_s(scenario) {
            Some((key("at_s"), "must be before the last phase is over"))
        } else if before.is_some_and(|before| before.at_s + before.for_s > fault.at_s) {
            Some((key("at_s"), "must not be before the one above is over"))
        } else {
            None
        }
    });
    let nobody = || {
        // The ids of workflows are the target's to draw.
        let known = |share: &Share| share.operation != Operation::Workflow;
        let crashes = scenario.has_fault(FaultKind::CrashEntity);
        (crashes && !scenario.mix.iter().any(known)).then(|| {
            ("mix".to_owned(), "must have an operation on counters or accounts to crash one")
        })
    };
    let drawn = || random(scenario.random_faults.as_ref()?, whole_s(scenario));
    named.or_else(nobody).or_else(drawn)
}

/// How long the phases take.
fn whole_s(scenario: &Scenario) -> f64 {
    scenario.phases.iter().map(|phase| phase.for_s).sum()
}

fn random(random: &RandomFaults, whole_s: f64) -> Option<Wrong> {
    let key = |name: &str| format!("random_faults.{name}");
    let [shortest, longest] = random.for_s;
    let slot = (random.to_s - random.from_s) / f64::from(random.count.max(1));
    if random.count == 0 || random.kinds.is_empty() {
        Some((key("count"), "and kinds must not be empty"))
    } else if random.from_s < 0.0 || random.to_s <= random.from_s {
        Some((key("to_s"), "must be behind from_s"))
    } else if random.to_s > whole_s {
        Some((key("to_s"), "must not be behind the last phase"))
    } else if shortest < 0.0 || shortest > longest {
        Some((key("for_s"), "must go from the shorter to the longer"))
    } else if longest > slot / 2.0 {
        Some((key("for_s"), "must leave half of the time between two faults"))
    } else {
        None
    }
}
