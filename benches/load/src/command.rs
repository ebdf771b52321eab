//! `coppice load`: the command line, and how it ends.

mod arguments;
mod summary;
mod together;
mod watching;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;

use thiserror::Error;

pub use self::arguments::LoadArguments;

use crate::baseline::{Baseline, BaselineError, RUNS_MIN};
use crate::coordinate::CoordinateError;
use crate::examine::{Examination, ExamineError, environment, examine, thresholds};
use crate::faults::{DatabaseCommands, External, Reached, Starter};
use crate::measuring::Sight;
use crate::record::Nanos;
use crate::report::{Conclusion, Report, plain};
use crate::run::{Finished, Options, RunError, RunName, default_out, run};
use crate::scenario::{CANONICAL, SHIPPED, Scenario, ScenarioError};
use crate::stop::Stop;
use crate::threshold::{Threshold, ThresholdError};
use crate::wire::Trust;

/// How a run that was carried out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Pass,
    /// A threshold was not kept.
    Threshold,
    /// The generator was the bottleneck: the figures are its own, and say nothing of the target.
    GeneratorLimited,
    /// The target did something wrong.
    Correctness,
}

impl Verdict {
    /// The exit code that stands for it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Threshold => 2,
            Self::GeneratorLimited => 3,
            Self::Correctness => 4,
        }
    }
}

impl From<Conclusion> for Verdict {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Pass => Self::Pass,
            Conclusion::Threshold => Self::Threshold,
            Conclusion::GeneratorLimited => Self::GeneratorLimited,
            Conclusion::Correctness => Self::Correctness,
        }
    }
}

