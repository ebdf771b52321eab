//! `coppice load`, as a user runs it: on a node of its own, on both stores, through faults.

#![expect(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "load/secret.rs"]
mod secret;
#[path = "load/terminal.rs"]
mod terminal;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

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
[[faults]]
kind = 'crash-entity'
at_s = 5
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
    // Nobody need notice this one.
    let crash = said.lines().find(|line| line.starts_with("fault crash-entity at "));
    assert!(crash.is_some_and(|line| !line.contains("not carried out")), "{said}");
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

/// Alarms that the run sets, a kill in the middle of them.
const ALARMS: &str = "
[[mix]]
operation = 'alarm'
weight = 2
[[faults]]
kind = 'kill'
at_s = 1
";

/// The bell's check, and how many alarms it looked at.
fn alarms_heard(out: &Path) -> (u64, u64) {
    let text = std::fs::read_to_string(out.join("report.json")).unwrap();
    let report: coppice_load::report::Report = serde_json::from_str(&text).unwrap();
    let checks = report.verdict.unwrap().checks;
    let tally = &checks[&coppice_load::check::Check::Effect];
    (tally.examined, tally.violations)
}

#[tokio::test]
async fn alarms_are_heard_once_outside_through_a_kill() {
    let out = TempDir::new().unwrap();
    let scenario = BRIEF.replace("for_s = 6", "for_s = 4") + ALARMS;
    let output = load(&scenario, out.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let (examined, violations) = alarms_heard(out.path());
    assert!(examined > 50 && violations == 0, "{examined} {violations}");
}

#[tokio::test]
async fn a_target_whose_bell_leads_elsewhere_is_found_out() {
    let bell = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sandbox = Sandbox::builder(binary());
    let sandbox = sandbox.env("COPPICE_EFFECTS__BELL_URL", format!("http://{bell}/bell"));
    let sandbox = sandbox.start().await.unwrap();
    let (alarms, _) = ALARMS.split_once("[[faults]]").unwrap();
    let scenario = BRIEF.replace("for_s = 6", "for_s = 1") + alarms;
    let target = ["--target", sandbox.url(), "--key", sandbox.key(), "--quiet"];
    let run = |more: &[&str]| {
        let out = TempDir::new().unwrap();
        (load(&scenario, out.path(), &[&target, more].concat()), out)
    };
    let (output, _out) = run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("--bell"), "{}", said(&output));
    let (output, out) = run(&["--bell", &bell.to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(alarms_heard(out.path()).0 > 10);
    // Nobody hears what goes to the other address, and that is wrong: exit code 4.
    let (output, out) = run(&["--bell", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let (examined, violations) = alarms_heard(out.path());
    assert!(examined > 10 && violations > 10, "{examined} {violations}");
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

#[tokio::test]
async fn a_missed_threshold_and_a_late_generator_have_exit_codes_of_their_own() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let target = ["--target", sandbox.url(), "--key", sandbox.key(), "--quiet"];
    let missed = BRIEF.replace("[capacity]", "thresholds = ['add.p99_ms < 0.001']\n[capacity]");
    let late = BRIEF.replace("lag_p99_max_ms = 60000", "lag_p99_max_ms = 0");
    for (scenario, code, reason) in
        [(missed, 2, "add.p99_ms < 0.001 does not hold"), (late, 3, "THE GENERATOR WAS")]
    {
        let out = TempDir::new().unwrap();
        let output = load(&scenario.replace("for_s = 6", "for_s = 1"), out.path(), &target);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(reason), "{}", said(&output));
    }
}

/// Without a terminal it is a signal that says so.
#[test]
fn a_signal_ends_a_run_before_its_time_and_takes_back_what_was_done() {
    let out = TempDir::new().unwrap();
    let file = out.path().join("scenario.toml");
    let frozen = "[[faults]]\nkind = 'freeze'\nat_s = 1\nfor_s = 500\n";
    std::fs::write(&file, BRIEF.replace("for_s = 6", "for_s = 600") + frozen).unwrap();
    let mut command = Command::new(binary());
    command.arg("load").args([file.as_path(), "--out".as_ref(), out.path()]).arg("--plain");
    command.env_remove("COPPICE_API_KEY").env("TMPDIR", out.path());
    command.stdout(Stdio::null()).stderr(Stdio::piped()).stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut says = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("[freeze]") {
        line.clear();
        assert_ne!(says.read_line(&mut line).unwrap(), 0, "it never froze");
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    says.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest}");
    assert!(rest.contains("the run was ended before its time"), "{rest}");
    // The node's directory is gone with it.
    let left: Vec<_> =
        std::fs::read_dir(out.path()).unwrap().map(|one| one.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.is_file()), "{left:?}");
}

#[test]
fn the_scenarios_are_listed_and_an_unknown_one_is_refused() {
    let ask = |argument| Command::new(binary()).args(["load", argument]).output().unwrap();
    let listed = said(&ask("--list"));
    for name in ["steady", "hot-entity", "workflows", "money", "effects", "overload", "soak"] {
        assert!(listed.lines().any(|line| line.starts_with(name)), "{name}: {listed}");
    }
    let unknown = ask("no-such");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains("no scenario and no file"), "{}", said(&unknown));
}

/// Money needs accounts, which one of the generators opens for all.
const SHARED: &str = "
name = 'shared'
about = 'what two generators do together'
seed = 1
lag_p99_max_ms = 60000
timeout_ms = 10000
phases = [{ name = 'all', for_s = 3, arrivals = { kind = 'poisson', rate = { per_s = 60 } } }]
keys = { distribution = 'uniform', count = 10 }
idempotency = { policy = 'fresh', retries_max = 30 }
[[mix]]
operation = 'add'
weight = 2
[[mix]]
operation = 'transfer'
weight = 1
amount = [1, 9]
";

/// A coordinator or a generator, killed with the test.
struct Process {
    child: Child,
    says: BufReader<ChildStderr>,
}

impl Process {
    fn start(sandbox: &Sandbox, out: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.arg("load").args(arguments).args(["--target", sandbox.url()]);
        command.args(["--key", sandbox.key(), "--out"]).arg(out);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(child.stderr.take().unwrap());
        Self { child, says }
    }

    /// The end of the first line that has these words.
    fn hears(&mut self, words: &str) -> String {
        let mut heard = String::new();
        loop {
            let before = heard.len();
            assert_ne!(self.says.read_line(&mut heard).unwrap(), 0, "{words}: {heard}");
            if let Some((_, end)) = heard[before..].split_once(words) {
                return end.trim_end().to_owned();
            }
        }
    }

    /// Its exit code, and what it has not said yet.
    fn ended(&mut self) -> (Option<i32>, String) {
        let lines = self.says.by_ref().lines();
        let rest = lines.map(Result::unwrap).collect::<Vec<_>>().join("\n");
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended can't be killed, and that is what is wanted.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A coordinator of two generators, and where it waits for them.
fn coordinator(sandbox: &Sandbox, out: &Path, scenario: &str, more: &[&str]) -> (Process, String) {
    let file = out.join("scenario.toml");
    std::fs::write(&file, scenario).unwrap();
    let arguments = [file.to_str().unwrap(), "--coordinate", "127.0.0.1:0", "--generators", "2"];
    let arguments = [arguments.as_slice(), more].concat();
    let mut leads = Process::start(sandbox, out, &arguments);
    let address = leads.hears("2 generators are to join at ");
    (leads, address)
}

#[tokio::test]
async fn two_generators_carry_one_run_out_and_its_coordinator_judges_it() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let outs = [(); 3].map(|()| TempDir::new().unwrap());
    let (mut leads, address) = coordinator(&sandbox, outs[0].path(), SHARED, &[]);
    let join = |out: &TempDir| Process::start(&sandbox, out.path(), &["--join", &address]);
    let mut joining = [join(&outs[1]), join(&outs[2])];
    for one in &mut joining {
        let (code, said) = one.ended();
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, said) = leads.ended();
    assert_eq!(code, Some(0), "{said}");
    let history = |out: &TempDir| {
        let history = History::open(&out.path().join(FILE)).unwrap();
        (history.header().clone(), history.map(Result::unwrap).collect::<Vec<_>>())
    };
    let [(header, all), (one, its), (other, others)] = outs.each_ref().map(history);
    assert!(header == one && header == other, "{header:?} {one:?} {other:?}");
    assert!(!its.is_empty() && !others.is_empty());
    assert_eq!(all.len(), its.len() + others.len());
    let report = std::fs::read_to_string(outs[0].path().join("report.txt")).unwrap();
    assert!(report.starts_with("shared: pass"), "{report}");
    assert!(!outs[1].path().join("report.txt").exists(), "one run has one report");
}

#[tokio::test]
async fn without_one_of_its_generators_a_run_has_no_result() {
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let out = TempDir::new().unwrap();
    let long = SHARED.replace("for_s = 3", "for_s = 3600");
    let (mut leads, address) = coordinator(&sandbox, out.path(), &long, &[]);
    let outs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let join = |out: &TempDir| Process::start(&sandbox, out.path(), &["--join", &address]);
    let mut joining = outs.each_ref().map(join);
    leads.hears("has begun");
    leads.hears("has begun");
    joining[1].child.kill().unwrap();
    let (code, said) = leads.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the connection to generator ") && said.contains(" broke"), "{said}");
    assert!(!out.path().join("report.json").exists());
    drop(joining);
    let (mut leads, address) = coordinator(&sandbox, out.path(), SHARED, &["--join-within", "8"]);
    let mut alone = Process::start(&sandbox, outs[0].path(), &["--join", &address]);
    let (code, said) = leads.ended();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("1 of 2 generators have joined within 8 s"), "{said}");
    assert_eq!(alone.ended().0, Some(1));
    assert!(!out.path().join("report.json").exists());
}
