//! From a run that was carried out to its report: the history is held against what the target serves,
//! figures against thresholds and baseline, and everything is written beside the history.
//!
//! | File | What |
//! |---|---|
//! | `report.json` | [`Report`], by `report.schema.json` |
//! | `report.html` | The same as a page |
//! | `report.txt` | The same as text |
//! | `latencies.hlog` | HdrHistogram's log, second by second |
//! | `elle.edn` | The history for Elle, where it was asked for |

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::Uri;
use serde::Deserialize;
use thiserror::Error;

use crate::baseline::{Baseline, BaselineError};
use crate::check::elle::{Elle, ElleError};
use crate::check::{CheckError, HttpServed, Options, Verdict, check};
use crate::faults::Reached;
use crate::figures::{figures, names};
use crate::record::{Nanos, Operation};
use crate::recording::{History, HistoryError, SORTED_AT_ONCE};
use crate::recovery::aftermaths;
use crate::report::{Environment, HlogError, Report, Sources, build, html, plain, write_hlog};
use crate::run::Finished;
use crate::scenario::Scenario;
use crate::threshold::{Threshold, ThresholdError};
use crate::wire::{Call, Clock, Slot, TargetError};

/// How long the target may take to say what it is.
const ABOUT_MAX_NS: Nanos = 10_000_000_000;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ExamineError {
    /// The history can't be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The target can't be asked.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// What it serves can't be had.
    #[error("the answers can not be checked")]
    Check(#[from] CheckError<HistoryError>),
    /// The baseline.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// The history for Elle.
    #[error(transparent)]
    Elle(#[from] ElleError),
    /// The log of histograms.
    #[error(transparent)]
    Hlog(#[from] HlogError),
    /// The report can't be written as JSON.
    #[error("the report can not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A file.
    #[error("{} can not be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How a run is examined.
#[derive(Debug, Clone)]
pub struct Examination {
    /// Where the files go.
    pub out: PathBuf,
    /// What must be kept to: [`thresholds`] of the scenario.
    pub thresholds: Vec<Threshold>,
    /// Earlier runs to compare with.
    pub baseline: Option<PathBuf>,
    /// Whether a history for Elle is written.
    pub elle: bool,
    /// Nobody else uses the run's entities.
    pub alone: bool,
    /// How many generators there were, and how far their clocks may be apart.
    pub generators: (u64, Nanos),
    /// Where it was, as far as the caller knows: see [`environment`].
    pub environment: Environment,
}

/// The thresholds of a scenario, before it is run.
///
/// # Errors
/// [`ThresholdError`]
pub fn thresholds(scenario: &Scenario) -> Result<Vec<Threshold>, ThresholdError> {
    let operations: BTreeSet<Operation> =
        scenario.mix.iter().flat_map(|share| steps(share.operation)).copied().collect();
    let operations: Vec<Operation> = operations.into_iter().collect();
    let phases = scenario.phases.iter().map(|phase| phase.name.as_str());
    let names = names(phases, &operations);
    scenario.thresholds.iter().map(|text| Threshold::parse(text, &names)).collect()
}

/// An intent stands for all that follows from it.
const fn steps(operation: Operation) -> &'static [Operation] {
    match operation {
        Operation::Add => &[Operation::Add],
        Operation::Read => &[Operation::Read],
        Operation::Workflow => &[Operation::Workflow],
        Operation::Alarm => &[Operation::Alarm],
        Operation::Transfer => &[Operation::Transfer],
        Operation::Intent | Operation::Authorize | Operation::Post | Operation::Void => {
            &[Operation::Intent, Operation::Authorize, Operation::Post, Operation::Void]
        }
    }
}

/// What is known of machine and target of a run that began then; of the target what it says of itself,
/// which may be nothing.
pub async fn environment(reached: &Reached, is_own: bool, began: SystemTime) -> Environment {
    #[derive(Deserialize)]
    struct Health {
        version: String,
    }
    let since_epoch = began.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut environment = Environment::of_this_machine(&reached.url);
    environment.began_at = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
    environment.is_own = is_own;
    let Ok(target) = reached.target() else { return environment };
    let health = Call::get(Uri::from_static("/health"));
    let asked = Slot::new(0).ask(&target, &health, Clock::begin(), ABOUT_MAX_NS).await;
    if let Ok(answer) = asked.answer
        && let Ok(health) = serde_json::from_slice::<Health>(&answer.body)
    {
        environment.server_version = Some(health.version);
    }
    environment
}

/// Examines a run and writes its report.
///
/// # Errors
/// [`ExamineError`]; what the target did wrong is in the report.
pub async fn examine(
    finished: &Finished,
    examination: Examination,
) -> Result<Report, ExamineError> {
    let Finished { scenario, measured, history, reached, .. } = finished;
    let Examination { out, thresholds, baseline, elle, alone, generators, mut environment } =
        examination;
    environment.settings.insert("scenario".to_owned(), digest(scenario));
    let served = HttpServed::new(reached.target()?);
    let entries = History::open(history)?.by_key(SORTED_AT_ONCE)?;
    let (generators, skew) = generators;
    let mut options = Options::new(measured.run, measured.prefix.clone());
    (options.alone, options.generators, options.skew) = (alone, generators, skew);
    options.ear = finished.ear.clone();
    let mut told = elle.then(Elle::default);
    let verdict: Verdict = check(&served, &options, entries, told.as_mut()).await?;
    let figures: BTreeMap<String, f64> =
        figures(measured, &aftermaths(measured), Some(&verdict)).into_iter().collect();
    let baseline = baseline.map(|path| Baseline::read(&path, &scenario.name)).transpose()?;
    let baseline = baseline.map(|baseline| baseline.compare(&environment, &figures));
    let began_at = environment.began_at;
    let report = build(Sources {
        scenario: &scenario.name,
        about: &scenario.about,
        measured,
        thresholds: &thresholds,
        verdict: Some(&verdict),
        environment,
        baseline,
    });
    write(&out.join("report.json"), |file| Ok(writeln!(file, "{}", report.to_json()?)))?;
    write(&out.join("report.html"), |file| Ok(file.write_all(html(&report)?.as_bytes())))?;
    write(&out.join("report.txt"), |file| Ok(file.write_all(plain(&report).as_bytes())))?;
    write(&out.join("latencies.hlog"), |file| {
        write_hlog(measured, began_at, file)?;
        Ok(Ok(()))
    })?;
    if let Some(told) = told {
        write(&out.join("elle.edn"), |file| {
            told.write(file)?;
            Ok(Ok(()))
        })?;
    }
    Ok(report)
}

/// Tells scenarios of one name apart, as they were carried out: FNV-1a of all that they say. Another
/// build may say the same in other words; its runs aren't compared anyway.
fn digest(scenario: &Scenario) -> String {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = format!("{scenario:?}").bytes().fold(0xcbf2_9ce4_8422_2325, step);
    format!("{hash:016x}")
}

/// Makes a file. What writes it says what went wrong with its content, or with the file.
fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<io::Result<()>, ExamineError>,
) -> Result<(), ExamineError> {
    let of_file = |source| ExamineError::Write { path: path.to_owned(), source };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(of_file)?;
    }
    let mut file = BufWriter::new(File::create(path).map_err(of_file)?);
    content(&mut file)?.map_err(of_file)?;
    file.flush().map_err(of_file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::SHIPPED;

    #[test]
    fn every_shipped_scenario_has_thresholds_that_can_be_checked() {
        for (name, text) in SHIPPED {
            let scenario = Scenario::parse(name, text).unwrap();
            let thresholds =
                thresholds(&scenario).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(thresholds.len(), scenario.thresholds.len());
        }
    }

    #[test]
    fn a_scenario_is_told_from_any_other() {
        let shipped: std::collections::BTreeSet<String> = SHIPPED
            .iter()
            .map(|(name, text)| digest(&Scenario::parse(name, text).unwrap()))
            .collect();
        assert_eq!(shipped.len(), SHIPPED.len());
        let (name, text) = SHIPPED[0];
        let scenario = Scenario::parse(name, text).unwrap();
        assert!(shipped.contains(&digest(&scenario)), "it is the same each time");
        assert!(!shipped.contains(&digest(&scenario.scaled(0.5))), "of other lengths");
    }
}
