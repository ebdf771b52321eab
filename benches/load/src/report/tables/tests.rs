//! Tables of made-up runs.

use std::fs;

use super::group::Facts;
use super::*;
use crate::check::{Check, Verdict, Violation};
use crate::figures::names;
use crate::measured::Peak;
use crate::record;
use crate::report::{Conclusion, Environment, Report, Sources, build};
use crate::sample::{fault, measured, second};
use crate::threshold::Threshold;

/// Five seconds of adds with this latency, and a kill among them.
fn report(number: u64, latency_ms: u64) -> Report {
    let mut measured = measured(vec![second(100, 0, latency_ms); 5]);
    measured.run = number;
    measured.lag.record_n(number * 1_000, 100).unwrap();
    measured.capacity = Some(Peak { per_s: 1_000.0 + number as f64, sessions: 64 });
    measured.faults = vec![fault("kill", 2_000, 3_000)];
    let known = names(["main"], &[record::Operation::Add]);
    let thresholds = [Threshold::parse("p99_ms < 25", &known).unwrap()];
    let mut verdict = Verdict::default();
    verdict.examined(Check::Lost, 500);
    let environment = Environment {
        began_at: 1_764_284_645_000_000,
        processor: Some("A CPU".to_owned()),
        processors: 2,
        memory_bytes: Some(8_000_000_000),
        kernel: Some("6.1".to_owned()),
        is_own: true,
        store: Some("sqlite".to_owned()),
        commit: Some("c0ffee".to_owned()),
        ..Environment::default()
    };
    build(Sources {
        scenario: "steady",
        about: "An even load",
        measured: &measured,
        thresholds: &thresholds,
        verdict: Some(&verdict),
        environment,
        baseline: None,
    })
}

fn run(number: u64, report: Report) -> Run {
    Run { name: format!("sqlite/steady/{number}"), about: Facts::default(), report: Some(report) }
}

fn of_latencies(latencies_ms: &[u64]) -> Vec<Run> {
    let numbered = (1..).zip(latencies_ms);
    numbered.map(|(number, latency)| run(number, report(number, *latency))).collect()
}

#[test]
fn medians_and_ranges_are_over_the_runs() {
    let text = markdown(&of_latencies(&[9, 3, 20, 5, 8])).unwrap();
    assert!(
        text.contains("\n### steady, sqlite\n\nAn even load.\n\nFive runs: five passed.\n"),
        "{text}"
    );
    let row = "| main | add | 100 | 8 (3 to 20) | 8 (3 to 20) | 8 (3 to 20) | 0 % | 5 |\n";
    assert!(text.contains(row), "{text}");
    assert!(!text.contains("Only"), "{text}");
    let threshold = "| `p99_ms < 25` | 5 of 5 | 8 (3 to 20) |\n";
    assert!(text.contains(threshold), "{text}");
    assert!(text.contains("Capacity: 1,003/s (1,001 to 1,005), with 64 sessions."), "{text}");
    assert!(text.contains("p99 behind the plan 3 ms (1 to 5) of 10 allowed"), "{text}");
}

#[test]
fn of_an_even_number_the_median_lies_between_the_two_in_the_middle() {
    let text = markdown(&of_latencies(&[4, 2, 8, 20])).unwrap();
    assert!(text.contains("| main | add | 100 | 6 (2 to 20) |"), "{text}");
    assert!(text.contains("\nFour runs: four passed.\n"), "{text}");
    assert!(text.contains("**Only four runs are in the table, fewer than five.**"), "{text}");
    let one = markdown(&of_latencies(&[4])).unwrap();
    assert!(one.contains("**Only one run is in the table, fewer than five.**"), "{one}");
}

#[test]
fn what_missed_a_threshold_is_in_the_table_and_named() {
    let text = markdown(&of_latencies(&[5, 5, 5, 5, 100])).unwrap();
    assert!(text.contains("Five runs: four passed, one missed a threshold.\n"), "{text}");
    assert!(text.contains("| main | add | 100 | 5 (5 to 100) |"), "{text}");
    assert!(text.contains("| `p99_ms < 25` | 4 of 5 | 5 (5 to 100) |"), "{text}");
    let named = "- sqlite/steady/5, in the table: p99_ms \\< 25 does not";
    assert!(text.contains(named), "{text}");
}

