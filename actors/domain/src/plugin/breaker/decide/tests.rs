//! A breaker's rules: every phase with every command before, at and after its time, and a naive
//! model beside it.

use coppice_core::{DomainEvent, Entity, Rejection};
use proptest::prelude::*;

use super::super::Breaker;
use super::super::command::{Admit, COOLDOWN_MS, FAILURES_MAX, PROBE_TTL_MS, UNHEALTHY_MAX};
use super::super::state::PhaseName;
use super::*;

/// A call, by the id of the command that asks for it.
fn call_id(number: u64) -> CommandId {
    let text = format!("\"00000000-0000-4000-8000-{number:012x}\"");
    serde_json::from_str(&text).unwrap()
}

const SECOND: i64 = 1_000_000;
const START: i64 = 1_000 * SECOND;
const COOLDOWN: i64 = 60 * SECOND;
const TTL: i64 = 120 * SECOND;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn admit() -> Command {
    Command::Admit(Admit { probe_ttl_ms: PROBE_TTL_MS })
}

fn report(ok: bool, probe: bool, admitted: i64) -> Command {
    let (failures_max, cooldown_ms) = (FAILURES_MAX, COOLDOWN_MS);
    Command::Report(Report { ok, probe, at: at(admitted), failures_max, cooldown_ms })
}

fn health(unhealthy: bool) -> Command {
    let (unhealthy_max, cooldown_ms) = (UNHEALTHY_MAX, COOLDOWN_MS);
    Command::NoteHealth(NoteHealth { unhealthy, unhealthy_max, cooldown_ms })
}

/// The names of the events, and the state after them; every event is written down and read back.
fn told(state: &State, command: &Command, now: i64, id: u64) -> (Vec<&'static str>, State, Answer) {
    let decision = decide(state, command, at(now), call_id(id)).unwrap();
    let after = decision.events.iter().fold(state.clone(), |state, event| {
        let text = event.encode().unwrap();
        assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
        Breaker::evolve(state, event)
    });
    assert_eq!(after.view(), decision.reply.breaker);
    let short = |event: &Event| event.event_type().split('.').nth(1).unwrap();
    (decision.events.iter().map(short).collect(), after, decision.reply)
}

fn failed(state: &State, times: u32) -> State {
    (0..times)
        .fold(state.clone(), |state, _| told(&state, &report(false, false, START), START, 9).1)
}

fn open() -> State {
    failed(&State::default(), 3)
}

/// Its probe is the call 7, admitted as soon as the cooldown was over.
fn half_open() -> State {
    told(&open(), &admit(), START + COOLDOWN, 7).1
}

fn closed_again() -> State {
    told(&half_open(), &report(true, true, START + COOLDOWN), START + COOLDOWN + 1, 7).1
}

fn refusal(state: &State, now: i64) -> Timestamp {
    match decide(state, &admit(), at(now), call_id(8)) {
        Err(error @ BreakerError::Open { until }) => {
            assert_eq!(error.code(), "breaker_open");
            assert!(error.to_string().contains(&until.as_micros().to_string()), "{error}");
            until
        }
        Ok(decision) => panic!("{decision:?}"),
    }
}

#[test]
fn every_phase_takes_every_command_at_every_time_as_the_table_says() {
    let probe_at = START + COOLDOWN;
    type Made = (&'static str, fn() -> State);
    let states: &[Made] = &[
        ("new", State::default),
        ("two failures", || failed(&State::default(), 2)),
        ("open", open),
        ("half-open", half_open),
        ("closed again", closed_again),
    ];
    // For each state: what a command records before, at and after the time that matters to it.
    type Row = (&'static str, &'static str, fn(i64) -> Command, [&'static [&'static str]; 3]);
    let ok = |admitted| report(true, false, admitted);
    let bad = |admitted| report(false, false, admitted);
    let probe_ok = |_| report(true, true, START + COOLDOWN);
    let probe_bad = |_| report(false, true, START + COOLDOWN);
    let other_probe = |_| report(true, true, START + COOLDOWN + 1);
    let rows: &[Row] = &[
        ("new", "ok", ok, [&[]; 3]),
        ("new", "bad", bad, [&["failed"]; 3]),
        ("new", "well", |_| health(false), [&[]; 3]),
        ("new", "ill", |_| health(true), [&["unhealthy"]; 3]),
        ("two failures", "ok", ok, [&["recovered"]; 3]),
        ("two failures", "bad", bad, [&["opened"]; 3]),
        ("two failures", "ill", |_| health(true), [&["unhealthy"]; 3]),
        ("open", "ok", ok, [&[]; 3]),
        ("open", "bad", bad, [&[]; 3]),
        ("open", "probe ok", probe_ok, [&[]; 3]),
        ("open", "well", |_| health(false), [&[]; 3]),
        ("open", "ill", |_| health(true), [&[]; 3]),
        ("half-open", "ok", ok, [&[]; 3]),
        ("half-open", "bad", bad, [&[]; 3]),
        ("half-open", "probe ok", probe_ok, [&["closed"]; 3]),
        ("half-open", "probe bad", probe_bad, [&["opened"]; 3]),
        ("half-open", "another probe", other_probe, [&[]; 3]),
        ("half-open", "ill", |_| health(true), [&[]; 3]),
        // Before it was closed again; at that moment; after it.
        ("closed again", "ok", ok, [&[]; 3]),
        ("closed again", "bad", bad, [&[], &["failed"], &["failed"]]),
        ("closed again", "probe bad", probe_bad, [&[]; 3]),
        ("closed again", "ill", |_| health(true), [&["unhealthy"]; 3]),
    ];
    for (name, what, command, recorded) in rows {
        let state = states.iter().find(|(known, _)| known == name).unwrap().1();
        let admitted = [-1, 0, 1].map(|off| probe_at + 1 + off);
        for (admitted, expected) in admitted.into_iter().zip(recorded) {
            let now = probe_at + 10 * SECOND;
            let (events, _, reply) = told(&state, &command(admitted), now, 8);
            assert_eq!(&events, expected, "{name}, {what}, admitted at {admitted}");
            assert!(!reply.probe);
        }
    }
}