/// The command could not do what it was told to.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A threshold of the scenario makes no sense.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// The run was carried out and can't be judged.
    #[error("the run can not be judged")]
    Examine(#[from] ExamineError),
    /// The baseline can't be kept.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// A target was named and no key.
    #[error("--target needs the key of its API: --key, or COPPICE_API_KEY")]
    NoKey,
    /// The server of the harness's own could not be made ready.
    #[error("a server of its own could not be made ready")]
    Own(#[from] crate::faults::StarterError),
    /// Those who were to carry it out together did not.
    #[error("the generators did not carry out one run together")]
    Together(#[from] CoordinateError),
    /// The scenario has a fault of the target's process, and several generators would each do it.
    #[error("the scenario has the fault `{0}`, which only a run with one generator can have")]
    Process(&'static str),
    /// The scenario sets alarms, and several generators would each listen for all of them.
    #[error("the scenario sets alarms, which only a run with one generator can")]
    Alarms,
    /// It can't be told to generators.
    #[error("the scenario can not be told to the generators")]
    Untold(#[from] toml::ser::Error),
    /// Nobody reads what is said.
    #[error("writing to the terminal failed")]
    Output(#[from] io::Error),
}

/// What a server of the harness's own must know.
#[derive(Debug, Clone)]
pub struct OwnServer {
    /// A PostgreSQL database in place of the embedded store.
    pub database: Option<String>,
    /// How its database is stopped and started.
    pub database_commands: DatabaseCommands,
}

/// Runs the command. `own` makes the starter of a server of its own.
///
/// # Errors
///
/// Where it could not do what it was told to; what the target did wrong is in the verdict.
pub fn load(
    arguments: &LoadArguments,
    mut own: impl FnMut(OwnServer) -> Result<Box<dyn Starter>, crate::faults::StarterError>,
) -> Result<Verdict, CommandError> {
    if arguments.list {
        list()?;
        return Ok(Verdict::Pass);
    }
    let stop = Stop::default();
    if let Some(address) = &arguments.join {
        together::join(arguments, address, starter(arguments, &mut own)?.as_mut(), &stop)?;
        return Ok(Verdict::Pass);
    }
    let name = arguments.scenario.as_deref().unwrap_or(CANONICAL);
    let mut scenario = Scenario::find(name)?.scaled(arguments.time_scale);
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    let thresholds = thresholds(&scenario)?;
    if let Some(address) = &arguments.coordinate {
        let mut starter = starter(arguments, &mut own)?;
        let report =
            together::coordinate(arguments, address, &scenario, &thresholds, starter.as_mut())?;
        return Ok(Verdict::from(report.conclusion));
    }
    // Those above end at a signal as any process does: they wait for others, and have nothing to undo.
    stop.listen()?;
    let least = if arguments.save_baseline.is_some() { RUNS_MIN } else { 1 };
    let runs = arguments.runs.map_or(least, |runs| runs as usize);
    let out = arguments.out.clone().unwrap_or_else(|| default_out(&scenario));
    let mut reports = Vec::new();
    for number in 0..runs {
        let out = if runs == 1 { out.clone() } else { out.join(format!("run-{number}")) };
        let mut starter = starter(arguments, &mut own)?;
        reports.push(once(arguments, &scenario, &thresholds, starter.as_mut(), out, &stop)?);
    }
    let worst = reports.iter().map(|report| report.conclusion).min();
    let worst = worst.map_or(Verdict::Pass, Verdict::from);
    // What isn't the target's, or is wrong, is nothing to compare with.
    let is_sound = !matches!(worst, Verdict::GeneratorLimited | Verdict::Correctness);
    if let Some(path) = arguments.save_baseline.as_ref().filter(|_| is_sound) {
        let figures: Vec<_> = reports.iter().map(|report| report.figures.clone()).collect();
        let environment = reports[0].environment.clone();
        Baseline::of(&scenario.name, environment, &figures)?.write(path)?;
    }
    if arguments.save_baseline.is_some() && !is_sound {
        writeln!(io::stderr().lock(), "no baseline is kept of these runs")?;
    }
    Ok(worst)
}

/// One run, with its report.
fn once(
    arguments: &LoadArguments,
    scenario: &Scenario,
    thresholds: &[Threshold],
    starter: &mut dyn Starter,
    out: PathBuf,
    stop: &Stop,
) -> Result<Report, CommandError> {
    let slice = arguments.slice;
    let finished = watched(arguments, scenario, stop, |onlooker| {
        let (out, threads, stop) = (out.clone(), arguments.threads, stop.clone());
        let options = Options { out, threads, slice, name: RunName::drawn(), onlooker, stop };
        run(scenario.clone(), starter, &options)
    })??;
    judged(arguments, &finished, thresholds, (u64::from(slice.of), 0), out, stop)
}

/// Shows a run as it goes on. The inner error is the run's.
fn watched<T>(
    arguments: &LoadArguments,
    scenario: &Scenario,
    stop: &Stop,
    run: impl FnOnce(Option<SyncSender<Sight>>) -> T,
) -> io::Result<T> {
    if arguments.quiet {
        return Ok(run(None));
    }
    let (threads, is_plain) = (arguments.threads, arguments.plain);
    let (onlooker, watching) = watching::watch(scenario, threads, is_plain, stop.clone())?;
    let came = run(Some(onlooker));
    // Whoever stopped looking on misses nothing else of a run that was carried out.
    let _unseen = watching.end();
    Ok(came)
}

/// Examines a run, and says what it came to.
fn judged(
    arguments: &LoadArguments,
    finished: &Finished,
    thresholds: &[Threshold],
    generators: (u64, Nanos),
    out: PathBuf,
    stop: &Stop,
) -> Result<Report, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let is_own = arguments.target.is_none();
        let mut environment = environment(&finished.reached, is_own, finished.began).await;
        if is_own {
            let store = if arguments.database.is_some() { "postgresql" } else { "sqlite" };
            environment.store = Some(store.to_owned());
            environment.settings.extend(finished.scenario.server.environment.clone());
        }
        let examination = Examination {
            out,
            thresholds: thresholds.to_vec(),
            baseline: arguments.baseline.clone(),
            elle: arguments.elle,
            alone: !arguments.shared,
            generators,
            environment,
        };
        tokio::select! {
            report = examine(finished, examination) => report.map_err(CommandError::from),
            () = stop.asked() => Err(RunError::Stopped.into()),
        }
    })?;
    say(finished, &report)?;
    Ok(report)
}

fn starter(
    arguments: &LoadArguments,
    own: &mut impl FnMut(OwnServer) -> Result<Box<dyn Starter>, crate::faults::StarterError>,
) -> Result<Box<dyn Starter>, CommandError> {
    let database = DatabaseCommands {
        stop: arguments.postgres_stop.clone(),
        start: arguments.postgres_start.clone(),
    };
    match &arguments.target {
        Some(url) => Ok(Box::new(External {
            reached: Reached {
                url: url.clone(),
                key: arguments.key.clone().ok_or(CommandError::NoKey)?,
                trust: arguments.ca.clone().map_or(Trust::System, Trust::File),
            },
            process_id: arguments.pid,
            restart: arguments.restart.clone(),
            database,
            bell: arguments.bell,
        })),
        None => {
            let server =
                OwnServer { database: arguments.database.clone(), database_commands: database };
            Ok(own(server)?)
        }
    }
}

fn list() -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    for (name, text) in SHIPPED {
        let scenario = Scenario::parse(name, text)?;
        writeln!(out, "{name:<14} {}", scenario.about)?;
    }
    Ok(())
}

fn say(finished: &Finished, report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(summary::text(finished).as_bytes())?;
    writeln!(out)?;
    out.write_all(plain(report).as_bytes())?;
    if report.generator.is_limited {
        writeln!(
            out,
            "\nTHE GENERATOR WAS THE BOTTLENECK: it was further behind its plan than \
             {} ms at the 99th percentile, or a thread of it had no time left.\n\
             These figures are of the generator, not of the target.",
            finished.scenario.lag_p99_max_ms
        )?;
    }
    if let Some(directory) = finished.history.parent() {
        writeln!(out, "\nthe report is in {}", directory.display())?;
    }
    out.flush()
}
