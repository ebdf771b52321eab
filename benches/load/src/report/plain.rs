//! A report as text, for logs.

use std::fmt::Write;

use super::{Conclusion, Operation, Report};
use crate::recovery::Aftermath;

/// A number as people read it.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e15 {
        return format!("{value:e}");
    }
    if size >= 1_000.0 {
        let whole = format!("{:.0}", value.abs());
        let mut grouped = String::new();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        return if value < 0.0 { format!("-{grouped}") } else { grouped };
    }
    match size {
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => trimmed(format!("{value:.1}")),
        _ if size >= 1.0 || size == 0.0 => trimmed(format!("{value:.2}")),
        _ => trimmed(format!("{value:.4}")),
    }
}

fn trimmed(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Milliseconds that may not be known.
pub(super) fn time(ms: Option<f64>) -> String {
    ms.map_or_else(|| "not seen".to_owned(), |ms| format!("{} ms", number(ms)))
}

/// How it ended, in words.
pub(super) const fn concluded(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Pass => "pass",
        Conclusion::Threshold => "a threshold was not kept",
        Conclusion::GeneratorLimited => "the generator was the bottleneck",
        Conclusion::Correctness => "the answers were wrong",
    }
}

/// What a curve says at these quantiles.
pub(super) fn at(curve: &[(f64, f64)], quantile: f64) -> f64 {
    let behind = curve.iter().find(|(at, _)| *at >= quantile - 1e-9).or_else(|| curve.last());
    behind.map_or(0.0, |(_, ms)| *ms)
}

/// The report as text.
#[must_use]
pub fn plain(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _written = write_all(&mut text, report);
    text
}

fn write_all(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(text, "{}: {}", report.scenario, concluded(report.conclusion))?;
    for reason in &report.reasons {
        writeln!(text, "  ! {reason}")?;
    }
    writeln!(text, "\nlatency, ms       corrected                              raw")?;
    writeln!(
        text,
        "{:<12} {:>9} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}",
        "", "p50", "p99", "p99.9", "max", "p50", "p99", "p99.9"
    )?;
    for operation in &report.operations {
        write_operation(text, operation)?;
    }
    let per_s = report.figures.get("per_s").copied().unwrap_or(0.0);
    let outcomes = report.outcomes.iter();
    let outcomes: Vec<_> =
        outcomes.map(|(name, count)| format!("{name} {}", number(*count as f64))).collect();
    writeln!(text, "\nacknowledged {}/s; {}", number(per_s), outcomes.join(", "))?;
    for (code, count) in &report.codes {
        writeln!(text, "  {code} {}", number(*count as f64))?;
    }
    let generator = &report.generator;
    writeln!(
        text,
        "generator: p99 behind the plan {} ms, dropped {}, processors {}",
        number(at(&generator.lag.curve, 0.99)),
        number(generator.dropped as f64),
        number(generator.processors)
    )?;
    if let Some(capacity) = &report.capacity {
        let (per_s, sessions) = (number(capacity.per_s), capacity.sessions);
        writeln!(text, "capacity: {per_s}/s with {sessions} sessions")?;
    }
    for fault in &report.faults {
        write_fault(text, fault)?;
    }
    if !report.thresholds.is_empty() {
        writeln!(text, "\nthresholds")?;
    }
    for kept in &report.thresholds {
        let sign = if kept.holds { "ok" } else { "NO" };
        let value = match (kept.value, kept.endless) {
            (Some(value), _) => number(value),
            (None, true) => "never".to_owned(),
            (None, false) => "not measured".to_owned(),
        };
        writeln!(text, "  {sign}  {} ({value})", kept.threshold)?;
    }
    write_verdict(text, report)
}

fn write_operation(text: &mut String, operation: &Operation) -> std::fmt::Result {
    let Operation { name, corrected, service, .. } = operation;
    let of = |curve: &[(f64, f64)], quantile| number(at(curve, quantile));
    writeln!(
        text,
        "{name:<12} {:>9} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}",
        of(&corrected.curve, 0.5),
        of(&corrected.curve, 0.99),
        of(&corrected.curve, 0.999),
        number(corrected.max_ms),
        of(&service.curve, 0.5),
        of(&service.curve, 0.99),
        of(&service.curve, 0.999),
    )
}

fn write_fault(text: &mut String, fault: &Aftermath) -> std::fmt::Result {
    write!(text, "fault {} at {} ms", fault.name, number(fault.from_ms))?;
    if let Some(failed) = &fault.failed {
        return writeln!(text, ": not carried out, {failed}");
    }
    writeln!(
        text,
        " for {} ms: detected after {}, recovered after {}, p99 back after {}",
        number(fault.to_ms - fault.from_ms),
        time(fault.detect_ms),
        time(fault.recover_ms),
        time(fault.p99_return_ms)
    )
}

fn write_verdict(text: &mut String, report: &Report) -> std::fmt::Result {
    let Some(verdict) = &report.verdict else {
        return writeln!(text, "\nnobody looked whether the answers were right");
    };
    writeln!(text, "\nchecks")?;
    for (check, tally) in &verdict.checks {
        let sign = if tally.violations == 0 { "ok" } else { "NO" };
        let (examined, found) = (number(tally.examined as f64), number(tally.violations as f64));
        writeln!(text, "  {sign}  {check}: {} ({found} of {examined})", check.promise())?;
        for violation in &tally.first {
            writeln!(text, "        {violation}")?;
        }
    }
    writeln!(
        text,
        "  unknown outcomes: {} happened, {} did not",
        number(verdict.unknown_applied as f64),
        number(verdict.unknown_absent as f64)
    )
}