#[test]
fn a_limited_generator_and_wrong_answers_are_named_and_not_averaged_in() {
    let mut runs = of_latencies(&[5, 5, 5, 5, 5, 1_000, 2_000]);
    let limited = runs[5].report.as_mut().unwrap();
    limited.conclusion = Conclusion::GeneratorLimited;
    limited.reasons = vec!["the generator was late".to_owned()];
    let wrong = runs[6].report.as_mut().unwrap();
    wrong.conclusion = Conclusion::Correctness;
    wrong.reasons = vec!["an answer | was wrong".to_owned()];
    wrong.verdict.as_mut().unwrap().violated(Violation {
        check: Check::Lost,
        entity: "counter/c-1".to_owned(),
        op: None,
        told: "a".to_owned(),
        is: "b".to_owned(),
    });
    runs.push(Run {
        name: "sqlite/steady/8".to_owned(),
        about: [("scenario", "steady"), ("store", "sqlite"), ("exit", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        report: None,
    });
    let text = markdown(&runs).unwrap();
    let counts = "8 runs: five passed, one limited by the generator, one with wrong answers, \
        one without a report.\n";
    assert!(text.contains(counts), "{text}");
    assert!(text.contains("| main | add | 100 | 5 | 5 | 5 | 0 % | 5 |\n"), "{text}");
    assert!(text.contains("| `p99_ms < 25` | 5 of 5 | 5 |\n"), "{text}");
    assert!(text.contains("in 7 runs: **lost 1 of 3,500**."), "{text}");
    for named in [
        "- sqlite/steady/6, **not in the table**: the generator was late\n",
        "- sqlite/steady/7, **not in the table**: an answer \\| was wrong\n",
        "- sqlite/steady/8, **not in the table**: it has no report, it ended with 1\n",
    ] {
        assert!(text.contains(named), "{text}");
    }
}

#[test]
fn without_a_run_that_counts_there_is_no_table() {
    let mut runs = of_latencies(&[5]);
    runs[0].report.as_mut().unwrap().conclusion = Conclusion::GeneratorLimited;
    let text = markdown(&runs).unwrap();
    assert!(text.contains("**There is no run to take figures from.**"), "{text}");
    assert!(!text.contains("| main |"), "{text}");
}

#[test]
fn runs_that_differ_are_refused_by_what_differs() {
    type Change = fn(&mut Run);
    let cases: [(Change, &str); 6] = [
        (
            |run| environment(run).commit = Some("beef".to_owned()),
            r#"commit is "c0ffee" and "beef""#,
        ),
        (|run| environment(run).commit = None, r#"commit is "c0ffee" and not said"#),
        (|run| environment(run).processors = 4, r#"processors is "2" and "4""#),
        (
            |run| {
                let settings = &mut environment(run).settings;
                settings.insert("scenario".to_owned(), "b".to_owned());
            },
            r#"scenario is not said and "b""#,
        ),
        (
            |run| drop(run.about.insert("profile".to_owned(), "ci".to_owned())),
            r#"profile is not said and "ci""#,
        ),
        (
            |run| run.report.as_mut().unwrap().phases[0].to_ms = 60_000.0,
            r#"phases is "main 5.000 s" and "main 60.000 s""#,
        ),
    ];
    for (change, difference) in cases {
        let mut runs = of_latencies(&[5, 5, 5]);
        change(&mut runs[2]);
        let error = markdown(&runs).unwrap_err().to_string();
        let expected = format!(
            "sqlite/steady/1 and sqlite/steady/3 do not belong into one table of steady: {difference}"
        );
        assert_eq!(error, expected);
    }
}

fn environment(run: &mut Run) -> &mut Environment {
    &mut run.report.as_mut().unwrap().environment
}

#[test]
fn the_same_run_does_not_count_twice() {
    let mut runs = of_latencies(&[5, 5]);
    runs[1].report = runs[0].report.clone();
    let error = markdown(&runs).unwrap_err();
    assert!(matches!(error, TablesError::Twice { .. }), "{error:?}");
}

#[test]
fn a_fingerprint_stands_once_and_what_is_of_one_store_says_so() {
    let mut runs = of_latencies(&[1, 1, 1, 1]);
    for (at, run) in runs.iter_mut().enumerate() {
        let (store, version) =
            if at % 2 == 0 { ("sqlite", "3.51") } else { ("postgresql", "15.1") };
        environment(run).store = Some(store.to_owned());
        run.about.insert("store version".to_owned(), version.to_owned());
        if at > 1 {
            run.report.as_mut().unwrap().scenario = "money".to_owned();
            environment(run).settings.insert("CAP".to_owned(), "1".to_owned());
        }
    }
    let text = markdown(&runs).unwrap();
    assert_eq!(text.matches("A CPU").count(), 1, "{text}");
    assert!(text.contains("| commit | c0ffee |\n"), "{text}");
    assert!(text.contains("| memory | 8 GB |\n"), "{text}");
    assert!(text.contains("| store version | postgresql: 15.1; sqlite: 3.51 |\n"), "{text}");
    assert_eq!(text.matches("Of these runs alone: CAP 1.").count(), 2, "{text}");
    let titles: Vec<&str> = text.lines().filter(|line| line.starts_with("### ")).collect();
    let expected = [
        "### steady, sqlite",
        "### steady, postgresql",
        "### money, sqlite",
        "### money, postgresql",
    ];
    assert_eq!(titles, expected);
}

#[test]
fn faults_of_all_runs_stand_together_and_what_was_not_seen_is_said() {
    let mut runs = of_latencies(&[5, 5, 5, 5]);
    for (at, run) in runs.iter_mut().enumerate() {
        let fault = &mut run.report.as_mut().unwrap().faults[0];
        fault.detect_ms = None;
        fault.recover_ms = (at != 3).then_some(1_000.0 * (at + 1) as f64);
        fault.p99_return_ms = Some(500.0);
        fault.failed = (at == 2).then(|| "no".to_owned());
    }
    let text = markdown(&runs).unwrap();
    let row = "| kill | 3 of 4 | not seen | 1,500 ms (1,000 to 2,000); 1 not seen | 500 ms |\n";
    assert!(text.contains(row), "{text}");
}

#[test]
fn a_threshold_on_what_never_ended_or_was_not_measured_says_so() {
    let mut runs = of_latencies(&[5, 5, 5]);
    for (run, endless) in runs.iter_mut().zip([true, false]) {
        let kept = &mut run.report.as_mut().unwrap().thresholds[0];
        (kept.value, kept.endless, kept.holds) = (None, endless, false);
    }
    let text = markdown(&runs).unwrap();
    let row = "| `p99_ms < 25` | 1 of 3 | 5, in 1 of 3 runs; never seen to end in 1; not measured in 1 |\n";
    assert!(text.contains(row), "{text}");
    let never = runs[0].report.clone().unwrap();
    let text = markdown(&[run(1, never)]).unwrap();
    assert!(text.contains("| `p99_ms < 25` | 0 of 1 | never seen to end in 1 |\n"), "{text}");
}

#[test]
fn runs_are_found_wherever_they_lie_and_none_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let place = directory.path().join(name);
        fs::create_dir_all(&place).unwrap();
        place
    };
    for number in [2, 10] {
        let json = report(number, 5).to_json().unwrap();
        fs::write(place(&format!("sqlite/steady/{number}")).join("report.json"), json).unwrap();
    }
    let begun = place("sqlite/steady/11");
    fs::write(begun.join(ABOUT_FILE), "store = \"sqlite\"\nexit = \"1\"\n").unwrap();
    fs::write(place("sqlite/steady/12").join("history.bin"), "").unwrap();
    place("empty");
    let names = |paths: &[PathBuf]| -> Vec<String> {
        read(paths).unwrap().into_iter().map(|run| run.name).collect()
    };
    let root = directory.path().to_owned();
    let steady = ["2", "10", "11", "12"].map(|number| format!("sqlite/steady/{number}"));
    assert_eq!(names(std::slice::from_ref(&root)), steady);
    assert_eq!(names(&[root.join("sqlite/steady/2/report.json")]), ["2"]);
    let two = [root.join("sqlite/steady/2"), root.join("sqlite/steady/10")];
    assert_eq!(names(&two), ["2", "10"]);
    let nothing = read(&[root.join("empty")]).unwrap_err();
    assert!(matches!(nothing, TablesError::Nothing { .. }), "{nothing:?}");
    let runs = read(std::slice::from_ref(&root)).unwrap();
    assert_eq!(runs[2].about["exit"], "1");
    assert!(runs[0].report.is_some() && runs[2].report.is_none());
    let path = root.join("sqlite/steady/2/report.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"version\": 1", "\"version\": 2", 1)).unwrap();
    let other = read(std::slice::from_ref(&root)).unwrap_err();
    assert!(matches!(other, TablesError::Version { is: 2, .. }), "{other:?}");
    fs::write(&path, "{").unwrap();
    let broken = read(&[root]).unwrap_err();
    assert!(matches!(broken, TablesError::Report { .. }), "{broken:?}");
}
