//! The harness against a target whose faults are known: what it is told must be what is there.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

mod stub;

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::time::Duration;

use coppice_load::coordinate::{Alone, Company, CoordinateError};
use coppice_load::drive::Deeds;
use coppice_load::faults::{DatabaseCommands, External, Reached};
use coppice_load::measured::{Cell, Latencies, Measured};
use coppice_load::plan::Slice;
use coppice_load::record::{Entry, Operation, Outcome, op_of};
use coppice_load::recording::History;
use coppice_load::run::{Finished, Options, RunError, RunName, run_in};
use coppice_load::scenario::Scenario;
use coppice_load::stop::Stop;
use coppice_load::wire::{Clock, Trust};
use stub::{Faults, Stub};
use tempfile::TempDir;

fn scenario(arrivals: &str, for_s: f64, more: &str) -> Scenario {
    let text = format!(
        "name = 'test'\nabout = 'b'\nseed = 5\n{more}\n[[phases]]\nname = 'all'\nfor_s = {for_s}\n\
         arrivals = {arrivals}\n[[mix]]\noperation = 'add'\nweight = 4\namount = [1, 9]\n\
         [[mix]]\noperation = 'read'\nweight = 1\n\
         [keys]\ndistribution = 'uniform'\ncount = 20\n"
    );
    Scenario::parse("test", &text).unwrap()
}

const CONSTANT: &str = "{ kind = 'constant', rate = { per_s = 200 } }";
const KEYED: &str = "idempotency = { policy = 'fresh', retries_max = 5 }";

fn tried(scenario: Scenario, stub: &Stub) -> Result<(TempDir, Finished), RunError> {
    tried_in(scenario, stub, &mut Alone, Slice::WHOLE)
}

fn tried_in(
    scenario: Scenario,
    stub: &Stub,
    company: &mut dyn Company,
    slice: Slice,
) -> Result<(TempDir, Finished), RunError> {
    let out = TempDir::new().unwrap();
    let mut target = External {
        reached: Reached { url: stub.url(), key: Stub::KEY.to_owned(), trust: Trust::System },
        process_id: None,
        restart: None,
        database: DatabaseCommands::default(),
        bell: None,
    };
    let (out_of_it, name) = (out.path().to_owned(), RunName::drawn());
    let stop = Stop::default();
    let options = Options { out: out_of_it, threads: 1, slice, name, onlooker: None, stop };
    let finished = run_in(scenario, &mut target, &options, company)?;
    Ok((out, finished))
}

fn ran(scenario: Scenario, stub: &Stub) -> (TempDir, Finished) {
    tried(scenario, stub).unwrap()
}

fn history(finished: &Finished) -> Vec<Entry> {
    History::open(&finished.history).unwrap().map(Result::unwrap).collect()
}

fn of(measured: &Measured, operation: Operation, outcome: Outcome) -> &Latencies {
    &measured.cells[&Cell { phase: 0, operation, outcome }]
}

fn ended(measured: &Measured) -> BTreeMap<Outcome, u64> {
    let mut ended = BTreeMap::new();
    for (cell, latencies) in &measured.cells {
        *ended.entry(cell.outcome).or_default() += latencies.service.len();
    }
    ended
}

#[test]
fn a_stall_shows_in_the_latency_from_the_plan_and_hardly_in_the_service_time() {
    let stub = Stub::start();
    // With four connections four requests meet the stall; the hundreds behind them wait unsent.
    let more = "connections_max = 4\nlag_p99_max_ms = 1000";
    let scenario = scenario("{ kind = 'constant', rate = { per_s = 400 } }", 5.0, more);
    let stalls = std::thread::spawn({
        let stalled = stub.switch();
        move || {
            stalled.after_commands(400);
            stalled.stall(Duration::from_millis(1_400));
        }
    });
    let (_out, finished) = ran(scenario, &stub);
    stalls.join().unwrap();
    let adds = of(&finished.measured, Operation::Add, Outcome::Acknowledged);
    let corrected = adds.corrected.value_at_quantile(0.99);
    assert!((1_200_000..5_000_000).contains(&corrected), "{corrected}");
    // 28 % of the run were stalled: 0.7 of the slowest 28 % waited longer than 0.4 s.
    let long = adds.corrected.count_between(400_000, u64::MAX);
    assert!(long * 10 > adds.corrected.len(), "{long} of {}", adds.corrected.len());
    let stalled = adds.service.count_between(400_000, u64::MAX);
    assert!(stalled * 20 < long, "{stalled} of {long}");
    let service = adds.service.value_at_quantile(0.99);
    assert!(service * 4 < corrected, "{service} of {corrected}");
    assert!(!finished.measured.is_generator_limited(), "it was the target that was slow");
}

