//! Figures of runs that are short enough to be worked out by hand.

use super::*;
use crate::recovery::aftermaths;
use crate::sample::{fault, measured, second};

/// With a verdict of which each check has looked at something.
fn of(measured: &Measured) -> Figures {
    let mut verdict = Verdict::default();
    Check::ALL.into_iter().for_each(|check| verdict.examined(check, 1));
    figures(measured, &aftermaths(measured), Some(&verdict))
}

#[test]
fn a_check_that_looked_at_nothing_has_no_figure() {
    let run = measured(vec![second(90, 10, 4)]);
    let mut verdict = Verdict::default();
    verdict.examined(Check::Lost, 3);
    let figures = figures(&run, &[], Some(&verdict));
    assert_eq!((figures.get("lost"), figures.get("gap")), (Some(&0.0), None));
}

#[track_caller]
fn is(figures: &Figures, name: &str, value: f64) {
    let found = figures.get(name).copied();
    // Three digits: what a histogram keeps.
    let near = found.is_some_and(|found| (found - value).abs() <= value.abs() * 2e-3);
    assert!(near || found == Some(value), "{name} is {found:?}, not {value}");
}

#[test]
fn latencies_rates_and_shares_are_over_what_counts() {
    let mut run = measured(vec![second(90, 10, 4); 10]);
    let slow = Cell { phase: 1, operation: Operation::Read, outcome: Outcome::Acknowledged };
    let mut latencies = Latencies { corrected: histogram(), service: histogram() };
    latencies.corrected.record_n(100_000, 900).unwrap();
    latencies.service.record_n(8_000, 900).unwrap();
    run.cells.insert(slow, latencies);
    let warm = Phase { name: "warm".to_owned(), from: 0, to: 10_000_000_000, counts: false };
    run.phases.push(warm);
    let figures = of(&run);
    is(&figures, "p99_ms", 4.0);
    is(&figures, "per_s", 90.0);
    is(&figures, "errors", 0.1);
    is(&figures, "broken", 0.1);
    is(&figures, "timed_out", 0.0);
    is(&figures, "add.max_ms", 4.0);
    is(&figures, "main.add.per_s", 90.0);
    is(&figures, "warm.read.p50_ms", 100.0);
    is(&figures, "warm.service_p99_99_ms", 8.0);
    is(&figures, "dropped", 0.0);
    is(&figures, "lost", 0.0);
    assert_eq!(figures.get("read.p99_ms"), None, "only the warm-up read");
    assert_eq!(figures.get("lag_p99_ms"), None);
}

#[test]
fn every_figure_has_a_name_that_is_known_before_the_run() {
    let mut run = measured(vec![second(90, 10, 4); 30]);
    run.lag.record(100).unwrap();
    run.seconds.iter_mut().for_each(|one| {
        one.server.insert(MEMORY.to_owned(), 1e6);
    });
    run.faults = vec![fault("kill", 5_000, 6_000)];
    let known = names(["main"], &[Operation::Add]);
    let figures = of(&run);
    let unknown: Vec<_> = figures.keys().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let missing: Vec<_> = known.iter().filter(|name| !figures.contains_key(*name)).collect();
    assert_eq!(missing, ["settle_ms"], "there is no phase before");
}

#[test]
fn the_longest_recovery_counts_and_one_that_never_came_is_endless() {
    let mut seconds = vec![second(100, 0, 4); 5];
    seconds.extend([second(10, 9, 4), second(20, 9, 4)]);
    seconds.extend(vec![second(100, 0, 4); 3]);
    let mut run = measured(seconds);
    run.faults = vec![fault("kill", 5_000, 5_000)];
    is(&of(&run), "recovery_ms_max", 2_000.0);
    is(&of(&run), "detect_ms_max", 1_000.0);
    run.seconds.truncate(7);
    is(&of(&run), "recovery_ms_max", f64::INFINITY);
    run.faults[0].failed = Some("no pid".to_owned());
    assert_eq!(of(&run).get("recovery_ms_max"), None);
    is(&of(&run), "faults_failed", 1.0);
}

#[test]
fn goodput_is_of_the_peak_outside_and_the_end_of_overload_is_found() {
    let mut seconds = vec![second(1_000, 0, 4); 10];
    seconds.extend(vec![second(900, 2_100, 300); 10]);
    seconds.extend([second(1_000, 5, 200), second(1_000, 0, 150)]);
    seconds.extend(vec![second(500, 0, 6); 3]);
    let mut run = measured(seconds);
    let phase = |name: &str, from: u64, to: u64, counts| Phase {
        name: name.to_owned(),
        from: from * 1_000_000_000,
        to: to * 1_000_000_000,
        counts,
    };
    run.phases =
        vec![phase("peak", 0, 10, false), phase("over", 10, 20, true), phase("calm", 20, 25, true)];
    let figures = of(&run);
    is(&figures, "goodput_of_peak", 0.9);
    is(&figures, "over.goodput_of_peak", 0.9);
    is(&figures, "peak.goodput_of_peak", 1_000.0 / 900.0);
    is(&figures, "settle_ms", 2_000.0);
    run.capacity = Some(crate::measured::Peak { per_s: 1_800.0, sessions: 8 });
    is(&of(&run), "goodput_of_peak", 0.5);
    run.seconds.truncate(22);
    is(&of(&run), "settle_ms", f64::INFINITY);
}

#[test]
fn growth_compares_the_last_fifth_with_the_second() {
    let with = |megabytes: f64| {
        let mut one = second(100, 0, 4);
        one.server.insert(MEMORY.to_owned(), megabytes * 1e6);
        one
    };
    let memory = [10.0, 20.0, 100.0, 100.0, 100.0, 105.0, 107.0, 90.0, 110.0, 110.0];
    let run = measured(memory.map(with).into());
    is(&of(&run), "memory_growth", 0.1);
    is(&of(&run), "memory_mb_max", 110.0);
    is(&of(&run), "p99_growth", 0.0);
}
