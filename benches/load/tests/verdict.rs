//! The whole way from a run to its verdict, against a gateway that lies as it is told: each lie is
//! found by the check that is for it, and what merely fails is no lie.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

mod stub;

use coppice_load::check::elle::Elle;
use coppice_load::check::{Check, HttpServed, Options, Verdict, check};
use coppice_load::faults::{DatabaseCommands, External, Reached};
use coppice_load::plan::Slice;
use coppice_load::recording::{History, SORTED_AT_ONCE};
use coppice_load::run::{self, Finished};
use coppice_load::scenario::Scenario;
use stub::{Faults, Stub};

/// A second of adds and reads on few counters, some of them repeated on purpose.
const SCENARIO: &str = "
name = 'lies'
about = 'a short run'
seed = 7
timeout_ms = 2000
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

fn judged(faults: Faults) -> (Verdict, String) {
    let stub = Stub::with(faults);
    let reached = Reached { url: stub.url(), key: Stub::KEY.to_owned() };
    let mut starter = External {
        reached,
        process_id: None,
        restart: None,
        database: DatabaseCommands { stop: None, start: None },
    };
    let out = tempfile::tempdir().unwrap();
    let options = run::Options {
        out: out.path().to_owned(),
        threads: 1,
        slice: Slice::WHOLE,
        onlooker: None,
    };
    let scenario = Scenario::parse("lies", SCENARIO).unwrap();
    let finished = run::run(scenario, &mut starter, &options).unwrap();
    let Finished { measured, history, reached, tries, .. } = finished;
    assert!(tries >= 300, "{tries}");
    let served = HttpServed::new(&reached.url, &reached.key).unwrap();
    let entries = History::open(&history).unwrap().by_key(SORTED_AT_ONCE).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = Options::new(measured.run, measured.prefix);
    let mut elle = Elle::default();
    let verdict = runtime.block_on(check(&served, &options, entries, Some(&mut elle))).unwrap();
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
