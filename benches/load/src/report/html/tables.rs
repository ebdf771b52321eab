//! The tables of the page.

use std::fmt::Write;

use super::parts::{Cell, card, escape, line, n, share, sign, table, word};
use crate::report::plain::{at, number, time};
use crate::report::{Environment, Operation, Report};

/// Counters of the server that are shown; a server has some hundred series, most of which stay as they
/// are.
const COUNTERS_MAX: usize = 24;

/// All of them.
pub(super) fn all(report: &Report) -> String {
    let mut text = operations(report);
    text.push_str(&outcomes(report));
    text.push_str(&thresholds(report));
    text.push_str(&checks(report));
    text.push_str(&faults(report));
    text.push_str(&baseline(report));
    text.push_str(&counters(report));
    text.push_str(&environment(report));
    text
}

fn operations(report: &Report) -> String {
    let row = |operation: &Operation| {
        let Operation { name, acknowledged, corrected, service } = operation;
        let mut row = vec![line(name), n(number(*acknowledged as f64))];
        for quantile in [0.5, 0.9, 0.99, 0.999] {
            row.push(n(number(at(&corrected.curve, quantile))));
        }
        row.push(n(number(corrected.max_ms)));
        for quantile in [0.5, 0.99, 0.999] {
            row.push(n(number(at(&service.curve, quantile))));
        }
        row
    };
    let heads = [
        "Operation",
        "acknowledged#",
        "p50#",
        "p90#",
        "p99#",
        "p99.9#",
        "max#",
        "raw p50#",
        "raw p99#",
        "raw p99.9#",
    ];
    let rows = report.operations.iter().map(row).collect();
    card("Operations", "Milliseconds.", "wide", &table(&heads, rows))
}

fn outcomes(report: &Report) -> String {
    let total: u64 = report.outcomes.values().sum();
    let row = |name: &String, count: u64| {
        let part = if total == 0 { 0.0 } else { count as f64 / total as f64 };
        let percent = format!("{} %", number(part * 100.0));
        vec![line(name), n(number(count as f64)), n(percent), share(part)]
    };
    let rows = report.outcomes.iter().map(|(name, count)| row(name, *count)).collect();
    let mut content = table(&["Outcome", "tries#", "share#", ""], rows);
    if !report.codes.is_empty() {
        let row = |(code, count): (&String, &u64)| vec![line(code), n(number(*count as f64))];
        let rows = report.codes.iter().map(row).collect();
        content.push_str(&table(&["Problem code", "answers#"], rows));
    }
    card("Outcomes", "", "", &content)
}