#[test]
fn in_a_closed_loop_the_same_stall_hides_behind_those_who_wait() {
    let stub = Stub::start();
    let scenario = scenario("{ kind = 'closed', sessions = 2, think_ms = 5 }", 4.0, "");
    let stalls = std::thread::spawn({
        let stalled = stub.switch();
        move || {
            stalled.after_commands(50);
            stalled.stall(Duration::from_millis(1_400));
        }
    });
    let (_out, finished) = ran(scenario, &stub);
    stalls.join().unwrap();
    let (mut long, mut all) = (0, 0);
    for latencies in finished.measured.cells.values() {
        long += latencies.corrected.count_between(400_000, u64::MAX);
        all += latencies.corrected.len();
    }
    // It takes as much of the run as in the open loop, and two requests have met it.
    assert!((1..=10).contains(&long) && all > 100, "{long} of {all}");
}

#[test]
fn every_event_of_the_target_leads_back_to_its_operation() {
    let stub = Stub::start();
    let (_out, finished) = ran(scenario(CONSTANT, 1.0, KEYED), &stub);
    let history = history(&finished);
    assert_eq!(history.len() as u64, finished.tries);
    assert_eq!(ended(&finished.measured), BTreeMap::from([(Outcome::Acknowledged, 200)]));
    let world = stub.world();
    let mut events = 0;
    for counter in world.counters.values() {
        for event in &counter.events {
            let op = op_of(finished.measured.run, event.correlation.parse().unwrap()).unwrap();
            let entry = history.iter().find(|entry| entry.op == op).unwrap();
            assert_eq!((entry.amount, entry.sequence), (event.n, event.sequence));
            assert_eq!(event.id, format!("{}-{}", finished.measured.prefix, entry.key));
            events += 1;
        }
    }
    let adds = history.iter().filter(|entry| entry.operation == Operation::Add).count();
    assert_eq!(events, adds);
}

#[test]
fn what_is_done_follows_from_the_seed_alone() {
    let amounts = || {
        let stub = Stub::start();
        let (_out, finished) = ran(scenario(CONSTANT, 0.5, KEYED), &stub);
        let mut entries = history(&finished);
        entries.sort_by_key(|entry| entry.op);
        let what = entries.iter().map(|one| (one.op, one.operation, one.key, one.amount));
        what.collect::<Vec<_>>()
    };
    let once = amounts();
    assert_eq!(once.len(), 100);
    assert_eq!(once, amounts());
}

#[test]
fn a_connection_that_breaks_is_told_from_an_answer_and_tried_again_under_its_key() {
    let stub = Stub::with(Faults { break_after_every: 10, ..Faults::default() });
    let (_out, finished) = ran(scenario(CONSTANT, 1.0, KEYED), &stub);
    let history = history(&finished);
    let broken: Vec<&Entry> =
        history.iter().filter(|entry| entry.outcome == Outcome::Broken).collect();
    assert!(broken.len() > 10, "{}", broken.len());
    for entry in broken {
        let again = history
            .iter()
            .find(|one| one.op == entry.op && one.attempt == entry.attempt + 1)
            .expect("it is tried again");
        assert!(again.outcome == Outcome::Broken || again.repeated, "{again:?}");
        assert_eq!(again.intended, entry.intended);
    }
}

#[test]
fn without_keys_nothing_is_tried_twice() {
    let stub = Stub::with(Faults { break_after_every: 10, ..Faults::default() });
    let (_out, finished) = ran(scenario(CONSTANT, 1.0, ""), &stub);
    assert!(history(&finished).iter().all(|entry| entry.attempt == 0 && !entry.keyed));
    assert_eq!(finished.tries, 200);
    assert!(ended(&finished.measured)[&Outcome::Broken] > 10);
}

#[test]
fn refusals_for_want_of_room_and_unknown_outcomes_are_told_apart_and_their_codes_counted() {
    let faults = Faults { overload_every: 5, unknown_every: 7, ..Faults::default() };
    let stub = Stub::with(faults);
    let (_out, finished) = ran(scenario(CONSTANT, 1.0, ""), &stub);
    let ended = ended(&finished.measured);
    assert!(ended[&Outcome::Overloaded] > 20 && ended[&Outcome::Unknown] > 10, "{ended:?}");
    assert_eq!(finished.measured.codes["mailbox_full"], ended[&Outcome::Overloaded]);
    assert_eq!(finished.measured.without_retry_after, 0);
    assert_eq!(finished.measured.codes["outcome_unknown"], ended[&Outcome::Unknown]);
}

