//! `coppice load`: the command line, and how it ends.

mod summary;
mod watching;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use crate::baseline::{Baseline, BaselineError, RUNS_MIN};
use crate::examine::{Examination, ExamineError, environment, examine, thresholds};
use crate::faults::{DatabaseCommands, External, Reached, Starter};
use crate::plan::Slice;
use crate::report::{Conclusion, Report, plain};
use crate::run::{Finished, Options, RunError, default_out, run};
use crate::scenario::{CANONICAL, SHIPPED, Scenario, ScenarioError};
use crate::threshold::{Threshold, ThresholdError};

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
    /// Nobody reads what is said.
    #[error("writing to the terminal failed")]
    Output(#[from] io::Error),
}

/// Drives a gateway and says how fast it is, honestly, and whether it did everything right.
#[derive(Debug, Clone, Args)]
pub struct LoadArguments {
    /// One of --list, or a file. Without one: the canonical workload, answered with two numbers.
    scenario: Option<String>,
    /// Shows the scenarios that come with the harness.
    #[arg(long)]
    list: bool,
    /// The gateway to drive [default: one of its own, in a temporary directory].
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// The target's API key.
    #[arg(long, value_name = "KEY", env = "COPPICE_API_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Where the history and the report go [default: a new temporary directory].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// A seed in place of the scenario's.
    #[arg(long)]
    seed: Option<u64>,
    /// Makes all times longer or shorter.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    time_scale: f64,
    /// Threads that send. One makes some tens of thousands of requests a second.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Does only the part of several generators that is this one's, such as 0/2 and 1/2.
    #[arg(long, value_name = "INDEX/OF", value_parser = slice, default_value = "0/1")]
    slice: Slice,
    /// A PostgreSQL database for the server of its own, in place of the embedded store.
    #[arg(long, value_name = "URL", conflicts_with = "target")]
    database: Option<String>,
    /// The target's process, for faults that need it.
    #[arg(long, requires = "target")]
    pid: Option<u32>,
    /// Starts the target again after a kill, and returns once it serves, with its output closed. Prints
    /// the new process last.
    #[arg(long, value_name = "COMMAND", requires = "pid")]
    restart: Option<String>,
    /// Stops the PostgreSQL behind the target.
    #[arg(long, value_name = "COMMAND", requires = "postgres_start")]
    postgres_stop: Option<String>,
    /// Starts it, and returns once it can be used.
    #[arg(long, value_name = "COMMAND", requires = "postgres_stop")]
    postgres_start: Option<String>,
    /// Compares with earlier runs, and fails where this one is worse.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Keeps the figures of these runs to compare later ones with.
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    save_baseline: Option<PathBuf>,
    /// How often it is run [default: 1; 5 for a baseline].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: Option<u32>,
    /// Writes a history that Elle reads.
    #[arg(long)]
    elle: bool,
    /// Others use the run's entities as well: what the run never asked for is no fault.
    #[arg(long)]
    shared: bool,
    /// Shows the seconds as they pass in a line each, also in a terminal.
    #[arg(long)]
    plain: bool,
    /// Doesn't show the seconds as they pass.
    #[arg(long)]
    quiet: bool,
}

/// What a server of the harness's own must know.
#[derive(Debug, Clone)]
pub struct OwnServer {
    /// A PostgreSQL database in place of the embedded store.
    pub database: Option<String>,
    /// How its database is stopped and started.
    pub database_commands: DatabaseCommands,
}

fn factor(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1_000.0).contains(&factor) {
        Ok(factor)
    } else {
        Err("must be from 0.001 to 1000".to_owned())
    }
}

fn slice(text: &str) -> Result<Slice, String> {
    let parts = text
        .split_once('/')
        .and_then(|(index, of)| Some(Slice { index: index.parse().ok()?, of: of.parse().ok()? }));
    parts
        .filter(|slice| slice.index < slice.of)
        .ok_or_else(|| "must be such as 0/2: which one, counted from 0, and of how many".to_owned())
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
    let name = arguments.scenario.as_deref().unwrap_or(CANONICAL);
    let mut scenario = Scenario::find(name)?.scaled(arguments.time_scale);
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    let thresholds = thresholds(&scenario)?;
    let least = if arguments.save_baseline.is_some() { RUNS_MIN } else { 1 };
    let runs = arguments.runs.map_or(least, |runs| runs as usize);
    let out = arguments.out.clone().unwrap_or_else(|| default_out(&scenario));
    let mut reports = Vec::new();
    for number in 0..runs {
        let out = if runs == 1 { out.clone() } else { out.join(format!("run-{number}")) };
        let mut starter = starter(arguments, &mut own)?;
        reports.push(once(arguments, &scenario, &thresholds, starter.as_mut(), out)?);
    }
    if let Some(path) = &arguments.save_baseline {
        let figures: Vec<_> = reports.iter().map(|report| report.figures.clone()).collect();
        let environment = reports[0].environment.clone();
        Baseline::of(&scenario.name, environment, &figures)?.write(path)?;
    }
    let worst = reports.iter().map(|report| report.conclusion).min();
    Ok(worst.map_or(Verdict::Pass, Verdict::from))
}

/// One run, with its report.
fn once(
    arguments: &LoadArguments,
    scenario: &Scenario,
    thresholds: &[Threshold],
    starter: &mut dyn Starter,
    out: PathBuf,
) -> Result<Report, CommandError> {
    let (onlooker, watching) = if arguments.quiet {
        (None, None)
    } else {
        let (onlooker, watching) = watching::watch(scenario, arguments.threads, arguments.plain)?;
        (Some(onlooker), Some(watching))
    };
    let options =
        Options { out: out.clone(), threads: arguments.threads, slice: arguments.slice, onlooker };
    let finished = run(scenario.clone(), starter, &options);
    drop(options);
    if let Some(watching) = watching {
        watching.end()?;
    }
    let finished = finished?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let is_own = arguments.target.is_none();
        let mut environment = environment(&finished.reached, is_own).await;
        if is_own {
            let store = if arguments.database.is_some() { "postgresql" } else { "sqlite" };
            environment.store = Some(store.to_owned());
            environment.settings.extend(scenario.server.environment.clone());
        }
        let examination = Examination {
            out,
            thresholds: thresholds.to_vec(),
            baseline: arguments.baseline.clone(),
            elle: arguments.elle,
            alone: !arguments.shared,
            generators: (u64::from(arguments.slice.of), 0),
            environment,
        };
        examine(&finished, examination).await
    })?;
    say(&finished, &report)?;
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
            },
            process_id: arguments.pid,
            restart: arguments.restart.clone(),
            database,
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
             {} ms at the 99th percentile.\nThese figures are of the generator, not of the target.",
            finished.scenario.lag_p99_max_ms
        )?;
    }
    if let Some(directory) = finished.history.parent() {
        writeln!(out, "\nthe report is in {}", directory.display())?;
    }
    out.flush()
}