fn thresholds(report: &Report) -> String {
    if report.thresholds.is_empty() {
        return card("Thresholds", "The scenario has none.", "", "");
    }
    let rows = report.thresholds.iter().map(|kept| {
        let value = match (kept.value, kept.endless) {
            (Some(value), _) => number(value),
            (None, true) => "never".to_owned(),
            (None, false) => "not measured".to_owned(),
        };
        vec![word(&kept.threshold), n(value), sign(kept.holds)]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    card("Thresholds", "", "", &table(&["Threshold", "is#", ""], rows))
}

fn checks(report: &Report) -> String {
    let Some(verdict) = &report.verdict else {
        let about = "Nobody looked whether what was answered is what the node holds.";
        return card("Correctness", about, "wide", "");
    };
    let rows = verdict.checks.iter().map(|(check, tally)| {
        vec![
            line(check.name()),
            sign(tally.violations == 0),
            word(check.promise()),
            n(number(tally.examined as f64)),
            n(number(tally.violations as f64)),
        ]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let mut content = table(&["Check", "", "Promise", "examined#", "broken#"], rows);
    if !verdict.is_sound() {
        content.push_str("<ul class=\"found bad\">\n");
        for violation in verdict.kept() {
            // Writing to a string can't fail.
            let _written = writeln!(content, "<li>{}</li>", escape(&violation.to_string()));
        }
        content.push_str("</ul>\n");
    }
    let about = format!(
        "What was answered, against what the node serves afterwards. Of the unknown outcomes {} \
         happened and {} did not; {} reservations are open and may be.",
        number(verdict.unknown_applied as f64),
        number(verdict.unknown_absent as f64),
        number(verdict.open as f64)
    );
    card("Correctness", &about, "wide", &content)
}

fn faults(report: &Report) -> String {
    if report.faults.is_empty() {
        return String::new();
    }
    let rows = report.faults.iter().map(|fault| {
        let mut row = vec![
            line(&fault.name),
            n(format!("{} s", number(fault.from_ms / 1e3))),
            n(format!("{} s", number(fault.to_ms / 1e3))),
        ];
        match &fault.failed {
            Some(failed) => row.push(word(format!("not carried out: {failed}"))),
            None => row.extend([
                n(time(fault.detect_ms)),
                n(time(fault.recover_ms)),
                n(time(fault.p99_return_ms)),
                n(fault.rate_before.map_or_else(|| "-".to_owned(), number)),
                n(fault.rate_lowest.map_or_else(|| "-".to_owned(), number)),
                n(time(fault.p99_highest_ms)),
            ]),
        }
        row
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let heads = [
        "Fault",
        "from#",
        "to#",
        "to detect#",
        "to recover#",
        "to the former p99#",
        "rate before#",
        "lowest#",
        "highest p99#",
    ];
    let about = "The grain is a second. Recovered is nine tenths of the rate before, the former p99 \
        within twice of it.";
    card("Faults", about, "wide", &table(&heads, rows))
}

fn baseline(report: &Report) -> String {
    let Some(comparison) = &report.baseline else { return String::new() };
    let rows = comparison.figures.iter().map(|one| {
        vec![
            line(&one.figure),
            n(number(one.median)),
            n(format!("{} to {}", number(one.lowest), number(one.highest))),
            n(number(one.is)),
            sign(!one.is_worse),
        ]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let mut about = format!("Median and range of {} runs.", comparison.runs);
    for difference in &comparison.differences {
        let _written = write!(about, " Not the same: {}.", escape(difference));
    }
    let table = table(&["Figure", "median#", "range#", "now#", ""], rows);
    card("Against the baseline", &about, "wide", &table)
}

/// What the server's counters did over the run, those that moved most first.
fn counters(report: &Report) -> String {
    let mut seen: std::collections::BTreeMap<&str, (f64, f64)> = std::collections::BTreeMap::new();
    for second in &report.seconds {
        for (name, value) in &second.server {
            seen.entry(name).or_insert((*value, *value)).1 = *value;
        }
    }
    let mut moved: Vec<_> =
        seen.into_iter().filter(|(_, (first, last))| (first - last).abs() > 0.0).collect();
    moved.sort_by(|(_, one), (_, other)| {
        (other.1 - other.0).abs().total_cmp(&(one.1 - one.0).abs())
    });
    if moved.is_empty() {
        return card("Server counters", "The server told none that changed.", "", "");
    }
    let rows = moved.into_iter().take(COUNTERS_MAX).map(|(name, (first, last))| {
        vec![word(name), n(number(first)), n(number(last)), n(number(last - first))]
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let heads = ["Server counter", "first#", "last#", "change#"];
    card("Server counters", "Those that changed.", "", &table(&heads, rows))
}

fn environment(report: &Report) -> String {
    let Environment {
        began_at,
        processor,
        processors,
        memory_bytes,
        kernel,
        target,
        is_own,
        server_version,
        store,
        commit,
        settings,
    } = &report.environment;
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not known".to_owned());
    let memory = memory_bytes.map(|bytes| format!("{} MB", number(bytes as f64 / 1e6)));
    let generator = &report.generator;
    let whose = if *is_own { ", started for the run on this machine" } else { "" };
    let mut rows = vec![
        ("Target", format!("{target}{whose}")),
        ("Server version", text(server_version)),
        ("Commit", text(commit)),
        ("Store", text(store)),
        ("Processor", format!("{} x {}", processors, text(processor))),
        ("Memory", text(&memory)),
        ("Kernel", text(kernel)),
        ("Began", utc(*began_at)),
        (
            "Generator",
            format!(
                "{} threads, {} processors, {} dropped",
                generator.threads,
                number(generator.processors),
                number(generator.dropped as f64)
            ),
        ),
    ];
    if let Some(capacity) = &report.capacity {
        let (per_s, sessions) = (number(capacity.per_s), capacity.sessions);
        rows.push(("Capacity", format!("{per_s}/s with {sessions} sessions")));
    }
    let settings = settings.iter().map(|(name, value)| vec![word(name), word(value)]);
    let rows = rows.into_iter().map(|(name, value)| vec![line(name), word(value)]);
    card("Environment", "", "", &table(&["", ""], rows.chain(settings).collect()))
}

/// A moment in microseconds since 1970, to the second.
pub(in crate::report) fn utc(micros: i64) -> String {
    let seconds = micros.div_euclid(1_000_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date of the Gregorian calendar, in eras of 400 years that begin in March: Hinnant,
    // "chrono-Compatible Low-Level Date Algorithms".
    let from_march = days + 719_468;
    let (era, of_era) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carried) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let year = year + era * 400 + carried;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn moments_are_dates() {
        let cases = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_826_399_999_999, "2000-02-29 12:13:19 UTC"),
            (1_764_284_645_000_000, "2025-11-27 23:04:05 UTC"),
            (1_709_251_199_000_000, "2024-02-29 23:59:59 UTC"),
        ];
        for (micros, text) in cases {
            assert_eq!(utc(micros), text);
        }
    }
}
