//! From what was measured to a report.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::plain::number;
use super::{
    Capacity, Conclusion, Environment, Generator, Latency, Operation, Phase, Report, Second,
    VERSION,
};
use crate::baseline::Comparison;
use crate::check::Verdict;
use crate::figures::{acknowledged, figures, quantile_ms};
use crate::measured::{self, Cell, Latencies, Measured};
use crate::names::{OPERATIONS, operation_name, outcome_name};
use crate::record::Outcome;
use crate::recovery::{Aftermath, aftermaths, ms};
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
    let shown = Shown { verdict, generator: &generator, kept: &kept, faults: &faults };
    let (conclusion, reasons) = shown.conclude(measured, baseline.as_ref());
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

/// What a run has shown.
struct Shown<'a> {
    verdict: Option<&'a Verdict>,
    generator: &'a Generator,
    kept: &'a [Kept],
    faults: &'a [Aftermath],
}

impl Shown<'_> {
    fn conclude(
        &self,
        measured: &Measured,
        baseline: Option<&Comparison>,
    ) -> (Conclusion, Vec<String>) {
        let wrong = self.wrong_answers();
        let limits = self.limits(measured);
        let mut missed = self.missed();
        missed.extend(
            baseline.into_iter().flat_map(Comparison::regressions).map(|one| one.to_string()),
        );
        missed.extend(nothing_done(measured));
        let conclusion = match (wrong.is_empty(), limits.is_empty(), missed.is_empty()) {
            (false, ..) => Conclusion::Correctness,
            (true, false, _) => Conclusion::GeneratorLimited,
            (true, true, false) => Conclusion::Threshold,
            (true, true, true) => Conclusion::Pass,
        };
        (conclusion, [wrong, limits, missed].concat())
    }

    /// Thresholds that weren't kept, and faults that the target was spared: what they were to show isn't
    /// shown.
    fn missed(&self) -> Vec<String> {
        let thresholds = self.kept.iter().filter(|kept| !kept.holds).map(|kept| {
            let is = match (kept.value, kept.endless) {
                (Some(value), _) => format!("it is {}", number(value)),
                (None, true) => "it was never seen to end".to_owned(),
                (None, false) => "it was not measured".to_owned(),
            };
            format!("{} does not hold: {is}", kept.threshold)
        });
        let faults = self.faults.iter().filter_map(|fault| {
            let why = fault.failed.as_ref()?;
            let at_s = number(fault.from_ms / 1e3);
            Some(format!("the fault {} at {at_s} s was not carried out: {why}", fault.name))
        });
        thresholds.chain(faults).collect()
    }

    fn limits(&self, measured: &Measured) -> Vec<String> {
        let Generator { lag_p99_worst_ms, lag_p99_max_ms, busiest, .. } = self.generator;
        let is_late = lag_p99_worst_ms > lag_p99_max_ms;
        let late = is_late.then(|| {
            format!(
                "its p99 behind the plan is {} ms, and may be {}",
                number(*lag_p99_worst_ms),
                number(*lag_p99_max_ms)
            )
        });
        let busy = measured.is_generator_busy().then(|| {
            format!("a thread of it was busy for {} % of the time", number(busiest * 100.0))
        });
        let limit =
            |what| format!("the generator was the bottleneck: {what}; the figures are its own");
        late.into_iter().chain(busy).map(limit).collect()
    }

    fn wrong_answers(&self) -> Vec<String> {
        let checks = self.verdict.into_iter().flat_map(|verdict| &verdict.checks);
        let broken = checks.filter(|(_, tally)| tally.violations > 0).map(|(check, tally)| {
            let Some(first) = tally.first.first() else { return check.to_string() };
            let [found, examined] =
                [tally.violations, tally.examined].map(|count| number(count as f64));
            format!("{found} of {examined} are wrong, such as {first}")
        });
        broken.collect()
    }
}

/// A run in which nothing was acknowledged kept every promise that it looked at.
fn nothing_done(measured: &Measured) -> Option<String> {
    let mut acknowledged =
        measured.cells.iter().filter(|(cell, _)| cell.outcome == Outcome::Acknowledged);
    let is_idle = acknowledged.all(|(_, latencies)| latencies.service.is_empty());
    is_idle.then(|| "nothing was acknowledged".to_owned())
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
        lag_p99_worst_ms: measured.lag_p99_us() as f64 / 1e3,
        busiest: own.busiest,
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
