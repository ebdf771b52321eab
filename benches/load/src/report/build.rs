//! From what was measured to a report.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::{
    Capacity, Conclusion, Environment, Generator, Latency, Operation, Phase, Report, Second,
    VERSION,
};
use crate::baseline::Comparison;
use crate::check::Verdict;
use crate::figures::{acknowledged, figures, quantile_ms};
use crate::measured::{self, Cell, Latencies, Measured};
use crate::names::{OPERATIONS, operation_name, outcome_name};
use crate::recovery::{aftermaths, ms};
use crate::threshold::{Kept, Threshold};

/// Points of a curve for each halving of the rest up to 1, as HdrHistogram's own plots have them.
const STEPS_PER_HALVING: u32 = 5;
/// Up to where a curve goes: 99.99 %, beyond which an ordinary run has no samples to speak of.
const CURVE_END: f64 = 0.9999;

/// What a report is made of.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The scenario's name.
    pub scenario: &'a str,
    /// What it is for.
    pub about: &'a str,
    /// What was measured.
    pub measured: &'a Measured,
    /// What must be kept to.
    pub thresholds: &'a [Threshold],
    /// Whether the answers were right; none where nobody looked.
    pub verdict: Option<&'a Verdict>,
    /// Where it was.
    pub environment: Environment,
    /// Against a baseline.
    pub baseline: Option<Comparison>,
}

/// Makes the report of a run.
#[must_use]
pub fn build(sources: Sources<'_>) -> Report {
    let Sources { scenario, about, measured, thresholds, verdict, environment, baseline } = sources;
    let faults = aftermaths(measured);
    let figures = figures(measured, &faults, verdict);
    let kept: Vec<Kept> = thresholds.iter().map(|one| one.check(&figures)).collect();
    let generator = generator(measured);
    let (conclusion, reasons) = conclude(verdict, &generator, &kept, baseline.as_ref());
    Report {
        version: VERSION,
        conclusion,
        reasons,
        scenario: scenario.to_owned(),
        about: about.to_owned(),
        run: format!("{:016x}", measured.run),
        seed: measured.seed,
        environment,
        phases: measured.phases.iter().map(phase).collect(),
        operations: operations(measured),
        outcomes: outcomes(measured),
        codes: measured.codes.clone(),
        generator,
        capacity: measured.capacity.map(|peak| {
            let measured::Peak { per_s, sessions } = peak;
            Capacity { per_s, sessions }
        }),
        seconds: measured.seconds.iter().map(second).collect(),
        faults,
        thresholds: kept,
        verdict: verdict.cloned(),
        baseline,
        figures: figures.into_iter().filter(|(_, value)| value.is_finite()).collect(),
    }
}

fn conclude(
    verdict: Option<&Verdict>,
    generator: &Generator,
    kept: &[Kept],
    baseline: Option<&Comparison>,
) -> (Conclusion, Vec<String>) {
    let mut conclusion = Conclusion::Pass;
    let mut reasons = Vec::new();
    for kept in kept.iter().filter(|kept| !kept.holds) {
        conclusion = Conclusion::Threshold;
        let is = match (kept.value, kept.endless) {
            (Some(value), _) => format!("it is {}", super::plain::number(value)),
            (None, true) => "it was never seen to end".to_owned(),
            (None, false) => "it was not measured".to_owned(),
        };
        reasons.push(format!("{} does not hold: {is}", kept.threshold));
    }
    for worse in baseline.into_iter().flat_map(Comparison::regressions) {
        conclusion = Conclusion::Threshold;
        reasons.push(format!("{worse}"));
    }
    if generator.is_limited {
        conclusion = Conclusion::GeneratorLimited;
        let lag = quantile_of(&generator.lag, 0.99);
        let reason = format!(
            "the generator was the bottleneck: its p99 behind the plan is {} ms, and may be {}; the \
             figures are its own",
            super::plain::number(lag),
            super::plain::number(generator.lag_p99_max_ms)
        );
        reasons.insert(0, reason);
    }
    if let Some(verdict) = verdict.filter(|verdict| !verdict.is_sound()) {
        conclusion = Conclusion::Correctness;
        let broken = verdict.checks.iter().filter(|(_, tally)| tally.violations > 0);
        let broken: Vec<String> = broken
            .map(|(check, tally)| {
                let Some(first) = tally.first.first() else { return check.to_string() };
                let [found, examined] = [tally.violations, tally.examined]
                    .map(|count| super::plain::number(count as f64));
                format!("{found} of {examined} are wrong, such as {first}")
            })
            .collect();
        reasons.splice(0..0, broken);
    }
    (conclusion, reasons)
}

