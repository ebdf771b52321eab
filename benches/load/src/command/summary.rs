//! What a run came to beside its report: where it is, each cell, and the two numbers.

use std::fmt::Write;

use crate::measured::Measured;
use crate::names::{operation_name, outcome_name};
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
    if measured.without_retry_after > 0 {
        let count = measured.without_retry_after;
        writeln!(text, "{count} refusals for want of room did not say when to come again")?;
    }
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
            operation_name(cell.operation),
            outcome_name(cell.outcome),
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

/// Microseconds for people.
fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(time(999), "999 us");
        assert_eq!(time(1_250), "1.2 ms");
        assert_eq!(time(61_230_000), "61.23 s");
    }
}
