//! Reports of made-up runs.

use std::path::Path;

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::*;
use crate::check::{Check, Violation};
use crate::figures::names;
use crate::measured::Measured;
use crate::record;
use crate::sample::{fault, measured, second};
use crate::threshold::Threshold;

const HOSTILE: &str = "</script><script>alert('x')</script>&\"<img src=http://evil.example/x>";

fn run() -> Measured {
    let mut seconds = vec![second(1_000, 0, 4); 10];
    seconds.extend([second(300, 40, 900), second(0, 60, 0), second(1_600, 0, 400)]);
    seconds.extend(vec![second(1_000, 0, 5); 10]);
    let mut run = measured(seconds);
    run.faults = vec![fault("kill", 10_200, 11_500)];
    run.codes.insert("mailbox_full".to_owned(), 7);
    run
}

fn reported(measured: &Measured, thresholds: &[&str], verdict: &Verdict) -> Report {
    let known = names(["main"], &[record::Operation::Add]);
    let thresholds: Vec<Threshold> =
        thresholds.iter().map(|text| Threshold::parse(text, &known).unwrap()).collect();
    build(Sources {
        scenario: "steady",
        about: "a steady load",
        measured,
        thresholds: &thresholds,
        verdict: Some(verdict),
        environment: Environment::of_this_machine("http://127.0.0.1:1"),
        baseline: None,
    })
}

fn lost() -> Verdict {
    let mut verdict = Verdict::default();
    verdict.examined(Check::Lost, 10);
    let (told, is) = ("acknowledged at 3".to_owned(), HOSTILE.to_owned());
    let entity = "counter/c-1".to_owned();
    verdict.violated(Violation { check: Check::Lost, entity, op: Some(7), told, is });
    verdict
}

#[test]
fn the_worst_decides_how_a_run_ends() {
    let sound = Verdict::default();
    let mut limited = run();
    limited.lag.record_n(20_000, 100).unwrap();
    let cases = [
        (run(), "p99_ms < 9999", &sound, Conclusion::Pass, 0, 0),
        (run(), "p99_ms < 1", &sound, Conclusion::Threshold, 2, 1),
        (limited.clone(), "p99_ms < 1", &sound, Conclusion::GeneratorLimited, 3, 2),
        (limited, "p99_ms < 1", &lost(), Conclusion::Correctness, 4, 3),
    ];
    for (measured, threshold, verdict, conclusion, code, reasons) in cases {
        let report = reported(&measured, &[threshold], verdict);
        assert_eq!(report.conclusion, conclusion);
        assert_eq!(report.conclusion.code(), code);
        assert_eq!(report.reasons.len(), reasons, "{:?}", report.reasons);
    }
}

#[test]
fn a_regression_is_a_threshold_that_was_not_kept() {
    let known = run();
    let before = reported(&known, &[], &Verdict::default()).figures;
    let better: BTreeMap<String, f64> =
        before.iter().map(|(name, value)| (name.clone(), value / 2.0)).collect();
    let environment = Environment::default();
    let baseline =
        crate::baseline::Baseline::of("steady", environment.clone(), &vec![better; 5]).unwrap();
    let comparison = baseline.compare(&environment, &before);
    let report = build(Sources {
        scenario: "steady",
        about: "",
        measured: &known,
        thresholds: &[],
        verdict: None,
        environment,
        baseline: Some(comparison),
    });
    assert_eq!(report.conclusion, Conclusion::Threshold);
    assert!(report.reasons.iter().any(|reason| reason.starts_with("p99_ms is ")));
}

/// Doubles come back to the last digit or the one before it.
fn alike(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (one, other) {
        (Number(one), Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-12
        }
        (Array(one), Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Object(one), Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, one)| other.get(name).is_some_and(|other| alike(one, other)))
        }
        _ => one == other,
    }
}

#[test]
fn a_report_comes_back_from_its_json() {
    let report = reported(&run(), &["p99_ms < 1", "recovery_ms_max < 1"], &lost());
    let text = report.to_json().unwrap();
    let back: Report = serde_json::from_str(&text).unwrap();
    assert!(alike(&serde_json::to_value(&back).unwrap(), &serde_json::to_value(&report).unwrap()));
}

