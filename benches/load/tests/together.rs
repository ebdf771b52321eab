//! Two generators and a coordinator, as their command lines say it, against a gateway in memory: what
//! comes of it is one run, with one report and one verdict.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

mod stub;

use std::collections::{BTreeMap, HashSet};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use coppice_load::command::{CommandError, LoadArguments, Verdict, load};
use coppice_load::faults::StarterError;
use coppice_load::record::{Entry, Outcome, PLACE_BITS, STEPS, generator_of};
use coppice_load::recording::{FILE, Header, History};
use coppice_load::report::Report;
use stub::{Faults, Stub};
use tempfile::TempDir;

/// Three sessions are no multiple of two generators.
const CAPACITY: &str = "capacity = { sessions = [3], for_s = 1.2 }";
const HALF: &str = "{ kind = 'constant', rate = { of_capacity = 0.5 } }";
const CONSTANT: &str = "{ kind = 'constant', rate = { per_s = 200 } }";

fn scenario(more: &str, arrivals: &str) -> String {
    format!(
        "name = 'shared'\nabout = 'b'\nseed = 5\nlag_p99_max_ms = 60000\n\
         keys = {{ distribution = 'uniform', count = 10 }}\n\
         idempotency = {{ policy = 'repeat', repeat_share = 0.1, retries_max = 3 }}\n{more}\n\
         [[phases]]\nname = 'all'\nfor_s = 2\narrivals = {arrivals}\n\
         [[mix]]\noperation = 'add'\nweight = 3\namount = [1, 9]\n\
         [[mix]]\noperation = 'read'\nweight = 2\n"
    )
}

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    load: LoadArguments,
}

fn command(arguments: &[&str]) -> Result<Verdict, CommandError> {
    let cli = Cli::try_parse_from(["load"].iter().chain(arguments)).unwrap();
    load(&cli.load, |_| Err(StarterError::Unable("a target is given")))
}

/// What the coordinator ended with, and where it and the two generators put their files.
struct Together {
    verdict: Result<Verdict, CommandError>,
    out: TempDir,
}

fn together(stub: &Stub, scenario: &str) -> Together {
    let out = TempDir::new().unwrap();
    let place = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
    let file = place("scenario.toml");
    std::fs::write(&file, scenario).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let url = stub.url();
    let common = ["--target", &url, "--key", Stub::KEY, "--quiet"];
    let verdict = std::thread::scope(|scope| {
        let join = |name: &str| {
            let (out, address, common) = (place(name), &address, &common);
            let arguments = move || {
                let own = ["--join", address, "--out", &out];
                command(&[&own, common.as_slice()].concat())
            };
            scope.spawn(arguments)
        };
        let joining = ["one", "other"].map(join);
        let leads = place("all");
        let own = [&file, "--coordinate", &address, "--generators", "2", "--out", &leads, "--elle"];
        let verdict = command(&[own.as_slice(), &common].concat());
        for one in joining {
            assert_eq!(one.join().unwrap().unwrap(), Verdict::Pass);
        }
        verdict
    });
    Together { verdict, out }
}

fn history(directory: &Path) -> (Header, Vec<Entry>) {
    let history = History::open(&directory.join(FILE)).unwrap();
    (history.header().clone(), history.map(Result::unwrap).collect())
}

