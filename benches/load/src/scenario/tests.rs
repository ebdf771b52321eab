//! What makes no sense is refused by its key, and what is unknown by its name.

use super::*;

const GOOD: &str = "
name = 'a'
about = 'b'
seed = 1
[capacity]
sessions = [4]
for_s = 2
[[phases]]
name = 'p'
for_s = 10
arrivals = { kind = 'spike', rate = { per_s = 5 }, peak = { of_capacity = 2 }, peak_at_s = 1, \
peak_for_s = 2 }
[[mix]]
operation = 'intent'
weight = 1
amount = [1, 2]
void_share = 0.5
[keys]
distribution = 'hot-k'
count = 10
hot = 2
hot_share = 0.5
[idempotency]
policy = 'repeat'
repeat_share = 0.1
retries_max = 2
[[faults]]
kind = 'kill'
at_s = 1
for_s = 2
[[faults]]
kind = 'delay'
at_s = 4
delay_ms = 5
";

/// The key that is named where a piece of a good scenario is put in another way.
fn named(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    match Scenario::parse("file", &GOOD.replacen(from, to, 1)) {
        Err(ScenarioError::Value { file, key, .. }) => {
            assert_eq!(file, "file");
            key
        }
        other => panic!("{from} as {to} gave {other:?}"),
    }
}

#[test]
fn values_that_make_no_sense_are_refused_by_their_key() {
    Scenario::parse("file", GOOD).unwrap();
    for (from, to, key) in [
        ("name = 'a'", "name = ''", "name"),
        ("seed = 1", "seed = 1\ntimeout_ms = 0", "timeout_ms"),
        ("seed = 1", "seed = 1\nin_flight_max = 0", "in_flight_max"),
        ("seed = 1", "seed = 1\nconnections_max = 0", "connections_max"),
        ("sessions = [4]", "sessions = []", "capacity.sessions"),
        ("sessions = [4]", "sessions = [10001]", "capacity.sessions"),
        ("for_s = 2", "for_s = 0", "capacity.for_s"),
        ("for_s = 10", "for_s = -1", "phases[0].for_s"),
        ("for_s = 10", "for_s = 2", "phases[0].arrivals.peak_at_s"),
        ("per_s = 5", "per_s = -5", "phases[0].arrivals.rate"),
        ("per_s = 5", "per_s = 5, of_capacity = 1", "phases[0].arrivals.rate"),
        ("{ per_s = 5 }", "{}", "phases[0].arrivals.rate"),
        ("of_capacity = 2", "of_capacity = 0", "phases[0].arrivals.peak"),
        ("[capacity]\nsessions = [4]\nfor_s = 2", "", "phases[0].arrivals.peak"),
        ("'intent'", "'post'", "mix[0].operation"),
        ("'intent'", "'workflow'", "mix[0].template"),
        ("amount = [1, 2]", "amount = [2, 1]", "mix[0].amount"),
        ("amount = [1, 2]", "amount = [0, 1]", "mix[0].amount"),
        ("void_share = 0.5", "void_share = 1.5", "mix[0].void_share"),
        ("weight = 1", "weight = 0", "mix"),
        ("hot = 2", "hot = 10", "keys.hot"),
        ("hot_share = 0.5", "hot_share = 2", "keys.hot_share"),
        ("count = 10", "count = 0", "keys.count"),
        ("policy = 'repeat'", "policy = 'fresh'", "idempotency.repeat_share"),
        ("repeat_share = 0.1", "repeat_share = 0", "idempotency.repeat_share"),
        ("policy = 'repeat'\nrepeat_share = 0.1", "", "idempotency.retries_max"),
        ("at_s = 4", "at_s = 2.5", "faults[1].at_s"),
        ("kill'\nat_s = 1", "kill'\nat_s = -1", "faults[0].at_s"),
    ] {
        assert_eq!(named(from, to), key, "{from} as {to}");
    }
}

#[test]
fn unknown_keys_are_errors_wherever_they_stand() {
    for (from, to) in [
        ("seed = 1", "seed = 1\nsped = 2"),
        ("sessions = [4]", "sessions = [4]\nevery = 1"),
        ("name = 'p'", "name = 'p'\nlong = 2"),
        ("per_s = 5", "per_s = 5, per_m = 1"),
        ("peak_at_s = 1", "peak_at_s = 1, at_s = 1"),
        ("weight = 1", "weight = 1\nwait = 1"),
        ("hot = 2", "hot = 2\ncold = 8"),
        ("retries_max = 2", "retries_max = 2\nretries = 2"),
        ("kind = 'kill'", "kind = 'kill'\nwhat = 1"),
        ("kind = 'kill'", "kind = 'crash'"),
        ("name = 'a'", ""),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let parsed = Scenario::parse("file", &GOOD.replacen(from, to, 1));
        assert!(matches!(parsed, Err(ScenarioError::Parse { .. })), "{to}: {parsed:?}");
    }
}

#[test]
fn two_phases_of_one_name_are_refused() {
    let twice = "name = 'p'\nfor_s = 1\narrivals = { kind = 'closed', sessions = 1 }\n[[phases]]\n\
                 name = 'p'";
    assert_eq!(named("name = 'p'", twice), "phases[1].name");
}

#[test]
fn a_scenario_is_found_by_name_or_file_and_else_not() {
    assert_eq!(Scenario::find(CANONICAL).unwrap().name, CANONICAL);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), GOOD).unwrap();
    assert_eq!(Scenario::find(file.path().to_str().unwrap()).unwrap().name, "a");
    assert!(matches!(Scenario::find("no-such"), Err(ScenarioError::Unknown(_))));
}

#[test]
fn a_scaled_scenario_still_makes_sense_and_has_all_its_times_changed() {
    let half = Scenario::parse("file", GOOD).unwrap().scaled(0.5);
    assert_eq!(check::fault(&half), None);
    assert_eq!((half.phases[0].for_s, half.capacity.unwrap().for_s), (5.0, 1.0));
    assert_eq!((half.faults[0].at_s, half.faults[0].for_s), (0.5, 1.0));
    for (name, text) in SHIPPED {
        let scaled = Scenario::parse(name, text).unwrap().scaled(0.1);
        assert_eq!(check::fault(&scaled), None, "{name}");
    }
}

#[test]
fn a_scenario_comes_through_as_toml_also_with_its_times_changed() {
    let texts = SHIPPED.iter().copied().chain([("file", GOOD)]);
    for (name, text) in texts {
        let mut scenario = Scenario::parse(name, text).unwrap().scaled(0.1);
        scenario.seed = u64::MAX;
        let told = scenario.to_toml().unwrap();
        assert_eq!(Scenario::from_toml(name, &told).unwrap(), scenario, "{told}");
    }
}