#[test]
fn admission_follows_the_phase_and_the_time() {
    for state in [State::default(), failed(&State::default(), 2), closed_again()] {
        let (events, after, reply) = told(&state, &admit(), START + 3 * COOLDOWN, 8);
        assert!(events.is_empty() && after == state && !reply.probe, "a closed one writes nothing");
        assert_eq!(reply.at, at(START + 3 * COOLDOWN));
    }
    let cooled = START + COOLDOWN;
    for now in [START, cooled - 1] {
        assert_eq!(refusal(&open(), now), at(cooled));
    }
    for now in [cooled, cooled + COOLDOWN] {
        let (events, after, reply) = told(&open(), &admit(), now, 8);
        assert_eq!(events, ["probe_admitted"]);
        assert!(reply.probe && reply.at == at(now));
        assert_eq!(after.view().until, Some(at(now + TTL)));
    }
    for now in [cooled, cooled + TTL - 1] {
        assert_eq!(refusal(&half_open(), now), at(cooled + TTL));
    }
    let (events, after, reply) = told(&half_open(), &admit(), cooled + TTL, 8);
    assert_eq!(events, ["probe_admitted"], "the one that never reported gives way");
    assert!(reply.probe);
    let late = told(&after, &report(false, true, cooled), cooled + TTL + 1, 7);
    assert!(late.0.is_empty(), "and may say what it wants afterwards");
    let (events, _, _) = told(&after, &report(true, true, cooled + TTL), cooled + TTL + 1, 8);
    assert_eq!(events, ["closed"]);
}

#[test]
fn the_probe_that_asks_again_is_the_probe() {
    let (events, after, reply) = told(&half_open(), &admit(), START + COOLDOWN + 5, 7);
    assert!(events.is_empty() && after == half_open());
    assert!(reply.probe && reply.at == at(START + COOLDOWN));
}

#[test]
fn three_failures_in_a_row_open_it_and_two_with_a_success_between_do_not() {
    let two = failed(&State::default(), 2);
    let recovered = told(&two, &report(true, false, START), START, 9).1;
    assert_eq!(failed(&recovered, 2).view().phase, PhaseName::Closed);
    let view = failed(&recovered, 3).view();
    assert_eq!((view.phase, view.opened), (PhaseName::Open, 1));
    assert_eq!(view.until, Some(at(START + COOLDOWN)));
}

#[test]
fn three_unhealthy_reports_in_a_row_open_it() {
    let ill = |state: &State| told(state, &health(true), START, 9).1;
    let two = ill(&ill(&State::default()));
    let well = told(&two, &health(false), START, 9);
    assert_eq!(well.0, ["healthy"]);
    assert_eq!(ill(&ill(&well.1)).view().phase, PhaseName::Closed);
    assert_eq!(ill(&two).view().phase, PhaseName::Open);
}

