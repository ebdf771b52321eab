//! What one scenario came to on one store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Result, Write};

use super::group::{Group, Shared};
use super::spread::{Spread, text as spread};
use super::{RUNS_MIN, escaped};
use crate::names::{OPERATIONS, operation_name};
use crate::recovery::Aftermath;
use crate::report::plain::{at, concluded, number};
use crate::report::{Conclusion, Report};

const ALL: &str = "all";

pub(super) fn write(text: &mut String, group: &Group<'_>, shared: &Shared) -> Result {
    let Group { scenario, store, .. } = group;
    writeln!(text, "\n### {}, {}\n", escaped(scenario), escaped(store))?;
    if let Some((_, report)) = group.reported().next() {
        writeln!(text, "{}.\n", escaped(report.about.trim_end_matches('.')))?;
    }
    counts(text, group)?;
    let own: Vec<String> =
        group.own(shared).map(|(name, value)| format!("{name} {value}")).collect();
    if !own.is_empty() {
        writeln!(text, "Of these runs alone: {}.\n", escaped(&own.join(", ")))?;
    }
    let reports: Vec<&Report> = group.measured.iter().map(|(_, report)| *report).collect();
    if !reports.is_empty() {
        operations(text, &reports)?;
        load(text, &reports)?;
        thresholds(text, &reports)?;
        faults(text, &reports)?;
    }
    checks(text, group)?;
    named(text, group)
}