#[test]
fn acknowledged_commands_are_sent_again_on_purpose_and_told_to_be_repeats() {
    let stub = Stub::start();
    let repeat = "idempotency = { policy = 'repeat', repeat_share = 0.5 }";
    let (_out, finished) = ran(scenario(CONSTANT, 1.0, repeat), &stub);
    let history = history(&finished);
    let again: Vec<&Entry> = history.iter().filter(|entry| entry.attempt == 1).collect();
    assert!((50..110).contains(&again.len()), "{}", again.len());
    for entry in again {
        let first = history.iter().find(|one| one.op == entry.op && one.attempt == 0).unwrap();
        assert!(entry.repeated && (entry.sequence, entry.value) == (first.sequence, first.value));
    }
}

#[test]
fn more_than_may_be_under_way_is_dropped_and_stands_in_no_history() {
    let stub = Stub::with(Faults { delay: Some(Duration::from_secs(6)), ..Faults::default() });
    let (_out, finished) = ran(scenario(CONSTANT, 0.5, "in_flight_max = 8"), &stub);
    assert_eq!((finished.tries, finished.measured.dropped), (8, 92));
}

#[test]
fn who_waits_too_long_gives_up_and_keeps_the_latency() {
    let stub = Stub::with(Faults { delay: Some(Duration::from_secs(60)), ..Faults::default() });
    let (_out, finished) = ran(scenario(CONSTANT, 0.5, "timeout_ms = 100"), &stub);
    let late = of(&finished.measured, Operation::Add, Outcome::TimedOut);
    assert!(late.corrected.min() >= 99_000, "{}", late.corrected.min());
    assert_eq!(ended(&finished.measured), BTreeMap::from([(Outcome::TimedOut, 100)]));
}

#[test]
fn the_capacity_is_measured_first_and_rates_follow_from_it() {
    let stub = Stub::with(Faults { delay: Some(Duration::from_millis(20)), ..Faults::default() });
    let half = "{ kind = 'constant', rate = { of_capacity = 0.5 } }";
    let text = "capacity = { sessions = [2, 4], for_s = 1.2 }";
    let (_out, finished) = ran(scenario(half, 1.0, text), &stub);
    let peak = finished.measured.capacity.unwrap();
    // Whichever of the two it was: three quarters of 1.2 s are looked at.
    let rate = |sessions: u32, name: &str| {
        let at = finished.measured.phases.iter().position(|phase| phase.name == name).unwrap();
        let cells = finished.measured.cells.iter();
        let own =
            cells.filter(|(cell, _)| (cell.phase, cell.outcome) == (at, Outcome::Acknowledged));
        (own.map(|(_, latencies)| latencies.service.len()).sum::<u64>() as f64 / 0.9, sessions)
    };
    let (two, four) = (rate(2, "capacity-2"), rate(4, "capacity-4"));
    let expected = if four.0 > two.0 { four } else { two };
    assert!((peak.per_s - expected.0).abs() < 1e-6, "{peak:?}, {two:?}, {four:?}");
    assert_eq!(peak.sessions, expected.1);
    assert!(peak.per_s <= 205.0, "four sessions of 20 ms each: {peak:?}");
    let last = finished.measured.phases.len() - 1;
    assert_eq!(finished.measured.phases[last].name, "all");
    let of_it = finished.measured.cells.iter().filter(|(cell, _)| cell.phase == last);
    let count: u64 = of_it.map(|(_, latencies)| latencies.service.len()).sum();
    let expected = peak.per_s / 2.0;
    assert!((count as f64 - expected).abs() <= 1.5, "{count} of {expected}");
    let history = history(&finished);
    let phase = &finished.measured.phases[last];
    let planned = history.iter().filter(|one| (phase.from..phase.to).contains(&one.intended));
    assert_eq!(planned.count() as u64, count, "the plan begins where the measuring has ended");
    let ops: std::collections::HashSet<u64> = history.iter().map(|entry| entry.op).collect();
    assert_eq!(ops.len(), history.len(), "two operations have one number");
}

#[test]
fn a_cut_on_the_way_is_felt_and_over_when_it_is_taken_back() {
    let stub = Stub::start();
    let cut = format!("{KEYED}\nfaults = [{{ kind = 'cut', at_s = 0.5, for_s = 1.5 }}]");
    let (_out, finished) = ran(scenario(CONSTANT, 3.0, &cut), &stub);
    let fault = &finished.measured.faults[0];
    assert_eq!((fault.name.as_str(), &fault.failed), ("cut", &None));
    let history = history(&finished);
    let hurt = |entry: &&Entry| matches!(entry.outcome, Outcome::Broken | Outcome::NotSent);
    let hurt: Vec<&Entry> = history.iter().filter(hurt).collect();
    assert!(hurt.len() > 20, "{}", hurt.len());
    assert!(
        hurt.iter().any(|one| !one.keyed)
            && history.iter().all(|one| one.keyed || one.attempt == 0)
    );
    // A moment of grace on both sides: the fault's times are taken around what it does.
    let grace = 50_000_000;
    assert!(hurt.iter().all(|one| one.done + grace > fault.from && one.sent < fault.to + grace));
}

