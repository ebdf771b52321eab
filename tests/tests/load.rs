//! `coppice load`, as a user runs it: on a node of its own, on both stores, through faults.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output};

use coppice_load::record::Outcome;
use coppice_load::recording::{FILE, History};
use coppice_testkit::binary;
use coppice_testkit::postgres::shared_database;
use coppice_testkit::sandbox::Sandbox;
use tempfile::TempDir;

/// Brief, and patient with a machine that does other things: what is looked at is that it works.
const BRIEF: &str = "
name = 'brief'
about = 'every part of a run, once'
seed = 1
lag_p99_max_ms = 60000
timeout_ms = 10000
[capacity]
sessions = [4]
for_s = 1
[[phases]]
name = 'half'
for_s = 6
arrivals = { kind = 'poisson', rate = { per_s = 60 } }
[[mix]]
operation = 'add'
weight = 3
amount = [-9, 9]
[[mix]]
operation = 'read'
weight = 1
[keys]
distribution = 'zipfian'
count = 20
theta = 0.99
[idempotency]
policy = 'repeat'
repeat_share = 0.1
retries_max = 30
";

const FAULTS: &str = "
[[faults]]
kind = 'kill'
at_s = 1
for_s = 0.2
[[faults]]
kind = 'freeze'
at_s = 2
for_s = 0.5
[[faults]]
kind = 'cut'
at_s = 3
for_s = 0.3
[[faults]]
kind = 'delay'
at_s = 4
for_s = 0.5
delay_ms = 20
";

fn load(scenario: &str, out: &Path, more: &[&str]) -> Output {
    let file = out.join("scenario.toml");
    std::fs::write(&file, scenario).unwrap();
    let mut command = Command::new(binary());
    command.arg("load").arg(&file).arg("--out").arg(out).args(more);
    command.env_remove("COPPICE_API_KEY").output().unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn runs(more: &[&str]) {
    let out = TempDir::new().unwrap();
    let output = load(&format!("{BRIEF}{FAULTS}"), out.path(), more);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for fault in ["kill", "freeze", "cut", "delay"] {
        let line = said.lines().find(|line| line.starts_with(&format!("fault {fault} at ")));
        assert!(line.is_some_and(|line| line.contains("detected after")), "{fault}: {said}");
    }
    assert!(said.contains("acknowledged a second at most, with 4 sessions"), "{said}");
    let history: Vec<_> =
        History::open(&out.path().join(FILE)).unwrap().map(Result::unwrap).collect();
    let hurt = history.iter().filter(|entry| entry.outcome != Outcome::Acknowledged).count();
    assert!(hurt > 0, "no fault was felt");
    let ended = |op| {
        let tries = history.iter().filter(|entry| entry.op == op);
        tries.max_by_key(|entry| entry.attempt).unwrap()
    };
    let ops: HashSet<u64> = history.iter().filter(|one| one.keyed).map(|one| one.op).collect();
    assert!(ops.len() > 100, "{}", ops.len());
    // What may have happened was tried again until it was known.
    assert!(ops.iter().all(|op| !ended(*op).outcome.may_have_happened()));
}

#[test]
fn a_run_with_faults_comes_to_its_end_on_the_embedded_store() {
    runs(&[]);
}

#[test]
fn a_run_with_faults_comes_to_its_end_on_postgresql() {
    runs(&["--database", &shared_database().unwrap()]);
}

#[tokio::test]
async fn any_gateway_is_driven_by_its_address_and_key() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let out = TempDir::new().unwrap();
    let target = ["--target", sandbox.url(), "--key", sandbox.key(), "--quiet"];
    let output = load(BRIEF, out.path(), &target);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let out = TempDir::new().unwrap();
    let output = load(&format!("{BRIEF}{FAULTS}"), out.path(), &target);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the fault `kill`, which needs"), "{}", said(&output));
    let output = load(BRIEF, out.path(), &["--target", sandbox.url()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("COPPICE_API_KEY"), "{}", said(&output));
}

#[test]
fn the_scenarios_are_listed_and_an_unknown_one_is_refused() {
    let ask = |argument| Command::new(binary()).args(["load", argument]).output().unwrap();
    let listed = said(&ask("--list"));
    for name in ["steady", "hot-entity", "workflows", "money", "overload", "soak"] {
        assert!(listed.lines().any(|line| line.starts_with(name)), "{name}: {listed}");
    }
    let unknown = ask("no-such");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains("no scenario and no file"), "{}", said(&unknown));
}