#[test]
fn bodies_are_read_strictly_and_limits_have_defaults() {
    let parse = |name: &str, body: &str| Breaker::parse(name, body.as_bytes());
    assert_eq!(parse("admit", "{}").unwrap(), admit());
    let body = format!(r#"{{"ok":false,"probe":false,"at":{START}}}"#);
    assert_eq!(parse("report", &body).unwrap(), report(false, false, START));
    assert_eq!(parse("note_health", r#"{"unhealthy":true}"#).unwrap(), health(true));
    for (name, body) in [
        ("admit", r#"{"probe_ttl_ms":0}"#),
        ("admit", r#"{"ttl":1}"#),
        ("report", r#"{"ok":true,"probe":false}"#),
        ("report", r#"{"ok":true,"probe":false,"at":1,"failures_max":0}"#),
        ("note_health", "{}"),
        ("open", "{}"),
    ] {
        assert!(parse(name, body).is_err(), "{name} {body}");
    }
}

/// A breaker as one would write it in a minute: everything that happened since it last changed.
#[derive(Debug, Default)]
struct Model {
    /// Open until then.
    open: Option<i64>,
    /// The probe, since when.
    probe: Option<(u64, i64)>,
    failures: Vec<i64>,
    ill: u32,
    changed: i64,
}

impl Model {
    fn change(&mut self, now: i64, open: Option<i64>, probe: Option<(u64, i64)>) {
        *self = Self { open, probe, failures: Vec::new(), ill: 0, changed: now };
    }

    /// Whether the call may be made, and whether as the probe.
    fn admits(&mut self, now: i64, call: u64) -> Option<bool> {
        let since = match (self.open, self.probe) {
            (None, None) => return Some(false),
            (None, Some((probe, _))) if probe == call => return Some(true),
            (Some(until), _) => until,
            (None, Some((_, since))) => since + TTL,
        };
        (now >= since).then(|| self.change(now, None, Some((call, now)))).map(|()| true)
    }

    fn reported(&mut self, now: i64, ok: bool, probe: bool, admitted: i64) {
        match (self.open, self.probe) {
            (None, None) if admitted < self.changed => {}
            (None, None) if ok => self.failures.clear(),
            (None, None) => {
                self.failures.push(now);
                if self.failures.len() == 3 {
                    self.change(now, Some(now + COOLDOWN), None);
                }
            }
            (None, Some((_, since))) if probe && since == admitted => {
                self.change(now, (!ok).then_some(now + COOLDOWN), None);
            }
            _ => {}
        }
    }

    fn noted(&mut self, now: i64, unhealthy: bool) {
        if self.open.is_none() && self.probe.is_none() {
            self.ill = if unhealthy { self.ill + 1 } else { 0 };
            if self.ill == 3 {
                self.change(now, Some(now + COOLDOWN), None);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Pass(i64),
    Admit(u64),
    /// One of the calls that were admitted, by its place from the latest.
    Report(usize, bool),
    Health(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => prop_oneof![Just(1), Just(SECOND), Just(COOLDOWN), Just(TTL), 0..2 * TTL]
            .prop_map(Step::Pass),
        4 => (0..6_u64).prop_map(Step::Admit),
        6 => (0..4_usize, prop::bool::weighted(0.4)).prop_map(|(back, ok)| Step::Report(back, ok)),
        2 => any::<bool>().prop_map(Step::Health),
    ]
}

proptest! {
    #[test]
    fn it_does_what_the_naive_model_does(steps in prop::collection::vec(step(), 0..80)) {
        let (mut state, mut model) = (State::default(), Model::default());
        let (mut now, mut calls) = (START, Vec::new());
        for step in steps {
            match step {
                Step::Pass(micros) => now += micros,
                Step::Admit(call) => {
                    let decided = decide(&state, &admit(), at(now), call_id(call));
                    let expected = model.admits(now, call);
                    prop_assert_eq!(decided.as_ref().ok().map(|of| of.reply.probe), expected);
                    if decided.is_ok() {
                        let (_, after, reply) = told(&state, &admit(), now, call);
                        state = after;
                        calls.push((reply.probe, reply.at.as_micros()));
                    }
                }
                Step::Report(back, ok) => {
                    let Some((probe, admitted)) = calls.iter().rev().nth(back).copied() else {
                        continue;
                    };
                    state = told(&state, &report(ok, probe, admitted), now, 0).1;
                    model.reported(now, ok, probe, admitted);
                }
                Step::Health(unhealthy) => {
                    state = told(&state, &health(unhealthy), now, 0).1;
                    model.noted(now, unhealthy);
                }
            }
            let phase = match (model.open, model.probe) {
                (Some(_), _) => PhaseName::Open,
                (None, Some(_)) => PhaseName::HalfOpen,
                (None, None) => PhaseName::Closed,
            };
            prop_assert_eq!(state.view().phase, phase);
            prop_assert_eq!(state.failures as usize, model.failures.len());
            prop_assert_eq!(state.unhealthy, model.ill);
        }
    }
}