/// What a curve says at a quantile that it has.
fn quantile_of(latency: &Latency, quantile: f64) -> f64 {
    let behind = latency.curve.iter().find(|(at, _)| *at >= quantile - 1e-9);
    behind.map_or(latency.max_ms, |(_, ms)| *ms)
}

/// A distribution, along points that lie the denser the nearer to 1.
pub(super) fn latency(histogram: &Histogram<u64>) -> Latency {
    let mut points = vec![0.0];
    let mut rest = 1.0_f64;
    while 1.0 - rest / 2.0 <= CURVE_END {
        for step in 0..STEPS_PER_HALVING {
            let within = f64::from(step) / f64::from(STEPS_PER_HALVING);
            points.push(1.0 - rest + rest / 2.0 * within);
        }
        rest /= 2.0;
    }
    points.extend([0.5, 0.9, 0.95, 0.99, 0.995, 0.999, CURVE_END]);
    points.sort_by(f64::total_cmp);
    points.dedup_by(|one, other| (*one - *other).abs() < 1e-9);
    let at = |quantile: f64| (quantile, quantile_ms(histogram, quantile));
    Latency {
        mean_ms: histogram.mean() / 1e3,
        max_ms: histogram.max() as f64 / 1e3,
        curve: points.into_iter().map(at).collect(),
    }
}

fn phase(phase: &measured::Phase) -> Phase {
    Phase {
        name: phase.name.clone(),
        from_ms: ms(phase.from),
        to_ms: ms(phase.to),
        counts: phase.counts,
    }
}

fn counted(measured: &Measured) -> impl Iterator<Item = (&Cell, &Latencies)> {
    let counts = |phase: usize| measured.phases.get(phase).is_some_and(|phase| phase.counts);
    measured.cells.iter().filter(move |(cell, _)| counts(cell.phase))
}

fn operations(measured: &Measured) -> Vec<Operation> {
    let of = |name: &str, cells: Vec<(&Cell, &Latencies)>| {
        let all = acknowledged(&cells);
        Operation {
            name: name.to_owned(),
            acknowledged: all.corrected.len(),
            corrected: latency(&all.corrected),
            service: latency(&all.service),
        }
    };
    let mut operations = vec![of("all", counted(measured).collect())];
    for operation in OPERATIONS {
        let own: Vec<_> =
            counted(measured).filter(|(cell, _)| cell.operation == operation).collect();
        if !own.is_empty() {
            operations.push(of(operation_name(operation), own));
        }
    }
    operations
}

fn outcomes(measured: &Measured) -> BTreeMap<String, u64> {
    let mut outcomes = BTreeMap::new();
    for (cell, latencies) in counted(measured) {
        let name = outcome_name(cell.outcome).to_owned();
        *outcomes.entry(name).or_default() += latencies.corrected.len();
    }
    outcomes
}

fn generator(measured: &Measured) -> Generator {
    let own = &measured.generator;
    let elapsed = ms(own.elapsed);
    Generator {
        lag: latency(&measured.lag),
        lag_p99_max_ms: own.lag_p99_max_us as f64 / 1e3,
        is_limited: measured.is_generator_limited(),
        dropped: measured.dropped,
        threads: own.threads,
        processors: if elapsed > 0.0 { ms(own.processor) / elapsed } else { 0.0 },
    }
}

fn second(second: &measured::Second) -> Second {
    let three = |histogram: &Histogram<u64>| {
        (!histogram.is_empty()).then(|| [0.5, 0.99, 0.999].map(|at| quantile_ms(histogram, at)))
    };
    let ended = second.ended.iter();
    Second {
        intended: second.intended,
        started: second.started,
        ended: ended.map(|(outcome, count)| (outcome_name(*outcome).to_owned(), *count)).collect(),
        corrected_ms: three(&second.corrected),
        service_ms: three(&second.service),
        lag_p99_ms: (!second.lag.is_empty()).then(|| quantile_ms(&second.lag, 0.99)),
        in_flight: second.in_flight,
        dropped: second.dropped,
        server: second.server.clone(),
    }
}
