//! Everything that a run comes to, as numbers with names: what thresholds and baselines speak of.
//!
//! | Name | What |
//! |---|---|
//! | `p50_ms` `p90_ms` `p99_ms` `p99_9_ms` `p99_99_ms` `max_ms` `mean_ms` | latency of the acknowledged from the intended start, over the phases that count |
//! | `service_p50_ms` and so on | the same from the moment of sending |
//! | `per_s` | acknowledged per second of the phases that count |
//! | `errors` | share of the tries that ended otherwise than acknowledged |
//! | `refused` `overloaded` `not_sent` `unknown` `broken` `timed_out` | share of the tries that ended so |
//!
//! Each of these stands for all operations together, for one (`add.p99_ms`), and for one phase
//! (`steady.p99_ms`, `steady.add.p99_ms`). A phase that is called as an operation stands back.
//!
//! | Name | What |
//! |---|---|
//! | `lag_p50_ms` `lag_p99_ms` `lag_p99_9_ms` `lag_max_ms` | how far the generator was behind its plan |
//! | `dropped` | operations that were never sent |
//! | `without_retry_after` | refusals for want of room that didn't say when to come again |
//! | `goodput_of_peak` | acknowledged per second in the most loaded phase that counts, of the capacity; where that wasn't measured, of the most over [`PEAK_SECONDS`] seconds outside of the phase. For another phase: `calm.goodput_of_peak` |
//! | `settle_ms` | from the end of that phase to the first whole second without failures and with the p99 of before it (see [`crate::recovery`]) |
//! | `detect_ms_max` `recovery_ms_max` `p99_return_ms_max` | the longest of all faults; endless where one was not seen to recover |
//! | `faults` `faults_failed` | how many were carried out, how many could not be |
//! | `memory_mb_max` | the server's resident memory |
//! | `memory_growth` `p99_growth` | median of the last fifth of the seconds against the second fifth: 0.1 is a tenth more |
//! | `violations`, and each check by its name (`lost`, `wrong_value`) | how often a promise was broken |
//!
//! What wasn't measured has no figure, and a threshold on it doesn't hold.

mod overload;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::check::{Check, Verdict};
use crate::measured::{Cell, Latencies, Measured, Phase, Second, histogram};
use crate::names::{operation_name, outcome_name};
use crate::record::{Operation, Outcome};
use crate::recovery::{Aftermath, median, ms, p99_ms};

pub use self::overload::PEAK_SECONDS;

/// The server's resident memory, among its metrics.
pub const MEMORY: &str = "process_resident_memory_bytes";

const SUFFIXES: [&str; 22] = [
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p99_9_ms",
    "p99_99_ms",
    "max_ms",
    "mean_ms",
    "service_p50_ms",
    "service_p90_ms",
    "service_p99_ms",
    "service_p99_9_ms",
    "service_p99_99_ms",
    "service_max_ms",
    "service_mean_ms",
    "per_s",
    "errors",
    "refused",
    "overloaded",
    "not_sent",
    "unknown",
    "broken",
    "timed_out",
];

const WHOLE: [&str; 16] = [
    "lag_p50_ms",
    "lag_p99_ms",
    "lag_p99_9_ms",
    "lag_max_ms",
    "dropped",
    "without_retry_after",
    "goodput_of_peak",
    "settle_ms",
    "detect_ms_max",
    "recovery_ms_max",
    "p99_return_ms_max",
    "faults",
    "faults_failed",
    "memory_mb_max",
    "memory_growth",
    "p99_growth",
];

/// Names and values. An endless one is a time that was never seen to end.
pub type Figures = BTreeMap<String, f64>;

/// The name of a check among figures.
#[must_use]
pub fn check_name(check: Check) -> String {
    check.name().replace('-', "_")
}

/// All names that a run with these phases and operations can have figures for.
#[must_use]
pub fn names<'a>(
    phases: impl IntoIterator<Item = &'a str>,
    operations: &[Operation],
) -> Vec<String> {
    let mut prefixes = of_operations("", operations);
    let mut goodputs = Vec::new();
    for phase in phases {
        goodputs.push(format!("{phase}.goodput_of_peak"));
        prefixes.extend(of_operations(&format!("{phase}."), operations));
    }
    let mut names: Vec<String> = WHOLE.map(str::to_owned).into();
    names.extend(goodputs);
    names.push("violations".to_owned());
    names.extend(Check::ALL.map(check_name));
    for prefix in prefixes {
        names.extend(SUFFIXES.map(|suffix| format!("{prefix}{suffix}")));
    }
    names
}

