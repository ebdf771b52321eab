//! Random faults keep their bounds and their seed; what can't be done is refused or put down.

use std::collections::BTreeMap;
use std::sync::mpsc::{channel, sync_channel};

use super::*;
use crate::scenario::{Scenario, ScenarioError};

fn parsed(faults: &str) -> Result<Scenario, ScenarioError> {
    let text = format!(
        "name = 'a'\nabout = 'b'\nseed = 9\nkeys = {{ distribution = 'uniform', count = 1 }}\n\
         phases = [{{ name = 'p', for_s = 100, arrivals = {{ kind = 'closed', sessions = 1 }} }}]\n\
         mix = [{{ operation = 'read', weight = 1 }}]\n{faults}"
    );
    Scenario::parse("a", &text)
}

const RANDOM: &str = "random_faults = { count = 50, kinds = ['kill', 'freeze', 'cut'], from_s = 5, \
                      to_s = 95, for_s = [0.1, 0.9] }";

#[test]
fn random_faults_are_of_one_seed_never_two_at_once_and_within_their_time() {
    let scenario = parsed(RANDOM).unwrap();
    let due = schedule(&scenario, 1_000);
    assert_eq!(due, schedule(&scenario, 1_000));
    assert_eq!(due.len(), 50);
    assert!(due.windows(2).all(|two| two[0].at + two[0].long <= two[1].at));
    let second = 1_000_000_000;
    assert!(due.iter().all(|one| one.at >= 5 * second && one.at + one.long <= 95 * second + 1_000));
    assert!(due.iter().all(|one| (second / 10..=second * 9 / 10).contains(&one.long)));
    for kind in [FaultKind::Kill, FaultKind::Freeze, FaultKind::Cut] {
        assert!(due.iter().any(|one| one.kind == kind), "{kind:?}");
    }
    let other = Scenario { seed: 10, ..scenario };
    assert_ne!(due, schedule(&other, 1_000));
}

#[test]
fn a_fault_that_is_due_when_the_phases_are_over_is_refused() {
    let named = |at_s| parsed(&format!("faults = [{{ kind = 'kill', at_s = {at_s} }}]"));
    assert!(named(99).is_ok());
    for (odd, name) in [
        (named(100), "faults[0].at_s"),
        (parsed(&RANDOM.replace("to_s = 95", "to_s = 100.5")), "random_faults.to_s"),
    ] {
        let Err(ScenarioError::Value { key, .. }) = odd else { panic!("it was taken") };
        assert_eq!(key, name);
    }
}

#[test]
fn faults_that_leave_no_time_between_them_are_refused() {
    let Err(ScenarioError::Value { key, .. }) = parsed(&RANDOM.replace("0.9]", "0.91]")) else {
        panic!("it was taken");
    };
    assert_eq!(key, "random_faults.for_s");
}

/// A target that notes what is done to it.
#[derive(Debug, Default)]
struct Noted {
    done: Vec<&'static str>,
    is_stubborn: bool,
}

impl Starter for Noted {
    fn start(&mut self, _: &BTreeMap<String, String>) -> Result<Reached, StarterError> {
        Ok(Reached::default())
    }

    fn process_id(&self) -> Option<u32> {
        None
    }

    fn can_restart(&self) -> bool {
        true
    }

    fn can_stop_database(&self) -> bool {
        false
    }

    fn kill(&mut self) -> Result<(), StarterError> {
        self.done.push("kill");
        if self.is_stubborn { Err(StarterError::Unable("it is stubborn")) } else { Ok(()) }
    }

    fn restart(&mut self) -> Result<(), StarterError> {
        self.done.push("restart");
        Ok(())
    }

    fn stop_database(&mut self) -> Result<(), StarterError> {
        Err(StarterError::Unable("there is none"))
    }

    fn start_database(&mut self) -> Result<(), StarterError> {
        Err(StarterError::Unable("there is none"))
    }
}

fn due(kind: FaultKind, at: Nanos, long: Nanos) -> Due {
    Due { kind, at, long, delay_ms: 0, number: 0 }
}

fn hands(starter: &mut Noted) -> Hands<'_> {
    Hands { starter, proxy: None, operator: None }
}

fn carried_out(
    due: &[Due],
    starter: &mut Noted,
    onlooker: Option<&SyncSender<Sight>>,
    over: &Receiver<()>,
) -> Vec<Fault> {
    let (clock, stop) = (Clock::begin(), Stop::default());
    carry_out(due, &mut hands(starter), &Until { clock, run_is_over: over, stop: &stop }, onlooker)
}

const MS: Nanos = 1_000_000;

