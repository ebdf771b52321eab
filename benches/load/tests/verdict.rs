//! The whole way from a run to its verdict, against a gateway that lies as it is told: each lie is
//! found by the check that is for it, and what merely fails is no lie.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

mod stub;

use std::path::Path;

use coppice_load::check::elle::Elle;
use coppice_load::check::{Check, HttpServed, Options, Verdict, check};
use coppice_load::examine::{Examination, environment, examine, thresholds};
use coppice_load::faults::{DatabaseCommands, External, Reached};
use coppice_load::plan::Slice;
use coppice_load::recording::{History, SORTED_AT_ONCE};
use coppice_load::report::{Conclusion, Report};
use coppice_load::run::{self, Finished, RunName};
use coppice_load::scenario::Scenario;
use coppice_load::stop::Stop;
use coppice_load::wire::Trust;
use stub::{Faults, Stub};

/// A second of adds and reads on few counters, some of them repeated on purpose.
const SCENARIO: &str = "
name = 'lies'
about = 'a short run'
seed = 7
thresholds = ['lost == 0', 'main.add.p99_ms < 60000', 'errors < 1 %']
lag_p99_max_ms = 60000
keys = { distribution = 'uniform', count = 4 }
idempotency = { policy = 'repeat', repeat_share = 0.1, retries_max = 3 }
[[phases]]
name = 'main'
for_s = 1.0
arrivals = { kind = 'constant', rate = { per_s = 400.0 } }
[[mix]]
operation = 'add'
weight = 3
amount = [1, 9]
[[mix]]
operation = 'read'
weight = 2
";

/// A run against a stub, which serves as long as it is kept.
fn carried_out(stub: &Stub, out: &Path) -> Finished {
    let reached = Reached { url: stub.url(), key: Stub::KEY.to_owned(), trust: Trust::System };
    let mut starter = External {
        reached,
        process_id: None,
        restart: None,
        database: DatabaseCommands { stop: None, start: None },
        bell: None,
    };
    let options = run::Options {
        out: out.to_owned(),
        threads: 1,
        slice: Slice::WHOLE,
        name: RunName::drawn(),
        onlooker: None,
        stop: Stop::default(),
    };
    let scenario = Scenario::parse("lies", SCENARIO).unwrap();
    let finished = run::run(scenario, &mut starter, &options).unwrap();
    assert!(finished.tries >= 300, "{}", finished.tries);
    finished
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}

fn judged(faults: Faults) -> (Verdict, String) {
    let stub = Stub::with(faults);
    let out = tempfile::tempdir().unwrap();
    let Finished { measured, history, reached, .. } = carried_out(&stub, out.path());
    let served = HttpServed::new(reached.target().unwrap());
    let entries = History::open(&history).unwrap().by_key(SORTED_AT_ONCE).unwrap();
    let options = Options::new(measured.run, measured.prefix);
    let mut elle = Elle::default();
    let verdict = wait(check(&served, &options, entries, Some(&mut elle))).unwrap();
    let mut text = Vec::new();
    elle.write(&mut text).unwrap();
    (verdict, String::from_utf8(text).unwrap())
}

#[track_caller]
fn is_sound(verdict: &Verdict) {
    let kept: Vec<_> = verdict.kept().map(ToString::to_string).collect();
    assert!(verdict.is_sound(), "{kept:#?}");
}

#[track_caller]
fn is_caught(faults: Faults, by: Check) {
    let (verdict, _) = judged(faults);
    let found: Vec<_> =
        verdict.checks.iter().map(|(check, tally)| (check, tally.violations)).collect();
    assert!(verdict.count(by) > 0, "{by} in {found:?}");
}

#[test]
fn a_gateway_that_does_everything_right_passes() {
    let (verdict, elle) = judged(Faults::default());
    is_sound(&verdict);
    let checks = [
        Check::Lost,
        Check::Doubled,
        Check::Invented,
        Check::Altered,
        Check::Misplaced,
        Check::WrongValue,
        Check::Gap,
        Check::Chain,
        Check::Served,
        Check::Stale,
        Check::Session,
        Check::Repetition,
    ];
    for check in checks {
        assert!(verdict.checks.get(&check).is_some_and(|tally| tally.examined > 0), "{check}");
    }
    assert!(elle.lines().any(|line| line.contains(":type :ok") && line.contains("[[:r ")));
}

#[test]
fn what_fails_honestly_is_no_lie() {
    let (verdict, _) = judged(Faults {
        break_after_every: 11,
        break_before_every: 13,
        overload_every: 7,
        unknown_every: 17,
        ..Faults::default()
    });
    is_sound(&verdict);
    assert!(verdict.checks[&Check::NotApplied].examined > 0);
}

#[test]
fn an_acknowledged_command_that_was_dropped_is_lost() {
    is_caught(Faults { lose_every: 50, ..Faults::default() }, Check::Lost);
}

#[test]
fn a_command_that_was_recorded_twice_is_doubled() {
    is_caught(Faults { duplicate_every: 50, ..Faults::default() }, Check::Doubled);
}

#[test]
fn a_command_whose_key_was_forgotten_is_doubled() {
    is_caught(Faults { forget_key_every: 2, ..Faults::default() }, Check::Doubled);
}

#[test]
fn commands_that_changed_places_are_stale() {
    is_caught(Faults { reorder_every: 40, ..Faults::default() }, Check::Stale);
}

#[test]
fn an_event_that_nobody_asked_for_is_invented() {
    is_caught(Faults { invent_every: 50, ..Faults::default() }, Check::Invented);
}

#[test]
fn a_sequence_that_was_skipped_is_a_gap() {
    is_caught(Faults { skip_every: 50, ..Faults::default() }, Check::Gap);
}

#[test]
fn a_read_of_another_value_is_wrong() {
    is_caught(Faults { misread_every: 20, ..Faults::default() }, Check::WrongValue);
}

#[test]
fn a_read_of_the_state_before_is_stale() {
    is_caught(Faults { stale_every: 10, ..Faults::default() }, Check::Stale);
}

#[test]
fn an_examination_writes_everything_beside_the_history() {
    for (faults, conclusion) in [
        (Faults::default(), Conclusion::Pass),
        (Faults { overload_every: 5, ..Faults::default() }, Conclusion::Threshold),
        (Faults { lose_every: 50, ..Faults::default() }, Conclusion::Correctness),
    ] {
        let stub = Stub::with(faults);
        let out = tempfile::tempdir().unwrap();
        let finished = carried_out(&stub, out.path());
        let examination = Examination {
            out: out.path().to_owned(),
            thresholds: thresholds(&finished.scenario).unwrap(),
            baseline: None,
            elle: true,
            alone: true,
            generators: (1, 0),
            environment: wait(environment(&finished.reached, true, finished.began)),
        };
        let report = wait(examine(&finished, examination)).unwrap();
        assert_eq!(report.conclusion, conclusion, "{:#?}", report.reasons);
        let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();
        let written: Report = serde_json::from_str(&read("report.json")).unwrap();
        assert_eq!(written.conclusion, conclusion);
        assert!(read("report.html").contains("data-plot=\"percentiles\""));
        assert!(read("report.txt").starts_with("lies: "));
        assert!(read("latencies.hlog").contains("Tag=corrected"));
        assert!(read("elle.edn").contains(":append"));
    }
}