fn of_operations(before: &str, operations: &[Operation]) -> Vec<String> {
    let each = operations.iter().map(|one| format!("{before}{}.", operation_name(*one)));
    std::iter::once(before.to_owned()).chain(each).collect()
}

/// The figures of a run; without a verdict there are none of its checks.
#[must_use]
pub fn figures(
    measured: &Measured,
    aftermaths: &[Aftermath],
    verdict: Option<&Verdict>,
) -> Figures {
    let mut figures = Figures::new();
    let counts = |phase: usize| measured.phases.get(phase).is_some_and(|phase| phase.counts);
    let cells: Vec<(&Cell, &Latencies)> = measured.cells.iter().collect();
    let of = |is_wanted: &dyn Fn(&Cell) -> bool| -> Vec<(&Cell, &Latencies)> {
        cells.iter().filter(|(cell, _)| is_wanted(cell)).copied().collect()
    };
    let operations: std::collections::BTreeSet<Operation> =
        cells.iter().map(|(cell, _)| cell.operation).collect();
    let counted_s = measured.phases.iter().filter(|phase| phase.counts).map(seconds_of).sum();
    for (at, phase) in measured.phases.iter().enumerate() {
        let (name, phase_s) = (&phase.name, seconds_of(phase));
        of_cells(&mut figures, &format!("{name}."), phase_s, &of(&|cell| cell.phase == at));
        for operation in &operations {
            let prefix = format!("{name}.{}.", operation_name(*operation));
            let own = of(&|cell| cell.phase == at && cell.operation == *operation);
            of_cells(&mut figures, &prefix, phase_s, &own);
        }
    }
    of_cells(&mut figures, "", counted_s, &of(&|cell| counts(cell.phase)));
    for operation in &operations {
        let prefix = format!("{}.", operation_name(*operation));
        let own = of(&|cell| counts(cell.phase) && cell.operation == *operation);
        of_cells(&mut figures, &prefix, counted_s, &own);
    }
    of_generator(&mut figures, measured);
    of_faults(&mut figures, aftermaths);
    of_server(&mut figures, measured);
    overload::note(&mut figures, measured);
    if let Some(verdict) = verdict {
        figures.insert("violations".to_owned(), verdict.violations() as f64);
        // One that had nothing to look at is absent.
        let checks = verdict.checks.iter();
        figures.extend(checks.map(|(check, tally)| (check_name(*check), tally.violations as f64)));
    }
    figures
}

fn seconds_of(phase: &Phase) -> f64 {
    ms(phase.to.saturating_sub(phase.from)) / 1e3
}

/// A quantile in milliseconds.
#[must_use]
pub fn quantile_ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}

/// All of the same outcome together, corrected and by service.
#[must_use]
pub fn acknowledged(cells: &[(&Cell, &Latencies)]) -> Latencies {
    let mut all = Latencies { corrected: histogram(), service: histogram() };
    for (_, latencies) in cells.iter().filter(|(cell, _)| cell.outcome == Outcome::Acknowledged) {
        // Both have the same bounds, so nothing is refused.
        all.corrected += &latencies.corrected;
        all.service += &latencies.service;
    }
    all
}