/// A small count in words.
fn in_words(count: usize) -> String {
    let words = ["no", "one", "two", "three", "four", "five"];
    words.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

pub(super) fn runs(count: usize) -> String {
    format!("{} {}", in_words(count), if count == 1 { "run" } else { "runs" })
}

/// As the beginning of a sentence.
pub(super) fn begins(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

const fn ended_so(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Pass => "passed",
        Conclusion::Threshold => "missed a threshold",
        Conclusion::GeneratorLimited => "limited by the generator",
        Conclusion::Correctness => "with wrong answers",
    }
}

/// How many runs there are, and how they ended.
fn counts(text: &mut String, group: &Group<'_>) -> Result {
    let all = group.reported().count() + group.without.len();
    let mut ended: BTreeMap<Conclusion, usize> = BTreeMap::new();
    for (_, report) in group.reported() {
        *ended.entry(report.conclusion).or_default() += 1;
    }
    let mut parts: Vec<String> = ended
        .iter()
        .rev()
        .map(|(conclusion, count)| format!("{} {}", in_words(*count), ended_so(*conclusion)))
        .collect();
    if !group.without.is_empty() {
        parts.push(format!("{} without a report", in_words(group.without.len())));
    }
    writeln!(text, "{}: {}.", begins(&runs(all)), parts.join(", "))?;
    let measured = group.measured.len();
    if measured == 0 {
        writeln!(text, "**There is no run to take figures from.**")?;
    } else if measured < RUNS_MIN {
        let (is, least) = (runs(measured), in_words(RUNS_MIN));
        let verb = if measured == 1 { "is" } else { "are" };
        writeln!(text, "**Only {is} {verb} in the table, fewer than {least}.**")?;
    }
    writeln!(text)
}

fn figures(reports: &[&Report], name: &str) -> Vec<f64> {
    reports.iter().filter_map(|report| report.figures.get(name).copied()).collect()
}

/// Each operation of each phase that counts; all together where there are several.
fn operations(text: &mut String, reports: &[&Report]) -> Result {
    let done: BTreeSet<&str> = reports
        .iter()
        .flat_map(|report| report.operations.iter().map(|one| one.name.as_str()))
        .filter(|name| *name != ALL)
        .collect();
    let known = OPERATIONS.map(operation_name).into_iter().filter(|name| done.contains(name));
    let mut names: Vec<&str> = known.collect();
    if names.len() > 1 {
        names.push(ALL);
    }
    writeln!(
        text,
        "| Phase | Operation | Acknowledged/s | p50, ms | p99, ms | Service p99, ms | Errors | Runs |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    )?;
    for phase in reports[0].phases.iter().filter(|phase| phase.counts) {
        for name in &names {
            let of = |figure: &str| {
                let middle = if *name == ALL { String::new() } else { format!("{name}.") };
                figures(reports, &format!("{}.{middle}{figure}", phase.name))
            };
            let rates = of("per_s");
            let count = rates.len();
            if count == 0 {
                continue;
            }
            let errors: Vec<f64> = of("errors").into_iter().map(|share| share * 100.0).collect();
            writeln!(
                text,
                "| {} | {name} | {} | {} | {} | {} | {} | {count} |",
                escaped(&phase.name),
                spread(&rates, count, ""),
                spread(&of("p50_ms"), count, ""),
                spread(&of("p99_ms"), count, ""),
                spread(&of("service_p99_ms"), count, ""),
                spread(&errors, count, " %"),
            )?;
        }
    }
    writeln!(text)
}

/// What the target can do, and what the generator and the target's memory were.
fn load(text: &mut String, reports: &[&Report]) -> Result {
    let all = reports.len();
    let capacities: Vec<_> = reports.iter().filter_map(|report| report.capacity.as_ref()).collect();
    if !capacities.is_empty() {
        let rates: Vec<f64> = capacities.iter().map(|one| one.per_s).collect();
        let sessions: BTreeSet<u32> = capacities.iter().map(|one| one.sessions).collect();
        let sessions: Vec<String> = sessions.iter().map(u32::to_string).collect();
        let rates = spread(&rates, all, "/s");
        write!(text, "Capacity: {rates}, with {} sessions.", sessions.join(" or "))?;
        let goodput = figures(reports, "goodput_of_peak");
        if !goodput.is_empty() {
            let goodput = spread(&goodput, all, "");
            write!(text, " Goodput in the most loaded phase, of the capacity: {goodput}.")?;
        }
        let settled = figures(reports, "settle_ms");
        if !settled.is_empty() {
            write!(text, " Settled after: {}.", spread(&settled, all, " ms"))?;
        }
        writeln!(text)?;
    }
    let of = |value: fn(&Report) -> f64| -> Vec<f64> {
        reports.iter().map(|report| value(report)).collect()
    };
    let lag = of(|report| at(&report.generator.lag.curve, 0.99));
    let dropped = of(|report| report.generator.dropped as f64);
    let processors = of(|report| report.generator.processors);
    writeln!(
        text,
        "Generator: p99 behind the plan {} of {} allowed, dropped {}, processors {}.",
        spread(&lag, all, " ms"),
        number(reports[0].generator.lag_p99_max_ms),
        spread(&dropped, all, ""),
        spread(&processors, all, "")
    )?;
    let memory = figures(reports, "memory_mb_max");
    if !memory.is_empty() {
        writeln!(text, "The server's memory at most: {}.", spread(&memory, all, " MB"))?;
    }
    writeln!(text)
}

fn thresholds(text: &mut String, reports: &[&Report]) -> Result {
    if reports[0].thresholds.is_empty() {
        return writeln!(text, "The scenario has no thresholds.\n");
    }
    writeln!(text, "| Threshold | Kept by | Figure |\n| --- | --- | --- |")?;
    // Runs of one table have the same thresholds in the same order.
    for (at, kept) in reports[0].thresholds.iter().enumerate() {
        let of_runs: Vec<_> =
            reports.iter().filter_map(|report| report.thresholds.get(at)).collect();
        let holding = of_runs.iter().filter(|kept| kept.holds).count();
        let values: Vec<f64> = of_runs.iter().filter_map(|kept| kept.value).collect();
        let mut figure = Vec::new();
        if !values.is_empty() {
            figure.push(spread(&values, of_runs.len(), ""));
        }
        let endless = of_runs.iter().filter(|kept| kept.endless).count();
        if endless > 0 {
            figure.push(format!("never seen to end in {endless}"));
        }
        let missing = of_runs.len() - values.len() - endless;
        if missing > 0 {
            figure.push(format!("not measured in {missing}"));
        }
        let figure = figure.join("; ");
        let (threshold, all) = (kept.threshold.replace('|', "\\|"), of_runs.len());
        writeln!(text, "| `{threshold}` | {holding} of {all} | {figure} |")?;
    }
    writeln!(text)
}

/// Faults by their kind, those of all runs together.
fn faults(text: &mut String, reports: &[&Report]) -> Result {
    let mut by_name: BTreeMap<&str, Vec<&Aftermath>> = BTreeMap::new();
    for fault in reports.iter().flat_map(|report| &report.faults) {
        by_name.entry(&fault.name).or_default().push(fault);
    }
    if by_name.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "| Fault | Carried out | To detect | To serve again | To the former p99 |\n\
         | --- | --- | --- | --- | --- |"
    )?;
    for (name, faults) in by_name {
        let done: Vec<_> = faults.iter().filter(|fault| fault.failed.is_none()).collect();
        let time = |of: fn(&Aftermath) -> Option<f64>| {
            let seen: Vec<f64> = done.iter().filter_map(|fault| of(fault)).collect();
            let unseen = done.len() - seen.len();
            let times = Spread::of(seen).map(|spread| spread.text(" ms"));
            match (times, unseen) {
                (Some(times), 0) => times,
                (Some(times), unseen) => format!("{times}; {unseen} not seen"),
                (None, _) => "not seen".to_owned(),
            }
        };
        writeln!(
            text,
            "| {} | {} of {} | {} | {} | {} |",
            escaped(name),
            done.len(),
            faults.len(),
            time(|fault| fault.detect_ms),
            time(|fault| fault.recover_ms),
            time(|fault| fault.p99_return_ms)
        )?;
    }
    writeln!(text)
}

/// What the checkers said, of the runs that have no figures in the table too.
fn checks(text: &mut String, group: &Group<'_>) -> Result {
    let mut sums = crate::check::Verdict::default();
    let mut looked = 0;
    for (_, report) in group.reported() {
        if let Some(verdict) = &report.verdict {
            looked += 1;
            sums.absorb(verdict.clone());
        }
    }
    let unseen = group.reported().count() - looked;
    if looked > 0 {
        write!(text, "Broken promises of how many that were looked at, in {}: ", runs(looked))?;
        let each = sums.checks.iter().map(|(check, tally)| {
            let [broken, all] =
                [tally.violations, tally.examined].map(|count| number(count as f64));
            let sign = if tally.violations > 0 { "**" } else { "" };
            format!("{sign}{check} {broken} of {all}{sign}")
        });
        let each: Vec<String> = each.collect();
        let each = if each.is_empty() { "none".to_owned() } else { each.join(", ") };
        let [happened, absent] =
            [sums.unknown_applied, sums.unknown_absent].map(|count| number(count as f64));
        writeln!(
            text,
            "{each}. Of the unknown outcomes {happened} happened and {absent} did not."
        )?;
    }
    if unseen > 0 {
        writeln!(text, "Whether the answers were right nobody looked in {}.", runs(unseen))?;
    }
    Ok(())
}

/// Every run that isn't simply in the table.
fn named(text: &mut String, group: &Group<'_>) -> Result {
    let mut lines = Vec::new();
    for (run, report) in group.reported().filter(|(_, one)| one.conclusion != Conclusion::Pass) {
        let place = match report.conclusion {
            Conclusion::Pass | Conclusion::Threshold => "in the table",
            Conclusion::GeneratorLimited | Conclusion::Correctness => "**not in the table**",
        };
        let why = if report.reasons.is_empty() {
            concluded(report.conclusion).to_owned()
        } else {
            report.reasons.join("; ")
        };
        lines.push(format!("- {}, {place}: {}", escaped(&run.name), escaped(&why)));
    }
    for run in &group.without {
        let how = run.about.get("exit").map_or_else(
            || "it was not seen to end".to_owned(),
            |exit| format!("it ended with {exit}"),
        );
        let (name, how) = (escaped(&run.name), escaped(&how));
        lines.push(format!("- {name}, **not in the table**: it has no report, {how}"));
    }
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{}", lines.join("\n"))
}
