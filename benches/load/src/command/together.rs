//! Several generators for one run, on the command line: one who leads and judges, and those who send.

use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{CommandError, LoadArguments, judged, watched};
use crate::coordinate::{self, Assignment, Call, Carried, Progress};
use crate::faults::{Starter, schedule};
use crate::plan::Slice;
use crate::recording::{Header, History, Recording};
use crate::report::Report;
use crate::run::{Finished, Options, RunError, RunName, default_out, run_in};
use crate::scenario::Scenario;
use crate::stop::Stop;
use crate::threshold::Threshold;

/// What an assigned scenario is called where something is wrong with it.
const ASSIGNED: &str = "what the coordinator assigned";

/// Leads generators through a scenario, and judges what came of all of them as one run.
pub(super) fn coordinate(
    arguments: &LoadArguments,
    address: &str,
    scenario: &Scenario,
    thresholds: &[Threshold],
    starter: &mut dyn Starter,
) -> Result<Report, CommandError> {
    let of_process = schedule(scenario, 0).into_iter().find(|due| !due.kind.is_of_the_network());
    if let Some(due) = of_process {
        return Err(CommandError::Process(due.kind.name()));
    }
    if scenario.sets_alarms() {
        return Err(CommandError::Alarms);
    }
    let RunName { run, prefix } = RunName::drawn();
    let job =
        Assignment { index: 0, of: 0, run, prefix: prefix.clone(), scenario: scenario.to_toml()? };
    let out = arguments.out.clone().unwrap_or_else(|| default_out(scenario));
    std::fs::create_dir_all(&out)?;
    let recording = Recording::begin(&out, &Header { run, seed: scenario.seed, prefix });
    let recording = recording.map_err(RunError::from)?;
    let reached = starter.start(&scenario.server.environment).map_err(RunError::from)?;
    let generators = arguments.generators.unwrap_or(1);
    let listener = TcpListener::bind(address)?;
    say(arguments, &format!("{generators} generators are to join at {}", listener.local_addr()?))?;
    let call = Call { generators, within: Duration::from_secs(arguments.join_within) };
    let began = Mutex::new(SystemTime::now());
    let told = |progress: Progress| {
        if matches!(progress, Progress::Joined { .. }) {
            // All begin once the last has joined.
            *began.lock().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
        }
        let text = match progress {
            Progress::Joined { whom } => format!("{whom} has joined"),
            Progress::Gone { whom } => format!("{whom} has begun"),
            Progress::Done { whom } => format!("{whom} has handed over what it has"),
        };
        // Whoever doesn't listen any more misses it; the report says what matters.
        let _missed = say(arguments, &text);
    };
    let mut recorder = recording.recorder();
    let mut keep = |entry| {
        recorder.record(entry);
        Ok(())
    };
    let gathered = coordinate::coordinate(&listener, &job, call, &told, &mut keep);
    drop(recorder);
    let (history, tries) = recording.end().map_err(RunError::from)?;
    let gathered = gathered?;
    let finished = Finished {
        scenario: scenario.clone(),
        measured: gathered.measured,
        history,
        tries,
        ear: None,
        began: began.into_inner().unwrap_or_else(PoisonError::into_inner),
        reached,
    };
    let generators = (u64::from(generators), gathered.skew);
    judged(arguments, &finished, thresholds, generators, out, &Stop::default())
}

/// Carries out what a coordinator assigns.
pub(super) fn join(
    arguments: &LoadArguments,
    address: &str,
    starter: &mut dyn Starter,
    stop: &Stop,
) -> Result<(), CommandError> {
    let within = Duration::from_secs(arguments.join_within);
    coordinate::join(address, within, |assignment, company| {
        let scenario = Scenario::from_toml(ASSIGNED, &assignment.scenario)?;
        let Assignment { index, of, run, prefix, .. } = assignment.clone();
        let finished = watched(arguments, &scenario, stop, |onlooker| {
            let options = Options {
                out: arguments.out.clone().unwrap_or_else(|| default_out(&scenario)),
                threads: arguments.threads,
                slice: Slice { index, of },
                name: RunName { run, prefix },
                onlooker,
                stop: stop.clone(),
            };
            run_in(scenario.clone(), starter, &options, company)
        })??;
        let Finished { measured, history, tries, .. } = finished;
        say(arguments, &format!("{tries} tries in {} go to the coordinator", history.display()))?;
        let entries = History::open(&history).map_err(RunError::from)?;
        let entries = entries.map(|entry| entry.map_err(|error| RunError::from(error).into()));
        Ok::<_, CommandError>(Carried { measured, entries })
    })?;
    say(arguments, "the coordinator has it, and judges")?;
    Ok(())
}

fn say(arguments: &LoadArguments, text: &str) -> io::Result<()> {
    if arguments.quiet {
        return Ok(());
    }
    writeln!(io::stderr().lock(), "{text}")
}
