//! What a run came to, in a few lines.

use std::fmt::Write;

use super::watching::time;
use crate::measured::Measured;
use crate::record::Outcome;
use crate::run::Finished;

pub(super) fn text(finished: &Finished) -> String {
    let mut text = String::new();
    // Text takes any text.
    let _written = write(&mut text, finished);
    text
}

fn write(text: &mut String, finished: &Finished) -> std::fmt::Result {
    let Finished { scenario, measured, history, tries, .. } = finished;
    writeln!(text, "{}: {}", scenario.name, scenario.about)?;
    writeln!(text, "seed {}, {} tries in {}", measured.seed, tries, history.display())?;
    cells(text, measured)?;
    for fault in &measured.faults {
        let at_s = fault.from / 1_000_000_000;
        let how = fault.failed.as_deref().unwrap_or("taken back");
        let long = time(fault.to.saturating_sub(fault.from) / 1_000);
        writeln!(text, "fault at {at_s} s: {} for {long}, {how}", fault.name)?;
    }
    for (code, count) in &measured.codes {
        writeln!(text, "{count} times {code}")?;
    }
    let lag = |quantile| time(measured.lag.value_at_quantile(quantile));
    writeln!(
        text,
        "\nbehind the plan: p50 {}, p99 {}, dropped {}",
        lag(0.5),
        lag(0.99),
        measured.dropped
    )?;
    let generator = &measured.generator;
    writeln!(
        text,
        "the generator took {} of processor time in {}",
        time(generator.processor / 1_000),
        time(generator.elapsed / 1_000)
    )?;
    headline(text, measured)
}

fn cells(text: &mut String, measured: &Measured) -> std::fmt::Result {
    writeln!(
        text,
        "\n{:<16} {:<10} {:<13} {:>9} {:>10} {:>10} {:>10} {:>14}",
        "phase", "operation", "outcome", "count", "p50", "p99", "p99.9", "p99 of service"
    )?;
    for (cell, latencies) in &measured.cells {
        let at = |quantile| time(latencies.corrected.value_at_quantile(quantile));
        writeln!(
            text,
            "{:<16} {:<10} {:<13} {:>9} {:>10} {:>10} {:>10} {:>14}",
            measured.phases.get(cell.phase).map_or("", |phase| phase.name.as_str()),
            format!("{:?}", cell.operation).to_lowercase(),
            format!("{:?}", cell.outcome).to_lowercase(),
            latencies.corrected.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            time(latencies.service.value_at_quantile(0.99)),
        )?;
    }
    Ok(())
}

/// The two numbers: what it does at most, and how long one waits where it does half of that.
fn headline(text: &mut String, measured: &Measured) -> std::fmt::Result {
    let Some(peak) = measured.capacity else { return Ok(()) };
    let mut corrected = crate::measured::histogram();
    let counted = measured.cells.iter().filter(|(cell, _)| {
        let counts = measured.phases.get(cell.phase).is_some_and(|phase| phase.counts);
        counts && cell.outcome == Outcome::Acknowledged
    });
    for (_, latencies) in counted {
        corrected.add(&latencies.corrected).expect("all have the same bounds");
    }
    let p99 = time(corrected.value_at_quantile(0.99));
    writeln!(
        text,
        "\n{:.0} acknowledged a second at most, with {} sessions",
        peak.per_s, peak.sessions
    )?;
    writeln!(text, "{p99} at the 99th percentile of the phases that count, from the planned start")
}
