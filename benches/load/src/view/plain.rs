//! A line a second.

use std::fmt::Write;

use super::Snapshot;
use crate::figures::quantile_ms;
use crate::names::{OUTCOMES, outcome_name};
use crate::record::Outcome;

/// The last second in a line, without its end.
#[must_use]
pub fn plain_line(snapshot: &Snapshot) -> String {
    let last = &snapshot.last;
    let of = |outcome: &Outcome| last.ended.get(outcome).copied().unwrap_or_default();
    let phase = snapshot.phase().map_or("-", |(name, _)| name);
    let ms = |quantile| format!("{:.1}", quantile_ms(&last.corrected, quantile));
    let mut text = format!(
        "{:>5} s  {phase:<12} {:>6}/s  p50 {:>7} ms  p99 {:>7} ms  raw p99 {:>7.1} ms  \
         in flight {:>4}  lag p99 {:.1} ms",
        snapshot.second,
        of(&Outcome::Acknowledged),
        ms(0.5),
        ms(0.99),
        quantile_ms(&last.service, 0.99),
        last.in_flight,
        quantile_ms(&last.lag, 0.99),
    );
    for outcome in &OUTCOMES[1..] {
        if of(outcome) > 0 {
            // Writing to a string can't fail, here and below.
            let _written = write!(text, "  {} {}", outcome_name(*outcome), of(outcome));
        }
    }
    if last.dropped > 0 {
        let _written = write!(text, "  dropped {}", last.dropped);
    }
    for fault in snapshot.faults.iter().filter(|fault| !fault.is_over) {
        let _written = write!(text, "  [{}]", fault.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_happened_in_the_second() {
        let line = plain_line(&super::super::tests::snapshot());
        for part in ["   12 s", "main", "100/s", "p99     4.0 ms", "broken 2", "[kill]"] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains("dropped") && !line.contains('\n'), "{line}");
    }
}