#[test]
fn a_fault_that_the_target_can_not_have_is_refused_before_anything_is_sent() {
    let stub = Stub::start();
    for kind in ["kill", "freeze", "postgres-stop"] {
        let fault = format!("faults = [{{ kind = '{kind}', at_s = 0 }}]");
        let error = tried(scenario(CONSTANT, 1.0, &fault), &stub).unwrap_err();
        assert!(matches!(&error, RunError::Fault(error) if error.fault == kind), "{error}");
    }
    assert_eq!(stub.world().commands, 0);
}

#[test]
fn more_connections_than_files_may_be_open_are_refused_before_anything_is_sent() {
    let stub = Stub::start();
    let many = "connections_max = 4000000000";
    let error = tried(scenario(CONSTANT, 1.0, many), &stub).unwrap_err();
    assert!(matches!(error, RunError::Files { .. }), "{error}");
    assert_eq!(stub.world().commands, 0);
}

#[test]
fn the_targets_own_figures_stand_in_its_seconds() {
    let stub = Stub::start();
    let (_out, finished) = ran(scenario(CONSTANT, 5.0, ""), &stub);
    let memory = |one: &coppice_load::measured::Second| {
        one.server.get("process_resident_memory_bytes").copied()
    };
    let seen: Vec<f64> = finished.measured.seconds.iter().filter_map(memory).collect();
    assert!(seen.len() >= 2 && seen.iter().all(|bytes| *bytes == 1_048_576.0), "{seen:?}");
}

#[test]
fn slices_of_several_generators_do_the_whole_plan_together() {
    let scenario = scenario(CONSTANT, 0.5, KEYED);
    let mut numbers = Vec::new();
    for index in 0..2 {
        let stub = Stub::start();
        let slice = Slice { index, of: 2 };
        let (_out, finished) = tried_in(scenario.clone(), &stub, &mut Alone, slice).unwrap();
        assert_eq!(finished.tries, 50);
        numbers.extend(history(&finished).iter().map(|entry| entry.op));
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 100);
    let deeds = Deeds::new(&scenario, 1, "a".to_owned());
    assert_eq!(deeds.seed(), 5);
}

/// Others who take two seconds to be ready, and have measured as much as this one.
#[derive(Debug)]
struct Slow;

impl Company for Slow {
    fn is_first(&self) -> bool {
        false
    }

    fn begin(&mut self) -> Result<Clock, CoordinateError> {
        let (_waits, others) = channel::<()>();
        others.recv_timeout(Duration::from_secs(2)).unwrap_err();
        Ok(Clock::begin())
    }

    fn sum(&mut self, own: Vec<f64>) -> Result<Vec<f64>, CoordinateError> {
        Ok(own.into_iter().map(|rate| rate * 2.0).collect())
    }
}

#[test]
fn the_clock_begins_when_all_are_ready_and_rates_are_shares_of_what_all_can_do() {
    let stub = Stub::with(Faults { delay: Some(Duration::from_millis(20)), ..Faults::default() });
    let half = "{ kind = 'constant', rate = { of_capacity = 0.5 } }";
    let scenario = scenario(half, 1.0, "capacity = { sessions = [4], for_s = 1.2 }");
    let slice = Slice { index: 1, of: 2 };
    let (_out, finished) = tried_in(scenario, &stub, &mut Slow, slice).unwrap();
    let history = history(&finished);
    let first = history.iter().map(|entry| entry.intended).min().unwrap();
    assert!(first < 1_500_000_000, "{first}");
    let of_phase = |phase: usize| {
        let cells = finished.measured.cells.iter().filter(move |(cell, _)| cell.phase == phase);
        cells.map(|(_, latencies)| latencies.service.len()).sum::<u64>()
    };
    let peak = finished.measured.capacity.unwrap();
    assert!((peak.per_s * 0.9 - of_phase(1) as f64 * 2.0).abs() < 1e-6, "{peak:?}");
    // Its half of a half.
    let expected = peak.per_s / 4.0;
    assert!((of_phase(2) as f64 - expected).abs() <= 1.5, "{} of {expected}", of_phase(2));
}

#[test]
fn accounts_are_opened_by_the_first_of_several_alone() {
    let stub = Stub::start();
    let with_money = || {
        let mut scenario = scenario(CONSTANT, 0.5, "");
        let mut transfer = scenario.mix[0].clone();
        (transfer.operation, transfer.weight) = (Operation::Transfer, 0);
        scenario.mix.push(transfer);
        scenario
    };
    // The stub knows no money.
    let refused = tried(with_money(), &stub).unwrap_err();
    assert!(matches!(refused, RunError::Setup(_)), "{refused}");
    let slice = Slice { index: 1, of: 2 };
    tried_in(with_money(), &stub, &mut Slow, slice).unwrap();
}