fn of_cells(figures: &mut Figures, prefix: &str, over_s: f64, cells: &[(&Cell, &Latencies)]) {
    let count = |is_wanted: &dyn Fn(Outcome) -> bool| -> f64 {
        let wanted = cells.iter().filter(|(cell, _)| is_wanted(cell.outcome));
        wanted.map(|(_, latencies)| latencies.corrected.len()).sum::<u64>() as f64
    };
    let all = count(&|_| true);
    let mut set = |name: &str, value: f64| {
        figures.insert(format!("{prefix}{name}"), value);
    };
    if all == 0.0 {
        return;
    }
    set("errors", count(&|outcome| outcome != Outcome::Acknowledged) / all);
    for outcome in [
        Outcome::Refused,
        Outcome::Overloaded,
        Outcome::NotSent,
        Outcome::Unknown,
        Outcome::Broken,
        Outcome::TimedOut,
    ] {
        set(&outcome_name(outcome).replace('-', "_"), count(&|one| one == outcome) / all);
    }
    if over_s > 0.0 {
        set("per_s", count(&|outcome| outcome == Outcome::Acknowledged) / over_s);
    }
    let Latencies { corrected, service } = acknowledged(cells);
    for (kind, histogram) in [("", &corrected), ("service_", &service)] {
        if histogram.is_empty() {
            continue;
        }
        for (name, quantile) in
            [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999), ("p99_99", 0.9999)]
        {
            set(&format!("{kind}{name}_ms"), quantile_ms(histogram, quantile));
        }
        set(&format!("{kind}max_ms"), histogram.max() as f64 / 1e3);
        set(&format!("{kind}mean_ms"), histogram.mean() / 1e3);
    }
}

fn of_generator(figures: &mut Figures, measured: &Measured) {
    let lag = &measured.lag;
    if !lag.is_empty() {
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999)] {
            figures.insert(format!("lag_{name}_ms"), quantile_ms(lag, quantile));
        }
        figures.insert("lag_max_ms".to_owned(), lag.max() as f64 / 1e3);
    }
    figures.insert("dropped".to_owned(), measured.dropped as f64);
    let without = measured.without_retry_after as f64;
    figures.insert("without_retry_after".to_owned(), without);
}

type Time = fn(&Aftermath) -> Option<f64>;

fn of_faults(figures: &mut Figures, aftermaths: &[Aftermath]) {
    let (failed, done): (Vec<&Aftermath>, Vec<_>) =
        aftermaths.iter().partition(|aftermath| aftermath.failed.is_some());
    figures.insert("faults".to_owned(), done.len() as f64);
    figures.insert("faults_failed".to_owned(), failed.len() as f64);
    let detected = done.iter().filter_map(|aftermath| aftermath.detect_ms).reduce(f64::max);
    figures.extend(detected.map(|ms| ("detect_ms_max".to_owned(), ms)));
    let times: [(&str, Time); 2] = [
        ("recovery_ms_max", |aftermath| aftermath.recover_ms),
        ("p99_return_ms_max", |aftermath| aftermath.p99_return_ms),
    ];
    for (name, time) in times {
        let longest = done.iter().map(|one| time(one).unwrap_or(f64::INFINITY)).reduce(f64::max);
        figures.extend(longest.map(|ms| (name.to_owned(), ms)));
    }
}

fn of_server(figures: &mut Figures, measured: &Measured) {
    let memory = |second: &Second| second.server.get(MEMORY).copied();
    let largest = measured.seconds.iter().filter_map(memory).reduce(f64::max);
    figures.extend(largest.map(|bytes| ("memory_mb_max".to_owned(), bytes / 1e6)));
    let counted = || {
        let counts = |at: usize| {
            let middle = at as u64 * 1_000_000_000 + 500_000_000;
            let mut phases = measured.phases.iter();
            phases.any(|phase| phase.counts && (phase.from..phase.to).contains(&middle))
        };
        measured.seconds.iter().enumerate().filter(move |(at, _)| counts(*at)).map(|(_, one)| one)
    };
    let grown = [
        ("memory_growth", growth(&counted().filter_map(memory).collect::<Vec<_>>())),
        (
            "p99_growth",
            growth(&counted().filter_map(|one| p99_ms(&one.corrected)).collect::<Vec<_>>()),
        ),
    ];
    for (name, growth) in grown {
        figures.extend(growth.map(|growth| (name.to_owned(), growth)));
    }
}

/// The median of the last fifth against that of the second, for the first is when caches fill.
fn growth(values: &[f64]) -> Option<f64> {
    let fifth = values.len() / 5;
    let early = median(values.iter().skip(fifth).take(fifth).copied())?;
    let late = median(values.iter().rev().take(fifth).copied())?;
    (early > 0.0).then(|| late / early - 1.0)
}

#[cfg(test)]
mod tests;