#[test]
fn the_published_schema_is_that_of_the_report() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("report.schema.json");
    let schema = serde_json::to_value(Report::schema()).unwrap();
    let published = std::fs::read(&path).unwrap_or_default();
    let published: serde_json::Value = serde_json::from_slice(&published).unwrap_or_default();
    let written = std::env::temp_dir().join("coppice-report.schema.json");
    if published != schema {
        std::fs::write(&written, serde_json::to_vec_pretty(&schema).unwrap()).unwrap();
    }
    // By what it says: the order of members is decided by what else is built.
    assert!(published == schema, "{} is not {}", path.display(), written.display());
}

#[test]
fn curves_end_where_few_samples_are_and_have_the_usual_points() {
    let report = reported(&run(), &[], &Verdict::default());
    let curve = &report.operations[0].corrected.curve;
    assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    for quantile in [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999] {
        let has = curve.iter().any(|(at, _)| (at - quantile).abs() < 1e-9);
        assert!(has, "{quantile}: {curve:?}");
    }
    assert!(curve.len() < 100);
}

#[test]
fn plain_text_says_what_matters() {
    let text = plain(&reported(&run(), &["p99_ms < 1"], &lost()));
    for part in [
        "steady: the answers were wrong",
        "p99_ms < 1",
        "NO  lost",
        "acknowledged at 3",
        "mailbox_full 7",
        "fault kill at 10,200 ms for 1,300 ms: detected after 800 ms, recovered after 1,800 ms",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_page_needs_nothing_else() {
    let page = html(&reported(&run(), &["p99_ms < 1"], &Verdict::default())).unwrap();
    let without_target =
        page.replace("http://127.0.0.1:1", "").replace("http://www.w3.org/2000/svg", "");
    for reference in ["http:", "https:", "src=", "href=", "url(", "@import", "fetch(", "import("] {
        assert!(!without_target.contains(reference), "{reference}");
    }
}

#[test]
fn a_hostile_name_stays_text() {
    let mut run = run();
    run.phases[0].name = HOSTILE.to_owned();
    run.faults[0].name = HOSTILE.to_owned();
    run.codes.insert(HOSTILE.to_owned(), 1);
    run.seconds[0].server.insert(HOSTILE.to_owned(), 1.0);
    run.seconds[1].server.insert(HOSTILE.to_owned(), 2.0);
    let mut report = reported(&run, &[], &lost());
    report.scenario = HOSTILE.to_owned();
    report.about = HOSTILE.to_owned();
    report.environment.settings.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    report.environment.store = Some(HOSTILE.to_owned());
    let page = html(&report).unwrap();
    assert_eq!(page.matches("<script").count(), 2, "the data and the code");
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<img"));
    assert!(page.contains("&lt;img src=http://evil.example/x&gt;"), "it is shown");
}

#[test]
fn the_log_of_histograms_can_be_read_again() {
    let run = run();
    let mut out = Vec::new();
    write_hlog(&run, 1_700_000_000_000_000, &mut out).unwrap();
    let entries = IntervalLogIterator::new(&out).map(|entry| entry.unwrap());
    let mut starts = Vec::new();
    for entry in entries {
        if let LogEntry::Interval(interval) = entry {
            let tag = interval.tag().unwrap().as_str().to_owned();
            starts.push((interval.start_timestamp().as_secs(), tag));
        }
    }
    assert_eq!(starts.len(), 2 * run.seconds.len());
    assert_eq!(starts[3], (1, "service".to_owned()));
}

#[test]
fn numbers_read_well() {
    let cases = [
        (0.0, "0"),
        (0.123_456, "0.1235"),
        (1.5, "1.5"),
        (12.34, "12.3"),
        (999.4, "999"),
        (1_234_567.0, "1,234,567"),
        (-1_234.0, "-1,234"),
    ];
    for (value, text) in cases {
        assert_eq!(super::plain::number(value), text);
    }
}