#[test]
fn what_the_target_can_not_have_done_to_it_is_refused_beforehand() {
    let noted = Noted::default();
    assert!(check(&[due(FaultKind::Kill, 0, 0), due(FaultKind::Cut, 0, 0)], &noted).is_ok());
    for kind in [FaultKind::Freeze, FaultKind::PostgresStop] {
        let error = check(&[due(kind, 0, 0)], &noted).unwrap_err();
        assert_eq!(error.fault, kind.name());
    }
}

#[test]
fn a_crash_needs_an_entity_that_is_known_and_somebody_to_tell_it() {
    let crash = "faults = [{ kind = 'crash-entity', at_s = 1 }]";
    let scenario = parsed(crash).unwrap();
    assert!(scenario.has_fault(FaultKind::CrashEntity) && !scenario.has_fault(FaultKind::Kill));
    let workflows =
        scenario.to_toml().unwrap().replace("\"read\"", "\"workflow\"\ntemplate = \"t\"");
    let Err(ScenarioError::Value { key, .. }) = Scenario::parse("a", &workflows) else {
        panic!("it was taken: {workflows}");
    };
    assert_eq!(key, "mix");
    let (_going, over) = channel();
    let one = [due(FaultKind::CrashEntity, 0, 0)];
    let mut noted = Noted::default();
    let faults = carried_out(&one, &mut noted, None, &over);
    assert!(faults[0].failed.is_some(), "{faults:?}");
}

#[test]
fn faults_come_in_their_time_and_are_taken_back() {
    let (_going, over) = channel();
    let mut noted = Noted::default();
    let two = [due(FaultKind::Kill, 20 * MS, 30 * MS), due(FaultKind::Kill, 90 * MS, 0)];
    let (onlooker, sights) = sync_channel(10);
    let faults = carried_out(&two, &mut noted, Some(&onlooker), &over);
    assert_eq!(noted.done, ["kill", "restart", "kill", "restart"]);
    drop(onlooker);
    let told = sights.iter().map(|sight| match sight {
        Sight::Struck { name, from } => (name, Some(from)),
        Sight::TakenBack { name } => (name, None),
        other => panic!("{other:?}"),
    });
    let [one, other] = [faults[0].from, faults[1].from].map(Some);
    let expected = [("kill", one), ("kill", None), ("kill", other), ("kill", None)];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(faults[0].from >= 20 * MS && faults[0].to >= faults[0].from + 30 * MS);
    assert!(faults[1].from >= 90 * MS);
    assert!(faults.iter().all(|fault| fault.failed.is_none()));
}

#[test]
fn a_fault_that_fails_is_put_down_and_the_end_of_the_run_takes_the_rest_back_at_once() {
    let (going, over) = channel();
    let mut noted = Noted { is_stubborn: true, ..Noted::default() };
    let (onlooker, sights) = sync_channel(10);
    let one = [due(FaultKind::Kill, 0, 0)];
    let faults = carried_out(&one, &mut noted, Some(&onlooker), &over);
    assert!(sights.try_recv().is_err(), "nothing was done");
    assert_eq!(faults[0].failed.as_deref(), Some("it is stubborn"));
    assert_eq!(noted.done, ["kill"]);
    let mut noted = Noted::default();
    let long = 3_600_000 * MS;
    let (onlooker, sights) = sync_channel(10);
    let ends = std::thread::spawn(move || {
        // The first has struck.
        assert!(matches!(sights.recv(), Ok(Sight::Struck { .. })));
        drop(going);
    });
    let two = [due(FaultKind::Kill, 0, long), due(FaultKind::Kill, long, 0)];
    let faults = carried_out(&two, &mut noted, Some(&onlooker), &over);
    ends.join().unwrap();
    assert_eq!(noted.done, ["kill", "restart"]);
    assert_eq!(faults[0].failed, None);
    assert!(faults[0].to < long);
    // What was to come isn't forgotten.
    assert_eq!(faults[1].failed.as_deref(), Some("the run was over before it"));
}

#[test]
fn whoever_wants_the_run_to_end_has_what_was_done_taken_back() {
    let (_going, over) = channel();
    let (mut noted, stop) = (Noted::default(), Stop::default());
    let asking = stop.clone();
    let (onlooker, sights) = sync_channel(10);
    let asks = std::thread::spawn(move || {
        assert!(matches!(sights.recv(), Ok(Sight::Struck { .. })));
        asking.ask()
    });
    let clock = Clock::begin();
    let until = Until { clock, run_is_over: &over, stop: &stop };
    let one = [due(FaultKind::Kill, 0, 3_600_000 * MS)];
    carry_out(&one, &mut hands(&mut noted), &until, Some(&onlooker));
    assert_eq!(noted.done, ["kill", "restart"]);
    assert!(!asks.join().unwrap(), "it was the first to ask");
}