fn report(together: &Together) -> Report {
    let text = std::fs::read_to_string(together.out.path().join("all/report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A try behind one that was acknowledged repeats it on purpose, and is in no figure.
fn is_counted(entry: &Entry, all: &[Entry]) -> bool {
    let mut before = all.iter().filter(|one| one.op == entry.op && one.attempt < entry.attempt);
    before.all(|one| one.outcome != Outcome::Acknowledged)
}

#[test]
fn two_generators_share_a_rate_and_come_to_one_report() {
    let stub = Stub::with(Faults { delay: Some(Duration::from_millis(20)), ..Faults::default() });
    let together = together(&stub, &scenario(CAPACITY, HALF));
    assert_eq!(together.verdict.as_ref().unwrap(), &Verdict::Pass);
    let (header, all) = history(&together.out.path().join("all"));
    let mut ops = HashSet::new();
    let mut tries = 0;
    for name in ["one", "other"] {
        let (own, entries) = history(&together.out.path().join(name));
        assert_eq!(own, header, "both do one run");
        let generators: HashSet<u64> = entries.iter().map(|one| generator_of(one.op, 2)).collect();
        assert_eq!(generators.len(), 1, "{name}: {generators:?}");
        let own: HashSet<u64> = entries.iter().map(|entry| entry.op).collect();
        assert!(own.len() > 10, "{name}: {}", own.len());
        assert!(ops.is_disjoint(&own), "no operation is done by both");
        ops.extend(own);
        tries += entries.len();
    }
    assert_eq!(all.len(), tries);
    assert!(all.iter().all(|entry| ops.contains(&entry.op)));
    let report = report(&together);
    let capacity = report.capacity.as_ref().unwrap();
    assert_eq!((capacity.sessions, report.generator.threads), (3, 2));
    // What all had acknowledged in the stretch that is looked at, three quarters of 1.2 s.
    let rising = all.iter().filter(|entry| (entry.op / STEPS) >> PLACE_BITS == 1);
    let rising = rising.filter(|entry| is_counted(entry, &all));
    let rising = rising.filter(|entry| entry.outcome == Outcome::Acknowledged).count();
    assert!((capacity.per_s * 0.9 - rising as f64).abs() < 1e-6, "{capacity:?} {rising}");
    let tries: u64 = report.outcomes.values().sum();
    let phase = report.phases.last().unwrap();
    let of_phase = |entry: &&Entry| entry.intended as f64 / 1e6 >= phase.from_ms;
    let counted = all.iter().filter(of_phase).filter(|entry| is_counted(entry, &all)).count();
    assert_eq!(counted as u64, tries);
    let planned: HashSet<u64> = all.iter().filter(of_phase).map(|entry| entry.op).collect();
    let expected = capacity.per_s / 2.0 * 2.0;
    assert!((planned.len() as f64 - expected).abs() <= 2.0, "{} of {expected}", planned.len());
    let verdict = report.verdict.as_ref().unwrap();
    assert!(verdict.checks.values().map(|tally| tally.examined).sum::<u64>() > 100);
    assert!(together.out.path().join("all/elle.edn").exists());
}

#[test]
fn the_coordinator_ends_as_one_run_would() {
    let lies = Faults { lose_every: 40, ..Faults::default() };
    for (faults, more, verdict) in [
        (Faults::default(), "", Verdict::Pass),
        (Faults::default(), "thresholds = ['add.p99_ms < 0.001']", Verdict::Threshold),
        (Faults::default(), "lag_p99_max_ms = 0", Verdict::GeneratorLimited),
        (lies, "", Verdict::Correctness),
    ] {
        let stub = Stub::with(faults);
        let mut scenario = scenario(more, CONSTANT);
        if more.starts_with("lag") {
            scenario = scenario.replacen("lag_p99_max_ms = 60000\n", "", 1);
        }
        let together = together(&stub, &scenario);
        assert_eq!(together.verdict.as_ref().unwrap(), &verdict, "{more}");
        assert_eq!(Verdict::from(report(&together).conclusion), verdict);
    }
}

#[test]
fn a_cut_on_the_ways_of_both_is_one_fault() {
    let stub = Stub::start();
    let cut = "faults = [{ kind = 'cut', at_s = 0.5, for_s = 1.2 }]";
    let together = together(&stub, &scenario(cut, CONSTANT));
    assert_eq!(together.verdict.as_ref().unwrap(), &Verdict::Pass);
    let report = report(&together);
    let names: Vec<&str> = report.faults.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(names, ["cut"]);
    let (_, all) = history(&together.out.path().join("all"));
    let mut hurt: BTreeMap<u64, u64> = BTreeMap::new();
    let felt = all.iter().filter(|one| matches!(one.outcome, Outcome::Broken | Outcome::NotSent));
    felt.for_each(|one| *hurt.entry(generator_of(one.op, 2)).or_default() += 1);
    assert!(hurt.len() == 2 && hurt.values().all(|count| *count > 5), "{hurt:?}");
}

#[test]
fn connections_and_places_are_shared_too() {
    let stub = Stub::with(Faults { delay: Some(Duration::from_secs(8)), ..Faults::default() });
    let together = together(&stub, &scenario("in_flight_max = 8", CONSTANT));
    assert_eq!(together.verdict.as_ref().unwrap(), &Verdict::Pass);
    let (_, all) = history(&together.out.path().join("all"));
    let ops: HashSet<u64> = all.iter().map(|entry| entry.op).collect();
    assert_eq!((ops.len(), report(&together).generator.dropped), (8, 392));
}

#[test]
fn a_fault_of_the_targets_process_is_refused_before_anybody_is_waited_for() {
    let stub = Stub::start();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("scenario.toml");
    std::fs::write(&file, scenario("faults = [{ kind = 'kill', at_s = 0 }]", CONSTANT)).unwrap();
    let (file, url) = (file.to_str().unwrap(), stub.url());
    let out = directory.path().to_str().unwrap();
    let leads = ["--coordinate", "127.0.0.1:0", "--generators", "2", "--out", out];
    let target = ["--target", &url, "--key", Stub::KEY, "--quiet"];
    let refused = command(&[&[file], leads.as_slice(), &target].concat()).unwrap_err();
    assert!(matches!(refused, CommandError::Process("kill")), "{refused}");
}

#[test]
fn what_the_coordinator_says_is_not_said_to_a_generator_as_well() {
    let refuses = |arguments: &[&str]| {
        let all = ["load", "--target", "http://a"].iter().chain(arguments);
        Cli::try_parse_from(all).is_err()
    };
    let join = ["--join", "a:1"];
    assert!(!refuses(&join) && !refuses(&["--join", "a:1", "--threads", "2"]));
    for more in [["--seed", "1"], ["--slice", "0/2"], ["--runs", "2"], ["--time-scale", "1"]] {
        assert!(refuses(&[join, more].concat()), "{more:?}");
    }
    let leads = ["--coordinate", "a:1", "--generators", "2"];
    assert!(!refuses(&leads) && refuses(&leads[..2]) && refuses(&leads[2..]));
    for more in [["--threads", "2"], ["--slice", "0/2"], ["--runs", "2"], ["--join", "a:1"]] {
        assert!(refuses(&[leads.as_slice(), &more].concat()), "{more:?}");
    }
    assert!(Cli::try_parse_from(["load", "--join", "a:1"]).is_err(), "it needs a target");
}
